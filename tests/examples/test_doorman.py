"""The example doorman: whose words open the door, and whose do not."""

from __future__ import annotations

import re
import sys
from io import StringIO
from pathlib import Path
from subprocess import PIPE, Popen

import pytest
import yaml
from flow_talk import Answering, Talk, flow_dialog

from ingress.caller.script_file import read_script
from ingress.cli import main
from ingress.configuration.loading import load_settings
from ingress.dialogs.base import CollectKeys, EndCall, Transfer
from ingress.dialogs.flow.texts import COMMON
from ingress.dialogs.matching import yes_or_no

FOLDER = Path(__file__).parents[2] / "examples" / "doorman"
FLOW = FOLDER / "doorman.yaml"
VISITOR = {"en": "My name is John Miller.", "pt": "Meu nome é João Silva."}
YES = {"en": "Yes.", "pt": "Sim."}
LANGUAGES = pytest.mark.parametrize("language", ["en", "pt"])
MINUTE = {"en": "I am talking to the apartment.", "pt": "Estou falando com o apartamento."}


async def at_the_door(language: str = "en") -> tuple[Talk, Answering]:
    """Return a call whose visitor is asked whom they visit, and what rings."""
    talk = Talk(flow_dialog(FLOW, lookups={"ring": {"url": "http://127.0.0.1:1/"}}), language)
    talk.dialog._lookups = ring = Answering({"ring": {}})  # type: ignore[assignment]
    await talk.begin()
    await talk.says(VISITOR[language])
    return talk, ring


async def is_asked(language: str = "en") -> Talk:
    """Return a call whose resident is asked."""
    talk, ring = await at_the_door(language)
    await talk.says("Helena Martins")
    await talk.says(YES[language])
    assert ring.sent == [("ring", {"apartment": "201", "uuid": "c1"})]
    assert (await talk.joins()).startswith("[return] ")
    return talk


def is_closed(talk: Talk) -> bool:
    """Return whether the call goes on and nothing was opened."""
    return talk.end is None and "DOOR" not in talk.variables


@LANGUAGES
async def test_a_clear_yes_of_the_resident_opens(language: str) -> None:
    """By word, by key; a no does not."""
    for answer, door in (
        (YES[language], "open"),
        ("1", "open"),
        ("2", "closed"),
        ("No." if language == "en" else "Não.", "closed"),
    ):
        talk = await is_asked(language)
        await (talk.presses(answer, "return") if answer.isdecimal() else talk.says(answer, "return"))
        assert talk.variables == {"DOOR": door, "APARTMENT": "201"}
        assert talk.end == EndCall("allowed" if door == "open" else "refused")


@LANGUAGES
async def test_the_visitor_opens_nothing(language: str) -> None:
    """Neither by word nor by key, however often; the resident's question stays."""
    talk = await is_asked(language)
    for _ in range(10):
        assert (await talk.says(YES[language])).startswith(MINUTE[language])
        assert (await talk.presses("1")).startswith(MINUTE[language])
    assert is_closed(talk)
    await talk.says(YES[language], "return")
    assert talk.end == EndCall("allowed")


async def test_a_resident_who_is_there_too_early_opens_nothing() -> None:
    """What is said before the question is no answer to it."""
    talk, _ = await at_the_door()
    assert await talk.joins() == ""
    for _ in range(2):
        assert await talk.says("Yes.", "return") == "[return] One moment, please."
        assert await talk.presses("1", "return") == "[return] One moment, please."
    await talk.says("Helena Martins")
    await talk.says("Yes.", "return")
    assert is_closed(talk)
    assert "[return] Front door. John Miller is here" in await talk.says("Yes.")
    assert is_closed(talk)


async def test_a_resident_who_hangs_up_opens_nothing() -> None:
    """Then the caretaker has the call; one who was there too early is rung again."""
    talk = await is_asked()
    await talk.says("Maybe.", "return")
    await talk.leaves()
    assert (talk.end, talk.variables["DOOR"]) == (Transfer("200", "resident left"), "closed")
    early, ring = await at_the_door()
    await early.joins()
    await early.leaves()
    await early.says("Peter Wilson")
    await early.says("Yes.")
    assert (is_closed(early), len(ring.sent)) == (True, 1)


