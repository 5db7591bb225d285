"""`raymal extensions`: list, add, change and remove the extensions of a running server."""

from __future__ import annotations

import argparse
import asyncio
import json
import tomllib
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from actors.errors import ConfigurationError
from ingress.commands.arguments import port
from ingress.configuration.extensions import DEFAULT_EXTENSION
from ingress.link.messages import ControlReply, ExtensionsRequest, Message, PutExtension, RemoveExtension
from ingress.server import observer
from ingress.server.exit_codes import ExitCode

FLAGS = {
    "--port": ("port", "PORT", 'to listen on: a number, "auto" or "shared"'),
    "--return-port": ("return_port", "PORT", 'for the second connection of its calls: a number or "auto"'),
    "--language": ("language", "CODE", "of the callers (the server's own)"),
    "--tts": ("tts", "ENGINE", "text to speech (the server's own)"),
    "--voice": ("voice", "NAME", "of the text-to-speech engine"),
    "--dialog": ("dialog.name", "NAME", "what answers (the server's own)"),
    "--greeting": ("dialog.greeting", "TEXT", "said when a call begins"),
    "--priority": ("priority", "CLASS", "emergency, high, normal or background (normal)"),
    "--max-calls": ("max_calls", "N", "at a time (no limit)"),
}
"""Each flag: the setting in `[extensions.NAME]`, the name of its value, its help."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "extensions",
        description="List, add, change and remove extensions of the server on this machine. Changes hold for "
        "new calls, at once, and are written to the server's files; running calls go on as they began.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    _action(actions, "list", "show the extensions").set_defaults(run=_list)
    add = _action(actions, "add", "add an extension")
    change = _action(actions, "set", "change an extension: what is not named stays as it is")
    remove = _action(actions, "remove", "remove an extension; its running calls go on")
    for each in (add, change, remove):
        each.add_argument("name", metavar="NAME")
    for each in (add, change):
        for flag, (_, metavar, text) in FLAGS.items():
            each.add_argument(flag, metavar=metavar, help=text)
        each.add_argument(
            "--set",
            action="append",
            default=[],
            metavar="KEY=VALUE",
            help="any setting of the extension, such as dialog.deadline_s=5; may be repeated",
        )
    change.add_argument(
        "--unset", action="append", default=[], metavar="KEY", help="leave a setting to the server's own"
    )
    add.set_defaults(run=_add)
    change.set_defaults(run=_change)
    remove.set_defaults(run=_remove)


def _action(
    actions: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str
) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    parser.add_argument(
        "--server", type=port, default=9092, metavar="PORT", help="a port of the server (9092)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _list(arguments: argparse.Namespace) -> int:
    reply = _asked(arguments, ExtensionsRequest())
    if not arguments.json:
        _print(reply)
    return ExitCode.OK


def _add(arguments: argparse.Namespace) -> int:
    settings: dict[str, Any] = {}
    _apply(settings, arguments)
    if "port" not in settings:
        raise ConfigurationError('--port is needed: a number, "auto" (the system picks one) or "shared"')
    present = asyncio.run(observer.control(arguments.server, ExtensionsRequest()))
    if arguments.name in present.book.extensions:
        raise ConfigurationError(
            f"extension {arguments.name} exists; `raymal extensions set {arguments.name}` changes it"
        )
    return _put(arguments, settings, "added")


def _change(arguments: argparse.Namespace) -> int:
    written = (_written(arguments, flag) for flag in FLAGS)
    if not (arguments.set or arguments.unset or any(value is not None for value in written)):
        raise ConfigurationError(
            f"nothing to change: name it, as in `raymal extensions set {arguments.name} --max-calls 20`"
        )
    present = asyncio.run(observer.control(arguments.server, ExtensionsRequest()))
    name = arguments.name
    if name == DEFAULT_EXTENSION:
        raise ConfigurationError(
            f"{name} is the server's own port: change [dialog], [speech] and the like in its configuration"
        )
    if name not in present.tables:
        known = ", ".join(present.tables) or "none yet"
        raise ConfigurationError(f"there is no extension {name}; there are: {known}")
    settings = dict(present.tables[name])
    for key in arguments.unset:
        _drop(settings, key)
    _apply(settings, arguments)
    return _put(arguments, settings, "changed")


def _remove(arguments: argparse.Namespace) -> int:
    reply = _asked(arguments, RemoveExtension(name=arguments.name))
    if not arguments.json:
        _say(f"extension {arguments.name} is removed; its running calls go on", reply)
    return ExitCode.OK


def _put(arguments: argparse.Namespace, settings: dict[str, Any], done: str) -> int:
    reply = _asked(arguments, PutExtension(name=arguments.name, settings=settings))
    if not arguments.json:
        number = reply.ports.get(arguments.name)
        where = "takes its calls by the server's own port" if number is None else f"listens on port {number}"
        if (second := reply.return_ports.get(arguments.name)) is not None:
            where += f", for return legs on port {second}"
        _say(f"extension {arguments.name} is {done} and {where}", reply)
    return ExitCode.OK


def _asked(arguments: argparse.Namespace, question: Message) -> ControlReply:
    """Return the server's answer, printed if as JSON. Raises ConfigurationError if it refuses."""
    reply = asyncio.run(observer.control(arguments.server, question))
    if reply.problem is not None:
        raise ConfigurationError(reply.problem)
    if arguments.json:
        extensions = {
            name: each.model_dump(mode="json")
            | {
                "listens_on": reply.ports.get(name),
                "return_listens_on": reply.return_ports.get(name),
                "problem": reply.problems.get(name),
            }
            for name, each in reply.book.extensions.items()
        }
        answer = {
            "version": reply.book.version,
            "waiting": list(reply.waiting),
            "source_problem": reply.source_problem,
            "extensions": extensions,
        }
        print(json.dumps(answer, indent=2))
    return reply


