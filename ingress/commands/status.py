"""`raymal status`: how a server on this machine is doing."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from actors.messages import Level
from ingress.server import observer
from ingress.server.exit_codes import ExitCode

SHOWN_CHANGES = 5
"""Of the level, the newest; `--json` has all that are kept."""

Row = Mapping[str, Any]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "status",
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
    else:
        console = Console()
        console.print(f"{'ready' if reply.is_ready else 'not ready'}: {reply.detail}", markup=False)
        _print_ingress(console, reply.status)
        if "fleet" in reply.status:
            _print_fleet(console, reply.status["fleet"])
    return ExitCode.OK if reply.is_ready else ExitCode.FAILED


# This server


def _print_ingress(console: Console, status: Row) -> None:
    workers = status["media_workers"]
    console.print(f"{status['calls']} calls on {len(workers)} media workers")
    if "decision" in status:
        _print_decision(console, status["decision"], status["level_changes"])
    _print_extensions(console, status["extensions"])
    if workers:
        _print_media(console, workers)
    console.print(f"sentences of answers: {status['cache_hits']} cached, {status['cache_misses']} made")
    if status["dropped_records"]:
        console.print(f"problem: {status['dropped_records']} call records could not be written")


def _print_decision(console: Console, decision: Row, changes: Sequence[Row]) -> None:
    """Print how much is done now, why, and how it was of late."""
    level = Level(decision["level"])
    reasons = "; ".join(decision["reasons"])
    line = f"level {level.value}, {level.name.lower()}; frames of {decision['frame_ms']} ms"
    console.print(f"{line}{': ' if reasons else ''}{reasons}", markup=False)
    for change in changes[:SHOWN_CHANGES]:
        why = "; ".join(change["reasons"]) or "all signals are low again"
        console.print(
            f"  {_age(change['age_s'])} ago {change['before']} → {change['level']}: {why}", markup=False
        )


def _print_extensions(console: Console, extensions: Sequence[Row]) -> None:
    """Print one row per extension."""
    table = Table("extension", "priority", "language", "dialog", "calls", "at most", "refused")
    for row in extensions:
        limit = row["maximum_calls"]
        cells = [row["name"], row["priority"], row["language"], row["dialog"], row["calls"]]
        table.add_row(*map(str, [*cells, "-" if limit is None else limit, row["refused"]]))
    console.print(table)


def _print_media(console: Console, workers: Sequence[Row]) -> None:
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


# All servers and workers together


def _print_fleet(console: Console, fleet: Row) -> None:
    table = Table("work", "workers", "busy slots", "waiting", "done", "failed", "mean ms")
    for kind in ("transcription", "synthesis"):
        pool, tally = fleet[kind], fleet[kind]["tally"]
        mean_ms = tally["processing_ms"] / tally["count"] if tally["count"] else 0.0
        workers = f"{pool['ready']} of {pool['planned']}"
        slots = f"{pool['busy']} of {pool['slots']}"
        counts = map(str, (pool["waiting"], tally["count"], tally["failed"]))
        table.add_row(kind, workers, slots, *counts, f"{mean_ms:.0f}")
    console.print(table)
    waits = Table("waiting, ms", "count", "p50", "p95", "p99", "longest")
    waits.add_row("for a transcription slot", *_percentiles(fleet["transcription"]["lease_wait"]))
    waits.add_row("for a synthesis slot", *_percentiles(fleet["synthesis"]["lease_wait"]))
    waits.add_row("of callers, for the answer", *_percentiles(fleet["answer"]))
    console.print(waits)
    _print_admission(console, fleet["admission"], fleet["activities"])
    if fleet["level"] or fleet["reasons"]:
        reasons = "; ".join(fleet["reasons"])
        level = Level(fleet["level"])
        console.print(f"cluster: level {level.value}, {level.name.lower()}: {reasons}", markup=False)
    console.print(f"CPU {fleet['cpu_percent']:.0f} %, memory {fleet['memory_percent']:.0f} %")
    for problem in fleet["problems"]:
        console.print(f"problem: {problem}", markup=False)


def _print_admission(console: Console, admission: Row, activities: Mapping[str, int]) -> None:
    """Print how full the cluster is and what its calls do."""
    capacity = admission["capacity"] or "an unknown number"
    doing = ", ".join(f"{count} {activity}" for activity, count in activities.items() if count)
    console.print(
        f"cluster: {admission['calls']} calls of {capacity}, {admission['unspoken']} not heard yet"
        f"{f' ({doing})' if doing else ''}; {admission['admitted']} taken so far"
    )
    for reason, count in sorted(admission["refused"].items()):
        console.print(f"cluster refused {count}: {reason}", markup=False)


def _percentiles(percentiles: Row) -> list[str]:
    """Return a distribution's count, and then whole milliseconds."""
    return [f"{percentiles[key]:.0f}" for key in ("count", "p50_ms", "p95_ms", "p99_ms", "maximum_ms")]


def _age(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