async def test_an_apartment_that_is_pressed_too_early_calls_no_caretaker() -> None:
    """Its keys come together; a 0 alone still does."""
    talk, _ = await at_the_door()
    for keys, end in (("101", None), ("0", Transfer("200", "caretaker"))):
        early = Talk(talk.dialog)
        await early.begin()
        assert early.action(CollectKeys) == CollectKeys(3, "#", 2.0, "caller")
        await early.presses(keys)
        assert (early.end, early.state["step"]) == (end, "caretaker" if end else "welcome")


async def test_a_visitor_is_not_called_yes() -> None:
    """It would be read to the resident, whose phone may echo it."""
    talk, _ = await at_the_door()
    fresh = Talk(talk.dialog)
    await fresh.begin()
    for said in ("Yes.", "Yes, Miller", "No."):
        assert await Talk(talk.dialog).says(said) == "Please say your name."
    assert (await fresh.says("I am Noah Yeats.")).startswith("Whom do you visit?")
    for said in ("É isso", "É.", "Sim, Roberto"):
        assert (await Talk(talk.dialog, "pt").says(said)).startswith("Diga o seu nome")
    for said in ("É o Roberto Dias.", "É Roberto Dias", "Sou Roberto"):
        assert (await Talk(talk.dialog, "pt").says(said)).startswith("Quem você vai visitar?")


async def test_whom_they_visit_is_one_resident() -> None:
    """Of two none is rung, nor by a number that nobody has."""
    for said in ("Helena Martins and Peter Wilson", "Helena or Emily", "Gregory Thompson", "999"):
        talk, ring = await at_the_door()
        answer = await (talk.presses(said) if said.isdecimal() else talk.says(said))
        assert answer.startswith("Say the resident's full name")
        assert (ring.sent, is_closed(talk)) == ([], True)


def spoken_parts(text: str) -> list[str]:
    """Return what a phone may echo: from a pause of the voice on, two words or more."""
    pieces = re.split(r"[.?!,:]\s*", text)
    parts = []
    for first in range(len(pieces)):
        words = " ".join(pieces[first:]).split()
        parts += [" ".join(words[:count]) for count in range(2, len(words) + 1)]
    return parts


def test_an_echo_of_the_question_is_no_answer() -> None:
    """Whatever part of it is heard; nor is the one that every flow asks again with."""
    asked = yaml.safe_load(FLOW.read_text())["steps"]["ask_resident"]
    texts = [
        (language, asked[key][language].format(visitor="John Miller"))
        for key in ("say", "again")
        for language in ("en", "pt")
    ]
    texts += [(language, common.yes_or_no) for language, common in COMMON.items()]
    answers = {part: yes_or_no(part, language) for language, text in texts for part in spoken_parts(text)}
    assert {part for part, answer in answers.items() if answer is not None} == set()


def test_the_page_lets_one_try_it_by_keyboard(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With what stands in for the PBX, a program of its own."""
    monkeypatch.chdir(FOLDER.parents[1])
    [line] = re.findall(r"^raymal (chat .*?)  ", (FOLDER / "README.md").read_text(), re.MULTILINE)
    monkeypatch.setattr("sys.stdin", StringIO("Sou Jorge\nHelena Martins\nsim\n/join\n/return sim\n"))
    command = [sys.executable, str(FOLDER / "ring.py"), "0"]
    with Popen(command, stdout=PIPE, stderr=PIPE, text=True) as ring:
        try:
            assert ring.stdout is not None
            port = ring.stdout.readline().split()[-1]
            url = f"http://127.0.0.1:{port}/ari/channels?endpoint=PJSIP/{{apartment}}"
            setting = f"extensions.door.dialog.flow.lookups.ring.url={url}"
            assert main([*line.split(), "--set", setting]) == 0
        finally:
            ring.terminate()
        assert "POST /ari/channels?endpoint=PJSIP/201 " in ring.communicate()[1]
    assert "RAYMAL_VAR_DOOR=open" in capsys.readouterr().out


def test_the_files_beside_it_can_be_read() -> None:
    """The configuration, and both visits."""
    [door] = load_settings(FOLDER / "raymal.toml", {}, {}).extensions.values()
    assert (door.port, door.return_port) == (9201, 9202)
    assert all(read_script(FOLDER / name).return_leg for name in ("visit.yaml", "visit-pt.yaml"))
