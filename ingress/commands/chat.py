"""`raymal chat`: try a dialog by keyboard, or by lines from a file. No models, no sockets, no server."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Coroutine, Iterator
from dataclasses import asdict
from io import TextIOWrapper
from typing import Any, Protocol

from rich.console import Console
from rich.markup import escape

from actors.checks.languages import normalised
from actors.errors import ConfigurationError
from actors.plugins.mistakes import unknown
from ingress.commands.serve import add_settings_flags, loaded
from ingress.configuration.extensions import DEFAULT_EXTENSION
from ingress.dialogs.base import DialogAction, PlayFile, Say
from ingress.dialogs.closing import close
from ingress.dialogs.json_form import action_as_json, changed_fields, json_name
from ingress.dialogs.registry import dialog
from ingress.dialogs.testing import Answer, Conversation, Spoken
from ingress.link.messages import LegName
from ingress.server.checking import extension_book
from ingress.server.exit_codes import ExitCode

FLAGS = ("--dialog", "--greeting", "--language")
HELP = """a line is what the caller says; or
  /press KEYS       press keys
  /in LANGUAGE LINE say this, heard in that language: /in pt bom dia
  /silence          say nothing for a while
  /unclear          say what is not understood
  /interrupt [N]    speak over the last answer, N of its sentences heard (0); then say something
  /join, /leave     the second connection (return leg) comes, goes
  /return LINE      the same on the return leg: /return yes, /return /press 1
  /end              hang up
  /state, /history  show what the dialog remembers, and what was said and heard
  /help             this"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "chat",
        description="Try a dialog by keyboard: you type what the caller says, and read what is said to them. "
        "No speech model is used and no server is needed. Lines may come from a file as well. Exit code 0 if "
        "no turn failed, else 1.",
        epilog=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_settings_flags(parser, FLAGS)
    parser.add_argument(
        "--extension", metavar="NAME", default=DEFAULT_EXTENSION, help="whose dialog it is (the server's own)"
    )
    parser.add_argument("--number", metavar="NUMBER", help="the caller's")
    parser.add_argument("--name", metavar="NAME", help="the caller's")
    parser.add_argument("--json", action="store_true", help="print one JSON object for each answer")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Hold the conversation."""
    extensions = extension_book(loaded(arguments)).extensions
    extension = extensions.get(arguments.extension)
    if extension is None:
        raise ConfigurationError(f"--extension: {unknown(arguments.extension, extensions)}")
    talk = Conversation(
        dialog(extension.dialog),
        extension,
        caller_number=arguments.number,
        caller_name=arguments.name,
        raises=False,
    )
    return converse(talk, arguments.json)


def converse(talk: Conversation, as_json: bool = False) -> ExitCode:
    """Hold a conversation with whoever types, to its end; without a terminal each line is shown as well."""
    is_typed = sys.stdin.isatty()
    if isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")
    display: _Display = _JsonLines() if as_json else _Lines(shows_input=not is_typed)
    talk.on_spoken = display.spoken
    with asyncio.Runner() as runner:
        chat = _Chat(talk, runner, display)
        chat.take(talk.begin())
        for line in _typed() if is_typed else _piped():
            display.begin(line)
            chat.do(line)
            if talk.is_over or (is_typed and talk.outcome is not None):
                break
        if not talk.is_over:
            display.begin(None)
            chat.take(talk.ends())
        runner.run(close(talk.dialog))
    display.end(talk)
    return ExitCode.FAILED if chat.has_failed else ExitCode.OK


class _Chat:
    """The conversation, line by line."""

    def __init__(self, talk: Conversation, runner: asyncio.Runner, display: _Display) -> None:
        self.has_failed = False
        """Whether a turn failed, or a line could not be done."""
        self._talk = talk
        self._runner = runner
        self._display = display
        self._last: tuple[Spoken, ...] = ()
        """What was said last."""

    def take(self, turn: Coroutine[Any, Any, Answer]) -> None:
        """Show what comes of a turn. Raises ValueError if that cannot be now."""
        answer = self._runner.run(turn)
        self._last = answer.spoken
        self.has_failed |= answer.failure is not None
        self._display.show(answer, self._talk)

    def do(self, line: str) -> None:
        """Do what a line says; what cannot be done is shown."""
        try:
            self._do(line, "caller")
        except ValueError as error:
            self.has_failed = True
            self._display.problem(str(error))

    def _do(self, line: str, leg: LegName) -> None:
        talk = self._talk
        if not line.startswith("/"):
            self.take(talk.says(line, leg))
            return
        command, _, rest = line.partition(" ")
        rest = rest.strip()
        match command:
            case "/press":
                self.take(talk.presses(rest, leg))
            case "/in":
                language, _, text = rest.partition(" ")
                if not text:
                    raise ValueError("/in takes a language and what is said: /in pt bom dia")
                self.take(talk.says(text, leg, language=normalised(language)))
            case "/silence":
                self.take(talk.stays_silent(leg))
            case "/unclear":
                self.take(talk.says_unclearly(leg))
            case "/interrupt":
                self._interrupt(rest, leg)
                self._display.note("interrupted")
            case "/join":
                self.take(talk.joins())
            case "/leave":
                self.take(talk.leaves())
            case "/return" if rest and leg == "caller":
                self._do(rest, "return")
            case "/end":
                self.take(talk.ends())
            case "/state":
                self._display.note(talk.state)
            case "/history":
                self._display.note([entry.model_dump() for entry in talk.history])
            case "/help":
                self._display.note(HELP)
            case _:
                raise ValueError(f"there is no {line!r}; /help shows what there is")

    def _interrupt(self, written: str, leg: LegName) -> None:
        sentences = [each.text for each in self._last if each.leg == leg and each.phrase is None]
        if written and not written.isdecimal():
            raise ValueError("/interrupt takes the number of sentences that were heard whole")
        heard = int(written or 0)
        if heard >= len(sentences):
            raise ValueError(f"the last answer has {len(sentences)} sentences: fewer must have been heard")
        self._talk.interrupts(sentences[heard - 1] if heard else "", leg)


class _Display(Protocol):
    """Shows a conversation."""

    def begin(self, line: str | None) -> None:
        """Take the line that leads to what comes; None where nobody typed one."""

    def spoken(self, spoken: Spoken) -> None:
        """Show a sentence, as soon as it is said."""

    def show(self, answer: Answer, talk: Conversation) -> None:
        """Show what else came of the line."""

    def note(self, value: object) -> None:
        """Show what the line asked for."""

    def problem(self, problem: str) -> None:
        """Show why the line could not be done."""

    def end(self, talk: Conversation) -> None:
        """Show how the call ended."""


class _Lines:
    """For people."""

    def __init__(self, shows_input: bool) -> None:
        self._shows_input = shows_input
        self._console = Console(highlight=False, soft_wrap=True)

    def begin(self, line: str | None) -> None:
        """Show the line if nobody saw it typed."""
        if self._shows_input and line is not None:
            self._print(f"> {line}", "")

    def spoken(self, spoken: Spoken) -> None:
        """Show who says what to whom."""
        who = "server" if spoken.leg == "caller" else f"server → {spoken.leg}"
        self._print(f"{who}: {spoken.text}", "dim" if spoken.phrase is not None else "green")

    def show(self, answer: Answer, talk: Conversation) -> None:
        """Show the server's own phrases, what nobody heard, and what else was done."""
        for spoken in answer.unheard:
            self._print(f"  (not heard, no {spoken.leg} leg: {spoken.text})", "yellow")
        for action in answer.actions:
            if not isinstance(action, Say | PlayFile):
                self._print(f"  [{_described(action)}]", "dim")
        if answer.failure is not None:
            self._print(f"  failed: {answer.failure}", "bold red")
        for spoken in answer.spoken:
            if spoken.phrase is not None:
                self.spoken(spoken)

    def note(self, value: object) -> None:
        """Show a value."""
        self._print(f"  {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}", "dim")

    def problem(self, problem: str) -> None:
        """Show a problem."""
        self._print(f"  {problem}", "bold red")

    def end(self, talk: Conversation) -> None:
        """Show what the dialplan would get."""
        outcome = talk.outcome
        if outcome is None:
            return
        self._print(f"RAYMAL_RESULT={outcome.result}  RAYMAL_REASON={outcome.reason}", "bold")
        if outcome.target is not None:
            self._print(f"RAYMAL_TARGET={outcome.target}", "bold")
        for name, value in outcome.variables.items():
            self._print(f"RAYMAL_VAR_{name}={value}", "bold")

    def _print(self, text: str, style: str) -> None:
        shown = "".join(char for char in text if char.isprintable() or char == "\n")  # no codes of terminals
        self._console.print(escape(shown), style=style)


