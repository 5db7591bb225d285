"""`raymal record`: what was measured of one finished call."""

from __future__ import annotations

import argparse
import json

from rich.console import Console

from ingress.commands.arguments import add_server_port, call_id
from ingress.link.records import CallRecord, TurnRecord
from ingress.server import web_client
from ingress.server.exit_codes import ExitCode


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "record",
        description="Show the record of a call that has ended at the server on this machine: how its audio "
        "went, and every turn's stages. Exit code 1 if the call is unknown, not over, or was too long ago.",
    )
    parser.add_argument("call", type=call_id, metavar="UUID", help="the call, as the log names it")
    add_server_port(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Ask and print. Raises LinkError, RefusedError."""
    answer = web_client.ask(arguments.port, "GET", f"/records/{arguments.call}")
    if arguments.json:
        print(json.dumps(answer, indent=2))
        return ExitCode.OK
    record = CallRecord.model_validate(answer)
    console = Console(soft_wrap=True, highlight=False)
    for line in lines(record):
        console.print(line, markup=False)
    return ExitCode.OK


def lines(record: CallRecord) -> list[str]:
    """Return the record for people."""
    shown = [
        record.describe(),
        f"extension {record.extension}, priority {record.priority}; {record.frames_received} frames came, "
        f"{record.frames_sent} went; longest gap {record.longest_gap_ms:.0f} ms",
    ]
    for turn in record.turns:
        shown += _turn(turn)
    if record.unfinished is not None:
        shown.append("under way when the call ended:")
        shown += _turn(record.unfinished)
    return shown


def _turn(turn: TurnRecord) -> list[str]:
    words = (("heard", turn.heard), ("answered", turn.answered))
    return [turn.describe(), *(f"  {name}: {text}" for name, text in words if text)]
