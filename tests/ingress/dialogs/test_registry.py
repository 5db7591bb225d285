"""Own dialogs: their settings from the file, flags and extensions, checked before a port opens."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator, create_model

from actors.errors import ConfigurationError
from ingress.configuration.extensions import Extension
from ingress.configuration.loading import load_settings
from ingress.configuration.settings import DialogSettings, Settings
from ingress.dialogs import echo
from ingress.dialogs.base import Dialog
from ingress.dialogs.flow import texts as flow_texts
from ingress.dialogs.llm import texts as llm_texts
from ingress.dialogs.registry import check, dialog, dialog_class
from ingress.dialogs.texts import MOMENT, NOT_UNDERSTOOD
from ingress.server.checking import extension_book

OWN = """
from pydantic import BaseModel
from ingress.dialogs import Dialog, EndCall

class Shop(BaseModel):
    city: str = "Recife"

class ShopTalk(Dialog):
    class Settings(BaseModel):
        model: str = "small"
        most_words: int = 20
        shop: Shop = Shop()

    needs_speech = False

    async def respond(self, event, call):
        yield EndCall()
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a dialog in a file; it is forgotten afterwards."""
    (tmp_path / "own_dialog.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    monkeypatch.delitem(sys.modules, "own_dialog", raising=False)
    return tmp_path


def load(text: str, **flags: Any) -> Settings:
    """Load a file of this text and check it whole; a flag's dots are written as double underscores."""
    file = Path("raymal.toml")
    file.write_text(text)
    dotted = {name.replace("__", "."): value for name, value in flags.items()}
    settings = load_settings(file, {}, {name: (f"--set {name}", value) for name, value in dotted.items()})
    extension_book(settings)
    return settings


def extensions(settings: Settings) -> dict[str, Extension]:
    """Return the extensions of settings as another process gets them."""
    return extension_book(settings).extensions


def test_own_settings_reach_the_dialog_of_each_extension() -> None:
    """Those of the server, with an extension's in their place, key by key; by file and by flag."""
    settings = load(
        "[dialog]\nname = 'own_dialog:ShopTalk'\n[dialog.shoptalk]\nmodel = 'large'\nshop.city = 'Natal'\n"
        "[extensions.sales]\nport = 9100\ndialog.shoptalk.most_words = 5\n",
        dialog__shoptalk__most_words="10",
    )
    sent = Settings.model_validate_json(settings.model_dump_json(exclude_unset=True))  # to another process
    found = {name: dialog(extension.dialog).settings for name, extension in extensions(sent).items()}
    assert (found["default"].model, found["default"].most_words) == ("large", 10)
    assert (found["sales"].model, found["sales"].most_words) == ("large", 5)
    assert found["sales"].shop.city == "Natal"
    assert not dialog_class("own_dialog:ShopTalk").needs_speech


def test_dialogs_say_the_same_in_the_same_words() -> None:
    """So that it is synthesized once, in each language that they speak."""
    for own in (echo.TEXTS, flow_texts.COMMON, llm_texts.TEXTS):
        assert {language: each.not_understood for language, each in own.items()} == NOT_UNDERSTOOD
    assert {language: each.moment for language, each in flow_texts.COMMON.items()} == MOMENT
    assert {language: each.filler for language, each in llm_texts.TEXTS.items()} == MOMENT


