"""`raymal status`: how a server on this machine is doing."""

from __future__ import annotations

import argparse
import asyncio
import json

from rich.console import Console
from rich.table import Table

from ingress import observer
from ingress.exit_codes import ExitCode


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "status",
        help="show how a server on this machine is doing",
        description="Show calls, workers and load of the server on this machine. Exit code 1 while it "
        "is not ready to serve a turn.",
    )
    parser.add_argument("--port", type=int, default=9092, help="the server's port (9092)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Ask once and print."""
    reply = asyncio.run(observer.status(arguments.port))
    if arguments.json:
        print(json.dumps({"is_ready": reply.is_ready, "detail": reply.detail, **reply.status}, indent=2))
        return ExitCode.OK if reply.is_ready else ExitCode.FAILED
    console = Console()
    console.print(f"{'ready' if reply.is_ready else 'not ready'}: {reply.detail}")
    workers = ", ".join(reply.status["media_workers"]) or "no media worker"
    console.print(f"{reply.status['calls']} calls on {workers}")
    fleet = reply.status.get("fleet")
    if fleet:
        table = Table("work", "planned", "ready", "busy", "waiting", "done", "failed", "mean ms")
        for kind in ("transcription", "synthesis"):
            pool, tally = fleet[kind], fleet[kind]["tally"]
            mean_ms = tally["processing_ms"] / tally["count"] if tally["count"] else 0.0
            counts = [pool["planned"], pool["ready"], pool["busy"], pool["waiting"]]
            table.add_row(kind, *map(str, [*counts, tally["count"], tally["failed"]]), f"{mean_ms:.0f}")
        console.print(table)
        console.print(f"CPU {fleet['cpu_percent']:.0f} %, memory {fleet['memory_percent']:.0f} %")
        for problem in fleet["problems"]:
            console.print(f"problem: {problem}", markup=False)
    return ExitCode.OK if reply.is_ready else ExitCode.FAILED
