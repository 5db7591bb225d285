"""`raymal status`: how a server on this machine is doing."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import astuple

from rich.console import Console
from rich.table import Table

from actors.status import AdmissionStatus, FleetStatus
from ingress.commands.arguments import add_server_port
from ingress.commands.fleet_lines import engine_lines
from ingress.link.status import (
    DecisionStatus,
    LevelChangeStatus,
    MediaWorkerStatus,
    ServerStatus,
    TurnsStatus,
)
from ingress.server import observer
from ingress.server.exit_codes import ExitCode

SHOWN_PROBLEMS = 3
"""Of turns, the most frequent; `--json` has all."""
SHOWN_CHANGES = 5
"""Of the level, the newest; `--json` has all that are kept."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "status",
        description="Show calls, workers and load of the server on this machine. Exit code 1 while it "
        "is not ready to serve a turn.",
    )
    add_server_port(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Ask once and print."""
    status = asyncio.run(observer.status(arguments.port))
    if arguments.json:
        print(status.model_dump_json(indent=2))
    else:
        print_status(Console(), status)
    return ExitCode.OK if status.is_ready else ExitCode.FAILED


def print_status(console: Console, status: ServerStatus) -> None:
    """Print all of it, in tables."""
    console.print(f"{'ready' if status.is_ready else 'not ready'}: {status.detail}", markup=False)
    _print_ingress(console, status)
    if status.fleet is not None:
        _print_fleet(console, status.fleet)


# This server


def _print_ingress(console: Console, status: ServerStatus) -> None:
    waiting = ""
    if status.waiting_callers:
        longest = _age(status.longest_wait_s)
        waiting = f"; callers waiting: {status.waiting_callers}, the longest for {longest}"
    console.print(f"calls: {status.calls}; media workers: {len(status.media_workers)}{waiting}")
    if status.decision is not None:
        _print_decision(console, status.decision, status.level_changes)
    extensions = Table("extension", "priority", "language", "engine", "dialog", "calls", "at most", "refused")
    for row in status.extensions:
        limit = "-" if row.maximum_calls is None else row.maximum_calls
        counts = map(str, (row.calls, limit, row.refused))
        extensions.add_row(row.name, row.priority, row.language, row.tts or "-", row.dialog, *counts)
    console.print(extensions)
    for row in status.extensions:
        if row.problem is not None:
            line = f"problem: extension {row.name} takes no calls: {row.problem}"
            console.print(line, markup=False, style="bold red")
    for reason, count in sorted(status.refusals.items()):
        console.print(f"refused {count}: {reason}", markup=False)
    if status.media_workers:
        _print_media(console, status.media_workers)
    _print_turns(console, status.recent)
    console.print(f"sentences of answers: {status.cache_hits} cached, {status.cache_misses} made")
    if status.rank_problem is not None:
        console.print(f"problem: {status.rank_problem}", markup=False)
    for reason, count in status.unmade_phrases.items():
        line = f"problem: {count} phrases could not be made: {reason}"
        console.print(line, markup=False, style="bold red")
    if status.dropped_records:
        console.print(f"problem: {status.dropped_records} call records could not be written")


def _print_turns(console: Console, recent: TurnsStatus) -> None:
    """Print how many of the newest turns failed and why, in red if any did."""
    if not recent.turns:
        return
    line = f"{recent.failed} of the last {recent.turns} turns failed"
    if recent.without_words:
        reasons = ", ".join(f"{doubt} {count}" for doubt, count in recent.doubts.items())
        line += f"; in {recent.without_words} no words were found{f' ({reasons})' if reasons else ''}"
    console.print(line, markup=False, style="bold red" if recent.failed else None)
    for problem, count in list(recent.problems.items())[:SHOWN_PROBLEMS]:
        console.print(f"  {count}: {problem}", markup=False, style="red")


def _print_decision(console: Console, decision: DecisionStatus, changes: Sequence[LevelChangeStatus]) -> None:
    """Print the level now, why, and its newest changes."""
    level, reasons = decision.level, "; ".join(decision.reasons)
    line = f"level {level.value}, {level.name.lower()}; frames of {decision.frame_ms} ms"
    console.print(f"{line}{': ' if reasons else ''}{reasons}", markup=False)
    for change in changes[:SHOWN_CHANGES]:
        why = "; ".join(change.reasons) or "all signals are low again"
        console.print(f"  {_age(change.age_s)} ago {change.before} → {change.level}: {why}", markup=False)


def _print_media(console: Console, workers: Sequence[MediaWorkerStatus]) -> None:
    """Print one row per media worker, with dashes before its first report, and the peers it closed."""
    table = Table("media", "calls", "frame ms", "late ms: p50, p99, p99.9, max", "GC pauses, longest ms")
    for worker in workers:
        health = worker.health
        if health is None:
            table.add_row(worker.name, "-", "-", "-", "-")
            continue
        late = health.lateness
        table.add_row(
            worker.name,
            str(health.calls),
            str(health.frame_ms),
            f"{late.p50_ms:.1f}, {late.p99_ms:.1f}, {late.p999_ms:.1f}, {late.maximum_ms:.1f}",
            f"{health.gc_pauses}, {health.gc_pause_maximum_ms:.1f}",
        )
    console.print(table)
    for worker in workers:
        for reason, count in sorted(worker.health.closed_peers.items()) if worker.health else ():
            console.print(f"{worker.name} closed {count}: {reason}", markup=False)


# All servers and workers together


def _print_fleet(console: Console, fleet: FleetStatus) -> None:
    table = Table("work", "workers", "busy slots", "waiting", "done", "failed", "mean ms")
    for kind, pool in (("transcription", fleet.transcription), ("synthesis", fleet.synthesis)):
        tally = pool.tally
        mean_ms = tally.processing_ms / tally.count if tally.count else 0.0
        workers, slots = f"{pool.ready} of {pool.planned}", f"{pool.busy} of {pool.slots}"
        counts = map(str, (pool.waiting, tally.count, tally.failed))
        table.add_row(kind, workers, slots, *counts, f"{mean_ms:.0f}")
    console.print(table)
    for line in engine_lines(fleet.engines):
        console.print(line, markup=False)
    waits = Table("waiting, ms", "count", "p50", "p95", "p99", "longest")
    for name, percentiles in (
        ("for a transcription slot", fleet.transcription.lease_wait),
        ("for a synthesis slot", fleet.synthesis.lease_wait),
        ("of callers, for the answer", fleet.answer),
    ):
        waits.add_row(name, *(f"{value:.0f}" for value in astuple(percentiles)))
    console.print(waits)
    _print_admission(console, fleet.admission, fleet.activities)
    if fleet.level or fleet.reasons:
        level = f"level {fleet.level.value}, {fleet.level.name.lower()}"
        console.print(f"cluster: {level}: {'; '.join(fleet.reasons)}", markup=False)
    console.print(f"CPU {fleet.cpu_percent:.0f} %, memory {fleet.memory_percent:.0f} %")
    for problem in fleet.problems:
        console.print(f"problem: {problem}", markup=False)


def _print_admission(console: Console, admission: AdmissionStatus, activities: Mapping[str, int]) -> None:
    """Print how full the cluster is and what its calls do."""
    capacity = admission.capacity or "an unknown number"
    doing = ", ".join(f"{count} {activity}" for activity, count in activities.items() if count)
    console.print(
        f"cluster: {admission.calls} calls of {capacity}, {admission.unspoken} not heard yet"
        f"{f' ({doing})' if doing else ''}; {admission.admitted} taken so far"
    )
    for reason, count in sorted(admission.refused.items()):
        console.print(f"cluster refused {count}: {reason}", markup=False)


def _age(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
