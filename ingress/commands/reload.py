"""`raymal reload`: have a running server read its configuration again."""

from __future__ import annotations

import argparse
import asyncio
import json

from actors.errors import ConfigurationError
from ingress.commands.arguments import port
from ingress.link.messages import ReloadRequest
from ingress.server import observer
from ingress.server.exit_codes import ExitCode


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "reload",
        description="Have the server on this machine read its configuration again, as SIGHUP does, and say "
        "what came of it. A configuration with a mistake changes nothing.",
    )
    parser.add_argument("--port", type=port, default=9092, help="the server's port, or an extension's (9092)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Ask once and print."""
    reply = asyncio.run(observer.control(arguments.port, ReloadRequest()))
    if reply.problem is not None:
        raise ConfigurationError(f"the configuration is not reloaded:\n{reply.problem}")
    if arguments.json:
        print(json.dumps({"version": reply.book.version, "waiting": list(reply.waiting)}))
        return ExitCode.OK
    print(f"the configuration is read; {len(reply.book.extensions)} extensions, version {reply.book.version}")
    for line in reply.waiting:
        print(f"only the next start takes this up: {line}")
    return ExitCode.OK
