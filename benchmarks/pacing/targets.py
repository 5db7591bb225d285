"""What raymal has to reach, judged at the greatest number of calls of a run, against what ran beside it."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.harness.outcomes import Outcome, at_most, judged
from benchmarks.pacing.measurement import C_LOOP, RAYMAL, RAYMAL_THROTTLED, Contestant, Measurement
from ingress.caller.listening_quality import PHONE_BUFFER_MS

CPU_RATIO = 2.0
ADDED_LATENESS_MS = 10.0
MEMORY_KB_PER_CALL = 150.0
THROTTLED_SAVING = 0.20
_EDGE_RATIO = 0.005
"""Missing audio below this is the edge of the measured time: a late last frame."""


def targets(results: Sequence[Measurement]) -> list[Outcome]:
    """Return every target whose contestants took part."""
    rows = []
    raymal, limit, throttled = (_of(each, results) for each in (RAYMAL, C_LOOP, RAYMAL_THROTTLED))
    if raymal and limit:
        rows += _against_the_limit(raymal[-1], limit[-1])
    if raymal:
        kb, name = raymal[-1].bytes_per_call / 1_000, f"memory per call at {raymal[-1].calls} calls"
        rows += [_no_underruns(raymal), at_most(name, MEMORY_KB_PER_CALL, kb, "KB")]
    if raymal and throttled:
        rows += [_saving(raymal[-1], throttled[-1]), _no_underruns(throttled)]
    return rows


def _of(contestant: Contestant, results: Sequence[Measurement]) -> list[Measurement]:
    """Return a contestant's results by ascending number of calls."""
    return sorted((each for each in results if each.contestant is contestant), key=lambda each: each.calls)


def _against_the_limit(raymal: Measurement, limit: Measurement) -> list[Outcome]:
    ratio = raymal.cpu_percent_per_call / max(limit.cpu_percent_per_call, 1e-9)
    added_ms = raymal.judgement.lateness_at_ms(99.9) - limit.judgement.lateness_at_ms(99.9)
    return [
        judged(
            f"CPU per call at {raymal.calls} calls",
            f"{CPU_RATIO:g}x the C loop",
            f"{ratio:.2f}x, {raymal.judgement.missing_ratio:.2%} of the audio missing",
            ratio <= CPU_RATIO and _is_whole(raymal),
            _is_disturbed(raymal, limit),
        ),
        at_most(
            f"p99.9 lateness at {raymal.calls} calls, above the C loop",
            ADDED_LATENESS_MS,
            added_ms,
            "ms",
            _is_disturbed(raymal, limit),
        ),
    ]


def _no_underruns(results: Sequence[Measurement]) -> Outcome:
    # A frame that never came is no hole between two that did: audio that is missing counts as well.
    underruns = sum(each.judgement.holes for each in results)
    missing = max(each.judgement.missing_ratio for each in results)
    numbers = ", ".join(str(each.calls) for each in results)
    return judged(
        f"underruns of {results[0].contestant.name} at {PHONE_BUFFER_MS:.0f} ms, {numbers} calls",
        "none, no audio missing",
        f"{underruns}, {missing:.2%} missing",
        underruns == 0 and all(map(_is_whole, results)),
        _is_disturbed(*results),
    )


def _saving(raymal: Measurement, throttled: Measurement) -> Outcome:
    saving = 1.0 - throttled.cpu_percent_per_call / max(raymal.cpu_percent_per_call, 1e-9)
    return judged(
        f"CPU per call throttled, {raymal.calls} calls",
        f"{THROTTLED_SAVING:.0%} less",
        f"{saving:.1%} less, {throttled.judgement.missing_ratio:.2%} of the audio missing",
        saving >= THROTTLED_SAVING and _is_whole(throttled),
        _is_disturbed(raymal, throttled),
    )


def _is_whole(result: Measurement) -> bool:
    """Whether the audio came that was due: CPU that sent less is no saving."""
    return result.judgement.missing_ratio < _EDGE_RATIO


def _is_disturbed(*results: Measurement) -> bool:
    return any(result.invalid_because() for result in results)
