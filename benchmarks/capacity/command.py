"""`raymal capacity`: how many calls does this machine, or a running server, hold?"""

from __future__ import annotations

import argparse
import asyncio
import shlex
import sys
from pathlib import Path

from pydantic import ValidationError
from rich.console import Console
from rich.progress import Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.progress_bar import ProgressBar
from rich.table import Table

from actors.errors import ConfigurationError
from benchmarks.capacity import study
from benchmarks.capacity.limits import limits_toml
from benchmarks.capacity.report import HEADINGS, step_cells, write_report
from benchmarks.capacity.result import CapacityResult, Objectives
from ingress.commands import serve
from ingress.commands.arguments import port
from ingress.server.exit_codes import ExitCode

MINUTES = 9.5
LEAST_WIDTH = 110
"""Of the table of steps, also where the width of the screen is not known."""
LEFT_OUT = {"--host", "--port", "--drain", "--log-level"}
"""Of the flags of `raymal serve`: what a server that lives for a measurement has no use for."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "capacity",
        description="Let scripted callers speak to a server, more and more of them, until an objective "
        "breaks; confirm what was held, offer up to three times as much, and say what limits. "
        "Without --port a server is started for it, with the flags of `raymal serve`. Exit code 1 if not "
        "even one call was held. docs/capacity.md has the method.",
    )
    defaults = ", ".join(f"{name}={value:g}" for name, value in Objectives())
    parser.add_argument("--port", type=port, help="measure the server that runs on this port of this machine")
    for flag, metavar, default, text in (
        ("--minutes", "N", MINUTES, "for everything"),
        ("--utterance-s", "S", 3.0, "length of speech"),
        ("--period-s", "S", 12.0, "between two utterances' beginnings"),
        ("--call-s", "S", 60.0, "mean length of a call"),
        ("--first-calls", "N", study.FIRST_CALLS, "where to begin"),
        ("--seed", "N", 1, "of who calls when"),
    ):
        help_text = f"{text} ({default:g})"
        parser.add_argument(flag, type=type(default), default=default, metavar=metavar, help=help_text)
    for flag, metavar, text in (
        ("--recordings", "DIR", "callers say these: NAME.wav with its words in NAME.txt"),
        ("--json", "FILE", "write the result there"),
        ("--report", "DIR", "write index.html and its pictures there"),
        ("--write-limits", "FILE", "write what was held as a configuration (TOML)"),
    ):
        parser.add_argument(flag, type=Path, metavar=metavar, help=text)
    what = f"what has to hold: {defaults}; may be repeated"
    parser.add_argument("--objective", action="append", default=[], metavar="NAME=VALUE", help=what)
    parser.add_argument("--most-calls", type=int, metavar="N", help="never try more (what the server takes)")
    parser.add_argument("--no-overload", action="store_true", help="do not offer more than is held")
    own = parser.add_argument_group("the server to start, as for `raymal serve`")
    serve.add_settings_flags(own, [flag for flag in serve.FLAGS if flag not in LEFT_OUT])
    own.add_argument("--no-ray", action="store_true", help="run the speech workers without Ray")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure, show and write."""
    console = Console(width=max(LEAST_WIDTH, Console().width))
    request = request_of(arguments)
    columns = (TextColumn("{task.description}"), _TimeBar(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        try:
            measurement = study.Study(request, _Shown(progress, console))
        except ValueError as error:
            raise ConfigurationError(f"--minutes: {error}") from None
        result = asyncio.run(measurement.run())
    show(result, console)
    _write(result, arguments, console)
    return ExitCode.OK if result.calls_held else ExitCode.FAILED


def objectives(assignments: list[str]) -> Objectives:
    """Return the objectives that NAME=VALUE texts change. Raises ConfigurationError."""
    try:
        return Objectives.model_validate(dict(each.partition("=")[::2] for each in assignments))
    except ValidationError as error:
        first, known = error.errors()[0], ", ".join(Objectives.model_fields)
        raise ConfigurationError(
            f"--objective {first['loc'][0]}: {first['msg']} (write NAME=VALUE; the names are {known})"
        ) from None


def show(result: CapacityResult, console: Console) -> None:
    """Print the steps and what follows from them."""
    table = Table(title="what was tried")
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading == "verdict" else "right")
    for steps in (result.steps, result.overload):
        for step in steps:
            table.add_row(*step_cells(step))
        table.add_section()
    console.print(table)
    console.print(f"held: {result.calls_held} calls; limited by {result.limited_by}", highlight=False)
    if result.confirmed is not None:
        left = ", ".join(f"{name} {percent:.0f} %" for name, percent in result.headroom_percent.items())
        console.print(f"left over: {left}", highlight=False)
        console.print(f"next limit: {result.next_limit}", highlight=False)
    if result.core_s_per_call_minute is not None:
        console.print(
            f"a call's minute costs {result.core_s_per_call_minute:.2f} core-seconds", highlight=False
        )


class _TimeBar(ProgressColumn):
    """How much of its time a task has had; pulses if that is not known."""

    def render(self, task: Task) -> ProgressBar:
        return ProgressBar(task.total, task.elapsed or 0.0, width=40, pulse=task.total is None)


class _Shown:
    """A bar for what is under way, and lines."""

    def __init__(self, progress: Progress, console: Console) -> None:
        self._progress = progress
        self._console = console
        self._task = progress.add_task("beginning", total=None)

    def begin(self, text: str, seconds: float | None = None) -> None:
        self._progress.remove_task(self._task)
        self._task = self._progress.add_task(text, total=seconds)

    def line(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False)


def request_of(arguments: argparse.Namespace) -> study.Request:
    """Return what the arguments ask for. Raises ConfigurationError."""
    positive = ("minutes", "utterance_s", "period_s", "call_s", "first_calls", "most_calls")
    for name in positive:
        value = getattr(arguments, name)
        if value is not None and not value > 0:
            raise ConfigurationError(f"--{name.replace('_', '-')} {value}: must be more than 0")
    if arguments.recordings is not None and not arguments.recordings.is_dir():
        raise ConfigurationError(f"--recordings {arguments.recordings}: no such folder")
    flags = _server_flags(arguments)
    if arguments.port is not None and flags:
        raise ConfigurationError(f"{flags[0]}: a running server (--port) has its settings already")
    return study.Request(
        port=arguments.port,
        flags=tuple(flags),
        minutes=arguments.minutes,
        objectives=objectives(arguments.objective),
        utterance_s=arguments.utterance_s,
        period_s=arguments.period_s,
        call_s=arguments.call_s,
        seed=arguments.seed,
        with_overload=not arguments.no_overload,
        first_calls=arguments.first_calls,
        maximum_calls=arguments.most_calls,
        recordings=arguments.recordings,
        command=shlex.join(
            ["raymal", *([] if sys.argv[1:2] == ["capacity"] else ["capacity"]), *sys.argv[1:]]
        ),
    )


def _server_flags(arguments: argparse.Namespace) -> list[str]:
    """Return what `raymal serve` is to be started with."""
    flags = ["--config", str(arguments.config)] if arguments.config is not None else []
    for flag in serve.FLAGS:
        value = None if flag in LEFT_OUT else getattr(arguments, flag.removeprefix("--").replace("-", "_"))
        if value is not None:
            flags += [flag, str(value)]
    if arguments.no_ray:
        flags.append("--no-ray")
    return flags + [part for assignment in arguments.set for part in ("--set", assignment)]


def _write(result: CapacityResult, arguments: argparse.Namespace, console: Console) -> None:
    if arguments.json:
        arguments.json.write_text(result.model_dump_json(indent=2) + "\n")
    if arguments.report:
        console.print(f"report: {write_report(result, arguments.report)}", markup=False)
    if arguments.write_limits:
        limits = limits_toml(result)
        if limits is None:
            console.print("no limits are written: nothing was held", markup=False)
        else:
            arguments.write_limits.write_text(limits)
