"""`raymal calls`: what runs now."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ingress.commands.arguments import add_server_port
from ingress.link.live import LiveCall
from ingress.server import web_client
from ingress.server.exit_codes import ExitCode


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser("calls", description="Show the running calls of the server on this machine.")
    add_server_port(parser)
    parser.add_argument("--extension", help="only calls of this extension")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Ask for all of them and print. Raises LinkError."""
    query = {"extension": arguments.extension} if arguments.extension else {}
    found = list(web_client.pages(arguments.port, "/calls", **query))
    if arguments.json:
        print(json.dumps(found, indent=2))
        return ExitCode.OK
    calls = [LiveCall.model_validate(call) for call in found]
    console = Console()
    if calls:
        console.print(table(calls, datetime.now(UTC)))
    console.print(f"{len(calls)} calls")
    return ExitCode.OK


def table(calls: Sequence[LiveCall], now: datetime) -> Table:
    """Return a row for each call and return leg: 80 columns, or more if callers' numbers are known."""
    made = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    made.add_column("call", no_wrap=True)  # to be copied
    made.add_column("extension", overflow="fold")
    for name in ("since", "activity", "turns", "late\nms", "under-\nruns"):
        made.add_column(name, no_wrap=True, justify="left" if name == "activity" else "right")
    shows_callers = any(call.caller_number or call.caller_name for call in calls)
    if shows_callers:
        made.add_column("caller", overflow="fold", min_width=6)
    for call in calls:
        minutes, seconds = divmod(int(max(0.0, now.timestamp() - call.started_at_s)), 60)
        caller = " ".join(filter(None, (call.caller_number, call.caller_name))) or "-"
        made.add_row(
            call.call_id,
            call.extension,
            f"{minutes}:{seconds:02}",
            call.activity,
            str(call.turns),
            f"{call.lateness_p99_ms:.1f}",
            str(call.underruns),
            *([Text(_printable(caller))] if shows_callers else []),
        )
        if call.return_activity is not None:
            made.add_row("", "- return", "", call.return_activity)
    return made


def _printable(text: str) -> str:
    """Return what a caller chose without what a terminal obeys."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
