"""Tables of a finished call: where the time went, and how it sounded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.table import Table

from ingress.caller.caller import CallResult
from ingress.link.records import CallRecord, TurnRecord

STAGE_ORDER = ["endpoint wait", "lease wait", "transcription", "dialog", "synthesis", "link", "playout wait"]

KINDS = {"utterance": "speech", "digit": "keys", "announcement": "said"}
"""Kinds of turns, where their own names are too long for a column."""
TURNS_IN_A_TABLE = 7


def stage_tables(record: CallRecord) -> Iterator[Table]:
    """Yield the server's stages: a row per stage, a column per turn, as many as fit on a terminal."""
    names = {name for turn in record.turns for name, _ in turn.stage_times_ms()}
    rows = sorted(names, key=STAGE_ORDER.index)
    for first in range(0, len(record.turns), TURNS_IN_A_TABLE):
        title = None if first else "stages in the server, ms"
        yield _stage_table(title, record.turns[first : first + TURNS_IN_A_TABLE], rows)


def _stage_table(title: str | None, turns: Sequence[TurnRecord], names: Sequence[str]) -> Table:
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("stage")
    for turn in turns:
        leg = "" if turn.leg == "caller" else f"\n{turn.leg}"
        table.add_column(f"{turn.turn}\n{KINDS.get(turn.kind, turn.kind)}{leg}", justify="right")
    for name in names:
        times = [dict(turn.stage_times_ms()).get(name) for turn in turns]
        table.add_row(name, *("" if time is None else f"{time:.0f}" for time in times))
    totals = (turn.first_answer_ms for turn in turns)
    table.add_section()
    table.add_row("first answer", *("none" if total is None else f"{total:.0f}" for total in totals))
    return table


def quality_table(result: CallResult) -> Table:
    """Return what the far phone would have heard of the audio."""
    quality = result.quality
    table = Table("audio received", "value", title="audio quality at the caller")
    table.add_row("seconds", f"{quality.audio_s:.1f}")
    table.add_row("lateness p50", f"{quality.lateness_p50_ms:.1f} ms")
    table.add_row("lateness p99", f"{quality.lateness_p99_ms:.1f} ms")
    table.add_row("lateness max", f"{quality.lateness_max_ms:.1f} ms")
    table.add_row("underruns at a 60 ms phone buffer", f"{quality.underruns}")
    table.add_row("concealed", f"{quality.concealed_ratio:.2%}")
    table.add_row("jitter (RFC 3550)", f"{quality.jitter_ms:.1f} ms")
    table.add_row("longest gap", f"{quality.longest_gap_ms:.1f} ms")
    table.add_row("this caller's own lateness max", f"{result.own_lateness_max_ms:.1f} ms")
    return table
