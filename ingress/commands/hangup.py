"""`raymal hangup`: end one call."""

from __future__ import annotations

import argparse
import json

from ingress.commands.arguments import add_server_port, call_id
from ingress.server import web_client
from ingress.server.exit_codes import ExitCode


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "hangup",
        description="End one call of the server on this machine; the dialplan then goes on. Exit code 1 if "
        "no such call runs.",
    )
    parser.add_argument("call", type=call_id, metavar="UUID", help="the call, as `raymal calls` shows it")
    add_server_port(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Ask for the end of the call. Raises LinkError, RefusedError."""
    answer = web_client.ask(arguments.port, "DELETE", f"/calls/{arguments.call}")
    print(json.dumps(answer) if arguments.json else f"call {arguments.call} is being ended")
    return ExitCode.OK
