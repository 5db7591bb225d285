"""`raymal status`: how a server on this machine is doing."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Sequence
from typing import Any

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
    workers = reply.status["media_workers"]
    console.print(f"{reply.status['calls']} calls on {len(workers)} media workers")
    if workers:
        _print_media(console, workers)
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


def _print_media(console: Console, workers: Sequence[dict[str, Any]]) -> None:
    """Print one row per media worker, with dashes before its first report, and the peers it closed."""
    table = Table("media", "calls", "frame ms", "late ms: p50, p99, p99.9, max", "GC pauses, longest ms")
    for worker in workers:
        health = worker["health"]
        if health is None:
            table.add_row(worker["name"], "-", "-", "-", "-")
            continue
        lateness = health["lateness"]
        late_ms = (lateness[key] for key in ("p50_ms", "p99_ms", "p999_ms", "maximum_ms"))
        table.add_row(
            worker["name"],
            str(health["calls"]),
            str(health["frame_ms"]),
            ", ".join(f"{late:.1f}" for late in late_ms),
            f"{health['gc_pauses']}, {health['gc_pause_maximum_ms']:.1f}",
        )
    console.print(table)
    for worker in workers:
        for reason, count in sorted((worker["health"] or {}).get("closed_peers", {}).items()):
            console.print(f"{worker['name']} closed {count}: {reason}", markup=False)
