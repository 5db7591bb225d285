"""Spans of calls and turns, from their records: pure, and without a word of what was said.

| span | parent | from | to |
|---|---|---|---|
| `call` | none | the UUID | its end |
| `greeting`, `utterance`, `digit`, `silence`: a turn | the call | the end of the speech | the answer's end |
| each stage, then `answer` | the turn | the end of the stage before | its own end |

A trace's id is the call's UUID. The other ids follow from it, the call's start and the turn's number, so that
a span that is sent again is the same one. `link` is all time of a turn between its other stages.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from uuid import UUID

from ingress.link.records import CallRecord, TurnRecord

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Span:
    """One span; times in nanoseconds since 1970-01-01 UTC, which are for people."""

    trace_id: int
    span_id: int
    parent_id: int | None
    name: str
    start_ns: int
    end_ns: int
    attributes: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    problem: str | None = None


def call_spans(record: CallRecord, started_at_s: float | None, now_ns: int) -> Iterator[Span]:
    """Yield the span of a call that is over, and those of a turn that it cut short.

    `started_at_s`: seconds since 1970-01-01 UTC; None: it ended now.
    """
    trace_id = _trace_id(record.call_id)
    if trace_id == 0:  # the one id that no trace may have
        return
    duration_ns = round(record.duration_s * NS_PER_S)
    start_ns = now_ns - duration_ns if started_at_s is None else round(started_at_s * NS_PER_S)
    yield Span(
        trace_id,
        _span_id(record.call_id, started_at_s),
        None,
        "call",
        start_ns,
        start_ns + duration_ns,
        {
            "raymal.extension": record.extension,
            "raymal.priority": record.priority,
            "raymal.call.refused": record.was_refused,
            "raymal.call.end_reason": record.end_reason,
            "raymal.call.turns": record.turns_taken,
            "raymal.call.dropped_turns": record.dropped_turns,
            "raymal.call.interruptions": record.interruptions,
            "raymal.call.underruns": record.underruns,
            "raymal.call.lateness_p99_ms": record.lateness.p99_ms,
            "raymal.call.long_gaps": record.long_gaps,
        },
    )
    if record.unfinished is not None:
        yield from turn_spans(
            record.call_id, started_at_s, record.unfinished, start_ns + duration_ns, is_unfinished=True
        )


def turn_spans(
    call_id: str, started_at_s: float | None, record: TurnRecord, end_ns: int, is_unfinished: bool = False
) -> Iterator[Span]:
    """Yield the span of a turn that ended at `end_ns`, and those of its stages."""
    trace_id, parent_id = _trace_id(call_id), _span_id(call_id, started_at_s)
    if trace_id == 0:
        return
    span_id = _span_id(call_id, started_at_s, record.turn)
    stages = record.stage_times_ms()
    if record.first_answer_ms is not None:
        stages.append(("answer", record.answer_ms + record.underrun_ms))
    start_ns = end_ns - round(sum(time_ms for _, time_ms in stages) * NS_PER_MS)
    optional: dict[str, str | float | None] = {
        "raymal.turn.leg": record.leg,
        "raymal.turn.speech_ms": record.speech_ms,
        "raymal.turn.first_answer_ms": record.first_answer_ms,
        "raymal.turn.doubt": record.doubt,
    }
    yield Span(
        trace_id,
        span_id,
        parent_id,
        record.kind,
        start_ns,
        end_ns,
        {
            "raymal.turn.number": record.turn,
            "raymal.turn.underruns": record.underruns,
            "raymal.turn.understood": record.was_understood,
            "raymal.turn.interrupted": record.was_interrupted,
            "raymal.turn.overtaken": record.was_overtaken,
            "raymal.turn.ahead": record.was_ahead,
            "raymal.turn.unfinished": is_unfinished,
            "raymal.turn.cache_hits": record.stages.cache_hits,
            "raymal.turn.cache_misses": record.stages.cache_misses,
        }
        | {name: value for name, value in optional.items() if value is not None},
        record.problem,
    )
    for name, time_ms in stages:
        stage_end_ns = start_ns + round(time_ms * NS_PER_MS)
        stage_id = _span_id(call_id, started_at_s, record.turn, name)
        yield Span(trace_id, stage_id, span_id, name, start_ns, stage_end_ns)
        start_ns = stage_end_ns


def _trace_id(call_id: str) -> int:
    try:
        return UUID(call_id).int
    except ValueError:
        return 0


def _span_id(*of: object) -> int:
    """Return 8 bytes that are never all zero."""
    return int.from_bytes(blake2b(repr(of).encode(), digest_size=8).digest(), "big") or 1
