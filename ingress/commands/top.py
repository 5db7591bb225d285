"""`raymal top`: the live page's tables in a terminal."""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import UTC, datetime

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from actors.errors import LinkError, RaymalError
from ingress.commands.arguments import add_server_port, seconds
from ingress.commands.calls import table
from ingress.commands.status import print_status
from ingress.link.live import LiveCall
from ingress.link.status import ServerStatus
from ingress.server import web_client
from ingress.server.exit_codes import ExitCode

CALLS_SHARE = 2
"""The calls may take this part of the terminal's height: one half."""
LEAST_CALLS = 5


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "top",
        description="Show calls, media workers, speech workers and load of the server on this machine, again "
        "and again until Ctrl-C.",
    )
    add_server_port(parser)
    parser.add_argument("--interval", type=seconds(3600.0), default=1.0, help="seconds between two looks (1)")
    parser.add_argument("--once", action="store_true", help="show it once; so does output to a file")
    parser.add_argument("--json", action="store_true", help="print it once, as JSON: status and calls")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Show until interrupted. Raises LinkError without an answer the first time."""
    if arguments.json:
        status = web_client.ask(arguments.port, "GET", "/status")
        calls = list(web_client.pages(arguments.port, "/calls"))
        print(json.dumps({"status": status, "calls": calls}, indent=2))
        return ExitCode.OK
    console = Console()
    shown = _screen(console, arguments.port)
    if arguments.once or not sys.stdout.isatty():
        console.print(shown)
        return ExitCode.OK
    try:
        with Live(shown, console=console, screen=True, auto_refresh=False) as live:
            while True:
                time.sleep(arguments.interval)
                try:
                    shown = _screen(console, arguments.port)
                except LinkError as error:  # it is being restarted
                    shown = Text(str(error))
                live.update(shown, refresh=True)
    except KeyboardInterrupt:
        return ExitCode.OK


def _screen(console: Console, port: int) -> RenderableType:
    """Return all that is shown, as it is now. Raises LinkError."""
    try:
        known = web_client.ask(port, "GET", "/status")
        rows = max(LEAST_CALLS, console.height // CALLS_SHARE)
        page = web_client.ask(port, "GET", f"/calls?limit={rows}")
    except web_client.RefusedError as error:
        raise RaymalError(f"the server does not say: {error}") from error
    gateway, as_of_s = known.pop("gateway"), known.pop("as_of_s")
    status = ServerStatus.model_validate(known)
    calls = [LiveCall.model_validate(call) for call in page["items"]]
    now = datetime.now(UTC)
    parts: list[RenderableType] = []
    if gateway == "away":
        age = "never seen" if as_of_s is None else f"{now.timestamp() - as_of_s:.0f} s ago"
        parts.append(Text(f"the gateway is away; what follows was so {age}", style="bold red"))
    if calls:
        parts.append(table(calls, now))
    if page["next"] is not None:
        parts.append(Text("... and more: `raymal calls`"))
    with console.capture() as capture:
        print_status(console, status)
    parts.append(Text.from_ansi(capture.get()))
    return Group(*parts)