class _JsonLines:
    """For programs: an object for each line."""

    def __init__(self) -> None:
        self._line: str | None = None

    def begin(self, line: str | None) -> None:
        """Keep the line for its object."""
        self._line = line

    def spoken(self, spoken: Spoken) -> None:
        """The answer will have it."""

    def show(self, answer: Answer, talk: Conversation) -> None:
        """Print the answer."""
        outcome = talk.outcome
        self._print(
            spoken=[asdict(spoken) for spoken in answer.spoken],
            unheard=[asdict(spoken) for spoken in answer.unheard],
            actions=[action_as_json(action) for action in answer.actions],
            failure=answer.failure,
            state=talk.state,
            outcome=None if outcome is None else outcome.model_dump(mode="json"),
        )

    def note(self, value: object) -> None:
        """Print the value."""
        self._print(value=value)

    def problem(self, problem: str) -> None:
        """Print the problem."""
        self._print(problem=problem)

    def end(self, talk: Conversation) -> None:
        """The last answer had it."""

    def _print(self, **values: object) -> None:
        print(json.dumps({"line": self._line, **values}, ensure_ascii=False), flush=True)


def _described(action: DialogAction) -> str:
    """Return an action in a few words: `collect_keys count=4`."""
    values = (f"{name}={value!r}" for name, value in changed_fields(action).items())
    return " ".join([json_name(type(action)), *values])


def _typed() -> Iterator[str]:
    """Yield the lines of a terminal until its end (Ctrl-D)."""
    print("/help shows what can be typed", file=sys.stderr)
    while True:
        try:
            line = input("> ").strip()
        except EOFError:
            print()
            return
        if line:
            yield line


def _piped() -> Iterator[str]:
    """Yield the lines of a file or a pipe."""
    for line in sys.stdin:
        if stripped := line.strip():
            yield stripped