def _say(line: str, reply: ControlReply) -> None:
    print(line)
    if reply.waiting:
        print(f"only the next start takes this up: {'; '.join(reply.waiting)}")


def _print(reply: ControlReply) -> None:
    table = Table("extension", "port", "priority", "language", "voice", "dialog", "at most")
    for name, each in reply.book.extensions.items():
        number = "shared" if each.port is None else str(reply.ports.get(name, "none"))
        if each.return_port is not None:
            number += f", return {reply.return_ports.get(name, 'none')}"
        limit = "-" if each.max_calls is None else str(each.max_calls)
        voices = ", ".join(each.voice_settings.values()) or "-"
        table.add_row(name, number, each.priority, each.spoken, voices, each.dialog.name, limit)
    console = Console()
    console.print(table)
    for name, problem in reply.problems.items():
        line = f"problem: extension {name} takes no calls: {problem}"
        console.print(line, markup=False, style="bold red")
    if reply.source_problem is not None:
        line = f"problem: the extensions stay as they are; {reply.source_problem}"
        console.print(line, markup=False, style="bold red")


def _written(arguments: argparse.Namespace, flag: str) -> str | None:
    value: str | None = vars(arguments)[flag.removeprefix("--").replace("-", "_")]
    return value


def _apply(settings: dict[str, Any], arguments: argparse.Namespace) -> None:
    """Put what the flags say into the extension's settings. Raises ConfigurationError."""
    for flag, (key, _, _) in FLAGS.items():
        written = _written(arguments, flag)
        if written is not None:
            _put_key(settings, key, int(written) if written.isdecimal() else written, flag)
    for assignment in arguments.set:
        key, equals, written = assignment.partition("=")
        if not equals or not key:
            raise ConfigurationError(f"--set {assignment!r}: write KEY=VALUE")
        _put_key(settings, key, _value(written), f"--set {key}")


def _put_key(settings: dict[str, Any], key: str, value: Any, flag: str) -> None:
    *sections, last = key.split(".")
    for section in sections:
        inner = settings.setdefault(section, {})
        if not isinstance(inner, dict):
            raise ConfigurationError(f"{flag}: {section} is a plain value")
        settings[section] = dict(inner)
        settings = settings[section]
    settings[last] = value


def _drop(settings: dict[str, Any], key: str) -> None:
    section, dot, rest = key.partition(".")
    if section not in settings or (dot and not isinstance(settings[section], Mapping)):
        raise ConfigurationError(f"--unset {key}: it is not set")
    if dot:
        settings[section] = inner = dict(settings[section])
        _drop(inner, rest)
    if not dot or not settings[section]:
        del settings[section]


def _value(written: str) -> Any:
    """Return the value as TOML has it: a number, true, a list; else the text itself."""
    try:
        return tomllib.loads(f"value = {written}")["value"]
    except tomllib.TOMLDecodeError:
        return written
