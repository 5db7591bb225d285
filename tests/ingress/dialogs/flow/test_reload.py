"""A flow whose file changes while calls run."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flow_talk import Talk

from actors.errors import ConfigurationError
from actors.settings import SpeechSettings
from ingress.configuration.extension_book import ExtensionBook
from ingress.configuration.settings import Settings
from ingress.dialogs.base import DialogCall, EndCall, NothingHeard, Say
from ingress.dialogs.flow import library
from ingress.dialogs.flow.dialog import FlowDialog
from ingress.dialogs.registry import dialog
from ingress.phrases.warming import fixed_texts
from ingress.server.checking import check, extension_book
from ingress.server.configuration_keeper import ConfigurationKeeper
from ingress.server.extension_keeper import ExtensionKeeper

FLOW = """
languages: [en, pt]
slots: {{ n: {{ kind: number }} }}
steps:
  {name}: {{ask: n, say: {{en: "{text}", pt: Quantos?}}, next: done}}
  done: {{say: {{en: "{{n}} it is.", pt: "{{n}}, então."}}, end: done}}
"""


def settings_of(file: Path) -> Settings:
    """Return settings with two extensions that have the same flow."""
    extensions = {"sales": {"port": 0, "language": "pt"}, "tone": {"port": 0, "dialog": {"name": "tone"}}}
    return Settings.model_validate(
        {
            "server": {"port": 0},
            "dialog": {"name": "flow", "flow": {"file": str(file)}},
            "extensions": extensions,
        }
    )


def write(file: Path, text: str, is_forgotten: bool = True) -> None:
    """Change a flow. `is_forgotten`: as for a process that never saw the older one."""
    file.write_text(text)
    if is_forgotten:
        library._kept.clear()


def made(book: ExtensionBook, name: str = "default") -> FlowDialog:
    """Return the dialog that a gateway makes of a book."""
    found = dialog(book.extensions[name].dialog)
    assert isinstance(found, FlowDialog)
    return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A flow."""
    path = tmp_path / "flow.yaml"
    path.write_text(FLOW.format(name="ask", text="How many?"))
    return path


async def test_a_reload_notices_the_change_and_running_calls_keep_theirs(file: Path) -> None:
    """The same settings make another book; one that has not changed makes the same."""
    book = extension_book(settings_of(file))
    assert book.updated(extension_book(settings_of(file)))[0] is book
    talk = Talk(made(book))
    assert await talk.begin() == "How many?"
    write(file, FLOW.format(name="count", text="Which number?"), is_forgotten=False)
    newer, _ = book.updated(extension_book(settings_of(file)))
    assert newer.version == 2
    assert newer.extensions["tone"] == book.extensions["tone"]
    assert await Talk(made(newer)).begin() == "Which number?"
    talk.dialog = made(book)  # a gateway makes it anew for a call of an older book
    assert await talk.says("hm") == "Sorry, I did not understand that. How many?"
    assert await talk.says("three") == "3 it is."


async def test_a_gateway_that_never_saw_the_older_flow_goes_on_with_the_newer(file: Path) -> None:
    """At the step of the same name; without one the call ends politely."""
    book = extension_book(settings_of(file))
    talk = Talk(made(book))
    await talk.begin()
    write(file, FLOW.format(name="ask", text="How many, then?"))
    talk.dialog = made(book)
    assert await talk.says("hm") == "Sorry, I did not understand that. How many, then?"
    write(file, FLOW.format(name="count", text="How many?"))
    talk.dialog = made(book)
    assert await talk.says("three") == "I am sorry, we cannot go on here. Goodbye."
    assert talk.end == EndCall("flow_changed")


async def test_a_broken_file_stops_no_gateway(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It was whole when it was checked; somebody writes it when a gateway starts anew."""
    book = extension_book(settings_of(file))
    write(file, "languages: [")
    with caplog.at_level(logging.ERROR):
        broken = made(book)
    assert f"{file}:2:1: this is no YAML" in caplog.text
    assert broken.fixed_texts_in("en") == ()
    call = DialogCall("c1", "default", "pt-BR", None, None, datetime.now(UTC), [], {})
    done = [action async for action in broken.respond(NothingHeard(1), call)]
    sorry = Say("Desculpe, não podemos continuar. Até logo.", True, None, False, "caller")
    assert done == [sorry, EndCall("flow_unusable")]
    done = [action async for action in broken.respond(NothingHeard(1), replace(call, language="frr"))]
    assert done[0] == replace(sorry, text="I am sorry, we cannot go on here. Goodbye.")  # no French


def test_a_check_says_all_that_is_wrong(file: Path) -> None:
    """With the setting, the file, the line and the column, once for all extensions."""
    file.write_text(FLOW.format(name="ask", text="{x}").replace("end: done", "ends: done"))
    with pytest.raises(ConfigurationError) as caught:
        check(settings_of(file))
    assert str(caught.value).splitlines() == [
        f"dialog.flow: file = {str(file)!r}: this flow cannot be used:",
        f"{file}:5:27: {{x}}: there is no slot 'x'; "
        "known here: call_id, caller_name, caller_number, extension, n",
        f"{file}:6:3: 'next' is missing: this leads nowhere",
        f"{file}:6:54: unknown key 'ends'; did you mean 'end'?",
    ]


def test_a_flow_has_a_file(file: Path) -> None:
    """A setting that is not there, is misspelt, or names a look-up that is not there is a mistake as well."""
    for table, expected in (
        ({}, "dialog.flow: file is missing"),
        ({"fil": "x"}, "dialog.flow: unknown setting 'fil'; did you mean 'file'?"),
        ({"file": str(file.parent / "x.yaml")}, "x.yaml:1:1: there is no such file"),
    ):
        settings = Settings.model_validate({"dialog": {"name": "flow", "flow": table}})
        with pytest.raises(ConfigurationError) as caught:
            extension_book(settings)
        assert expected in str(caught.value)
    file.write_text(file.read_text().replace("end: done", "lookup: stock, next: ask"))
    with pytest.raises(ConfigurationError, match=r"there is no look-up 'stock' in \[dialog\.flow\.lookups\]"):
        extension_book(settings_of(file))


def test_fixed_texts_are_those_of_the_language(file: Path) -> None:
    """They are made before the first call: prompts without slots, and what every flow says."""
    book = extension_book(settings_of(file))
    english, portuguese = (fixed_texts(book.extensions[name]) for name in ("default", "sales"))
    assert {"How many?", "Please say yes or no."} <= set(english)
    assert {"Quantos?", "Por favor, diga sim ou não."} <= set(portuguese)
    assert not any("{" in text for text in [*english, *portuguese])


async def test_a_running_server_takes_a_changed_flow_at_its_reload(file: Path) -> None:
    """Although no setting has changed; a flow with a mistake changes nothing."""
    speech = {"stt": "scripted", "tts": "scripted"}
    settings = settings_of(file).model_copy(update={"speech": SpeechSettings.model_validate(speech)})
    extensions = ExtensionKeeper(extension_book(settings), settings.server)
    try:
        configuration = ConfigurationKeeper(settings, None, lambda drafts: settings, extensions)
        await configuration.reload()
        assert extensions.book.version == 1
        write(file, FLOW.format(name="ask", text="How many, then?"))
        await configuration.reload()
        assert extensions.book.version == 2
        write(file, "languages: [")
        with pytest.raises(ConfigurationError, match=r"flow\.yaml:2:1: this is no YAML"):
            await configuration.reload()
        assert await Talk(made(extensions.book)).begin() == "I am sorry, we cannot go on here. Goodbye."
    finally:
        extensions.close()
