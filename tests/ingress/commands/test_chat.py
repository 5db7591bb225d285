"""`raymal chat`: a dialog by lines, without models, sockets or a server."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ingress.cli import main

Chat = Callable[..., tuple[int, list[str]]]

DIALOG = """
from pathlib import Path
from ingress.dialogs import *

class Talk(Dialog):
    async def close(self):
        Path("closed").touch()

    async def respond(self, event, call):
        match event:
            case CallBegan():
                yield Say("Hello. Who is there?")
            case CallerSaid("fail"):
                raise ValueError("secret")
            case CallerSaid("transfer"):
                yield SetVariable("ROOM", "12")
                yield Transfer("200", "asked")
            case CallerSaid(text):
                call.state["said"] = text
                yield Say(f"{text}\\x1b[31m")
                yield Say("To the other.", leg="return")
                yield CollectKeys(count=4)
            case CallerPressed(digits, is_complete=True):
                yield Say(f"Keys {digits}.")
            case Interrupted(heard):
                call.state["heard"] = heard
"""


@pytest.fixture(autouse=True)
def _own_dialog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "talking.py").write_text(DIALOG)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "talking", raising=False)
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Chat:
    """Give lines to the command; returns its exit code and what it printed, line by line."""

    def run(*lines: str, flags: tuple[str, ...] = ("--dialog", "talking:Talk")) -> tuple[int, list[str]]:
        monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(lines)))
        code = main(["chat", *flags])
        return code, capsys.readouterr().out.splitlines()

    return run


def test_what_is_said_and_done_is_shown(chat: Chat) -> None:
    """Each line, the answer on each leg, other actions, and what the dialplan gets."""
    code, shown = chat("Maria", "/press 1234", "/join", "/return yes", "/state", "transfer")
    assert code == 0
    assert shown == [
        "server: Hello.",
        "server: Who is there?",
        "> Maria",
        "server: Maria[31m",
        "  (not heard, no return leg: To the other.)",
        "  [collect_keys count=4]",
        "> /press 1234",
        "server: Keys 1234.",
        "> /join",
        "> /return yes",
        "server → return: yes[31m",
        "server → return: To the other.",
        "  [collect_keys count=4]",
        "> /state",
        '  {"said": "yes"}',
        "> transfer",
        "  [set_variable name='ROOM' value='12']",
        "  [transfer target='200' reason='asked']",
        "RAYMAL_RESULT=transfer  RAYMAL_REASON=asked",
        "RAYMAL_TARGET=200",
        "RAYMAL_VAR_ROOM=12",
    ]


def test_interruptions_silence_and_the_end(chat: Chat) -> None:
    """The server's own phrases are shown too."""
    code, shown = chat(
        "/interrupt 1", "/unclear", "/state", "/silence", "/leave", "/help", "/history", "/end"
    )
    assert code == 1  # there is no return leg that could leave
    assert '  {"heard": "Hello."}' in shown
    assert "server: Are you still there?" in shown
    assert "  there is no return leg: it has to join first" in shown
    assert any("/press KEYS" in line for line in shown)
    assert any('"text": "Hello."' in line for line in shown)
    assert shown[-1] == "RAYMAL_RESULT=ended  RAYMAL_REASON=the caller hung up"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("/foo", "there is no '/foo'; /help shows what there is"),
        ("/in pt", "/in takes a language and what is said: /in pt bom dia"),
        ("/press x", "keys are 0 to 9, *, # and A to D"),
        ("/interrupt 2", "the last answer has 2 sentences: fewer must have been heard"),
        ("/interrupt x", "/interrupt takes the number of sentences"),
        ("fail", "failed: the dialog failed: ValueError at "),
    ],
)
def test_what_cannot_be_done_is_said(chat: Chat, line: str, problem: str) -> None:
    """Exit code 1, and the conversation goes on."""
    code, shown = chat(line, "Hello.")
    assert code == 1
    assert any(shown_line.strip().startswith(problem) for shown_line in shown)
    assert "secret" not in "".join(shown)
    assert "server: Hello.[31m" in shown


def test_lines_of_json(chat: Chat) -> None:
    """One object for each answer, with the state and the outcome."""
    code, shown = chat("Maria", "/state", "/foo", flags=("--dialog", "talking:Talk", "--json"))
    begin, said, state, problem, end = map(json.loads, shown)
    assert code == 1
    assert [spoken["text"] for spoken in begin["spoken"]] == ["Hello.", "Who is there?"]
    assert said["actions"][-1] == {"action": "collect_keys", "count": 4}
    assert (said["line"], said["state"], said["outcome"]) == ("Maria", {"said": "Maria"}, None)
    assert state["value"] == {"said": "Maria"}
    assert problem["problem"].startswith("there is no '/foo'")
    assert end["outcome"]["result"] == "ended"


def test_an_extension_of_a_configuration(chat: Chat, tmp_path: Path) -> None:
    """With its dialog, language and phrases."""
    file = tmp_path / "raymal.toml"
    file.write_text("[extensions.sales]\nport = 9100\nlanguage = 'pt'\nstill_there = 'Alô?'\n")
    code, shown = chat("/silence", flags=("--config", str(file), "--extension", "sales"))
    assert (code, shown[0], "server: Alô?" in shown) == (0, "server: Olá.", True)
    code, _ = chat(flags=("--config", str(file), "--extension", "sale"))
    assert code == 2


def test_the_first_words_in_a_language_choose_it(chat: Chat) -> None:
    """Among those of the extension."""
    flags = ("--dialog", "echo", "--set", 'speech.language=["pt", "en"]')
    code, shown = chat("Olá.", "/in en Hello.", "/silence", flags=flags)
    assert code == 0
    assert shown[3:8:2] == [
        "server: Você disse: Olá.",
        "server: You said: Hello.",
        "server: Are you still there?",
    ]


def test_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Typed lines are not shown again; the end of the call is the end, and the dialog is closed."""
    controller, terminal = os.openpty()
    os.write(controller, b"Maria\ntransfer\n")
    with open(terminal) as typed, open(controller, "rb"):
        monkeypatch.setattr(sys, "stdin", typed)
        assert main(["chat", "--dialog", "talking:Talk"]) == 0
    shown = capsys.readouterr()
    assert "/help" in shown.err
    assert "> Maria" not in shown.out
    assert shown.out.splitlines()[-2:] == ["RAYMAL_TARGET=200", "RAYMAL_VAR_ROOM=12"]
    assert Path("closed").exists()