def test_a_table_may_be_there_for_a_dialog_that_only_an_extension_names() -> None:
    """It is checked where its dialog is used."""
    text = "[dialog.shoptalk]\nmost_words = {}\n[extensions.sales]\nport = 9100\n"
    text += "dialog.name = 'own_dialog:ShopTalk'\n"
    assert extensions(load(text.format(3)))["default"].dialog.name == "echo"
    with pytest.raises(ConfigurationError, match=r"^extensions\.sales\.dialog\.shoptalk: most_words = 'x': "):
        load(text.format("'x'"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[dialog]\nname = 'eco'\n", "dialog.name: unknown dialog 'eco'; choose one of echo, "),
        (
            "[dialog.shoptalk]\nmodel = 'x'\n",
            "dialog: unknown setting 'shoptalk'; known here: ",
        ),
        ("[dialog.ton]\nx = 1\n", "dialog: unknown setting 'ton'; did you mean 'tone'?"),
        ("[dialog.echo]\nx = 1\n", "dialog.echo: unknown setting 'x'; known here: none"),
        ("[dialog]\nnam = 'x'\n", "raymal.toml: unknown setting 'dialog.nam'; did you mean 'name'?"),
        ("[speech.wisper]\nx = 1\n", "speech: unknown setting 'wisper'; did you mean 'whisper'?"),
        (
            "[dialog]\nname = 'own_dialog:ShopTalk'\nshoptalk.modl = 'x'\nshoptalk.most_words = 1\n",
            "dialog.shoptalk: unknown setting 'modl'; did you mean 'model'?",
        ),
        (
            "[dialog]\nname = 'own_dialog:ShopTalk'\nshoptalk.shop.citi = 'x'\n",
            "dialog.shoptalk: unknown setting 'shop.citi'; did you mean 'city'?",
        ),
    ],
)
def test_a_mistake_is_one_line_that_names_the_key(text: str, expected: str) -> None:
    """Of names, tables and what is in them."""
    with pytest.raises(ConfigurationError) as caught:
        load(text)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(expected)


def lacks_a_key(value: object) -> object:
    raise KeyError("secret")


@pytest.mark.parametrize(
    ("attribute", "value", "expected"),
    [
        ("Settings", dict, "dialog.shoptalk: its `Settings` is no pydantic model"),
        (
            "Settings",
            create_model("Strange", model=(Annotated[str, AfterValidator(lacks_a_key)], "small")),
            f"dialog.shoptalk: checking it failed with KeyError at {__file__}:",
        ),
        (
            "needs_speech",
            "no",
            "dialog.name: 'own_dialog:ShopTalk': its needs_speech is neither True nor False",
        ),
    ],
)
def test_a_class_that_cannot_be_used_is_one_line(
    monkeypatch: pytest.MonkeyPatch, attribute: str, value: object, expected: str
) -> None:
    """Whatever its author wrote there."""
    text = "[dialog]\nname = 'own_dialog:ShopTalk'\nshoptalk.model = 'x'\n"
    monkeypatch.setattr(dialog_class("own_dialog:ShopTalk"), attribute, value)
    with pytest.raises(ConfigurationError) as caught:
        load(text)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(expected)
    assert "secret" not in line


def test_a_check_constructs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dialog's constructor may open what only the gateway needs."""
    settings = load("[dialog]\nname = 'own_dialog:ShopTalk'\n").dialog
    monkeypatch.setattr(dialog_class(settings.name), "__init__", None)
    check(settings)


@pytest.mark.parametrize("error", [RuntimeError("secret"), SystemExit("secret")], ids=repr)
def test_a_constructor_that_fails_is_a_mistake_of_the_configuration(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """So the server says where it is and stops, instead of starting its gateway for ever."""
    settings = load("[dialog]\nname = 'own_dialog:ShopTalk'\n").dialog

    def fail(self: Dialog, settings: DialogSettings) -> None:
        raise error

    monkeypatch.setattr(dialog_class(settings.name), "__init__", fail)
    with pytest.raises(ConfigurationError) as caught:
        dialog(settings)
    assert f"failed with {type(error).__name__} at {__file__}:" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_constructor_takes_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """What to write is said."""
    settings = load("[dialog]\nname = 'own_dialog:ShopTalk'\n").dialog
    monkeypatch.setattr(dialog_class(settings.name), "__init__", lambda self: None)
    with pytest.raises(ConfigurationError, match=r"write `def __init__\(self, settings\)`"):
        dialog(settings)
