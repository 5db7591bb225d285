"""The measurements as a table and as JSON, and what they say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from math import inf
from typing import Any

from actors.percentiles import percentile
from benchmarks.compare.ladder import calls_held
from benchmarks.compare.measurement import Contestant, Measurement
from benchmarks.harness.outcomes import Outcome, Verdict, judged, shown

TARGET_CALLS = 32
TARGET_CORES = 2
"""The target is for a machine of so many."""
TARGET_RATIO = 6.0
HELD = "calls held: p95 within 1.5 s, no hole"
ANSWERED = "calls answered: p95 within 3 s, holes or not"


@dataclass(frozen=True, slots=True)
class Limit:
    """What one contestant holds, of the rungs that were tried."""

    calls_held: int
    """In time and without a hole."""
    calls_answered: int
    """Within twice the time, with or without holes."""
    most_tried: int
    is_disturbed: bool
    """Whether a measurement on the way was invalid: each decides what comes next."""

    @classmethod
    def of(cls, contestant: Contestant, measurements: Iterable[Measurement]) -> Limit:
        """Read the limit off a contestant's measurements."""
        own = {each.calls: each for each in measurements if each.contestant is contestant}
        return cls(
            calls_held({calls: each.figures.is_held for calls, each in own.items()}),
            calls_held({calls: each.figures.is_answered for calls, each in own.items()}),
            max(own),
            any(each.invalid_because() for each in own.values()),
        )


def limits(measurements: Sequence[Measurement]) -> dict[Contestant, Limit]:
    """Return the limit of each."""
    return {contestant: Limit.of(contestant, measurements) for contestant in Contestant}


def verdicts(measurements: Sequence[Measurement], cores: int) -> dict[str, list[Outcome]]:
    """Return what was asked for and what came of it."""
    found = limits(measurements)
    raymal = found.pop(Contestant.RAYMAL)
    rows = {
        contestant.value: [
            shown(HELD, _at_most_tried(limit.calls_held, limit)),
            shown(ANSWERED, _at_most_tried(limit.calls_answered, limit)),
        ]
        for contestant, limit in found.items()
    }
    rows[Contestant.RAYMAL.value] = [_holds_enough(raymal, cores), _holds_more(raymal, list(found.values()))]
    return rows


def _holds_enough(raymal: Limit, cores: int) -> Outcome:
    found = _at_most_tried(raymal.calls_held, raymal)
    if cores != TARGET_CORES:
        return shown(HELD, found)
    limit = f"{TARGET_CALLS} on {TARGET_CORES} cores"
    return judged(HELD, limit, found, raymal.calls_held >= TARGET_CALLS, raymal.is_disturbed)


def _holds_more(raymal: Limit, others: Sequence[Limit]) -> Outcome:
    answered = max(limit.calls_answered for limit in others)
    outcome = judged(
        "its calls held, over the better seed's calls answered",
        f"{TARGET_RATIO:g} times",
        f"{raymal.calls_held} to {answered}",
        raymal.calls_held >= TARGET_RATIO * max(1, answered),
        raymal.is_disturbed,
    )
    # A disturbed rival makes raymal look better than it is: then a pass says nothing either.
    is_disturbed = any(limit.is_disturbed for limit in others)
    return replace(outcome, verdict=Verdict.DISTURBED) if is_disturbed else outcome


def quick_verdicts(measurements: Sequence[Measurement]) -> dict[str, list[Outcome]]:
    """Return whether the few calls of a quick run were held; what the seed did is in its line."""
    return {
        each.contestant.value: [
            judged(
                "calls held", f"{each.calls}", _what(each), each.figures.is_held, bool(each.invalid_because())
            )
        ]
        for each in measurements
        if each.contestant is Contestant.RAYMAL
    }


def summary(each: Measurement) -> str:
    """Return a measurement in one line."""
    figures = each.figures
    scores = f", PESQ {percentile(each.opinion_scores, 50):.2f}" if each.opinion_scores else ""
    text = (
        f"{each.contestant.value}, {each.calls} calls: {_what(each)}; {figures.turns} turns, "
        f"p50 {figures.turn_p50_ms:.0f} ms, p95 {figures.turn_p95_ms:.0f} ms, {figures.holes} holes{scores}, "
        f"{each.cpu_percent_per_call:.1f} % of a core for each call"
    )
    return "; ".join((text, *each.invalid_because()))


def as_json(measurements: Sequence[Measurement]) -> list[dict[str, Any]]:
    """Return every figure; an infinite turn is null."""
    return [
        {
            "contestant": each.contestant.name.lower(),
            **{name: _finite(value) for name, value in asdict(each.figures).items()},
            "is_held": each.figures.is_held,
            "is_answered": each.figures.is_answered,
            "cpu_percent": round(each.use.server_percent, 2),
            "cpu_percent_per_call": round(each.cpu_percent_per_call, 3),
            "foreign_percent": round(each.use.others_percent, 2),
            "opinion_scores": [round(score, 3) for score in each.opinion_scores],
            "callers": {name: round(value, 3) for name, value in asdict(each.loop).items()},
            "invalid_because": each.invalid_because(),
        }
        for each in measurements
    ]


def limits_as_json(measurements: Sequence[Measurement]) -> dict[str, Any]:
    """Return the limit of each."""
    return {contestant.name.lower(): asdict(limit) for contestant, limit in limits(measurements).items()}


def _what(each: Measurement) -> str:
    if each.figures.is_held:
        return "held"
    return "answered" if each.figures.is_answered else "too late"


def _at_most_tried(calls: int, limit: Limit) -> str:
    return f"{calls} (not more were tried)" if calls == limit.most_tried else str(calls)


def _finite(value: float) -> float | None:
    return None if value == inf else value if isinstance(value, int) else round(value, 3)
