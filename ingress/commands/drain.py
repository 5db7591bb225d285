"""`raymal drain`: let the running calls of a server end, then stop it."""

from __future__ import annotations

import argparse
import asyncio
import json
import time

from actors.errors import ConfigurationError
from ingress.commands.arguments import port, seconds
from ingress.link.messages import DrainRequest
from ingress.server import observer
from ingress.server.exit_codes import ExitCode
from ingress.server.finding import find

POLL_S = 0.2


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "drain",
        description="Have the server on this machine refuse new calls, let running ones end, then stop. "
        "To go on with a new version without refusing a call: `raymal serve --replace`.",
    )
    parser.add_argument("--port", type=port, default=9092, help="the server's port, or an extension's (9092)")
    parser.add_argument(
        "--deadline",
        type=seconds(86_400.0),
        metavar="SECONDS",
        help="calls that run longer are ended (server.drain_deadline_s)",
    )
    parser.add_argument("--wait", action="store_true", help="return when the server has stopped")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Ask, and wait if that was asked for."""
    place = find(arguments.port)
    reply = asyncio.run(observer.control(arguments.port, DrainRequest(deadline_s=arguments.deadline)))
    if reply.problem is not None:
        raise ConfigurationError(reply.problem)
    while arguments.wait and place.ports_held():  # it holds them until its end
        time.sleep(POLL_S)
    if arguments.json:
        print(json.dumps({"has_stopped": arguments.wait}))
    else:
        print("the server has stopped" if arguments.wait else "the server stops after its last call")
    return ExitCode.OK
