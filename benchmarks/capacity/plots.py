"""The pictures of a measurement: what callers waited, how late frames were, where time and cores went."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.capacity.result import CapacityResult, Step
from benchmarks.capacity.svg import Axis, Limit, Series, bars, lines

STAGES = ("endpoint wait", "lease wait", "transcription", "dialog", "synthesis", "link", "playout wait")
PARTS = ("media", "gateway", "workers", "manager", "ray", "callers")


def plots(result: CapacityResult) -> dict[str, str]:
    """Return the charts as SVG, by the name of each; one without anything to show is left out."""
    # A number that was tried twice is shown as it was tried last: the confirmation is the longest.
    steps = sorted({step.calls: step for step in result.steps}.values(), key=lambda step: step.calls)
    drawn = {
        "turns": _turns(steps, result),
        "lateness": _lateness(steps),
        "stages": _stages(steps),
        "goodput": _goodput(_offered(steps, result)),
        "resources": _resources(steps),
        "cores": _cores(steps),
    }
    return {name: chart for name, chart in drawn.items() if chart is not None}


def _offered(steps: Sequence[Step], result: CapacityResult) -> list[Step]:
    """Return what was offered as a server in use would be: beyond what is held, with admission on."""
    if not result.overload:
        return list(steps)
    return [*(step for step in steps if step.calls <= result.calls_held), *result.overload]


def _turns(steps: Sequence[Step], result: CapacityResult) -> str | None:
    values = {
        "p50": [(step.calls, step.turn_p50_ms) for step in steps],
        "p95": [(step.calls, step.turn_p95_ms) for step in steps],
        "p99": [(step.calls, step.turn_p99_ms) for step in steps],
    }
    series = [
        Series(name, [(calls, ms) for calls, ms in points if ms is not None])
        for name, points in values.items()
    ]
    if not any(each.points for each in series):
        return None
    limit = Limit("objective for p95", result.objectives.turn_p95_ms)
    return lines("What callers waited for an answer", Axis("calls"), Axis("ms"), series, limit)


def _lateness(steps: Sequence[Step]) -> str | None:
    series = [
        Series(_calls(step.calls), [(ms, 100.0 * share) for ms, share in step.late_shares if share > 0])
        for step in steps
    ]
    shown = [each for each in series if len(each.points) > 1][-8:]
    if not shown:
        return None
    title = "How late frames were at the caller"
    return lines(title, Axis("later than, ms", is_log=True), Axis("% of frames", is_log=True), shown)


def _stages(steps: Sequence[Step]) -> str | None:
    shown = [step for step in steps if step.stages_ms]
    if not shown:
        return None
    series = [
        Series(name, [(number, step.stages_ms.get(name, 0.0)) for number, step in enumerate(shown)])
        for name in STAGES
    ]
    labels = [f"{step.calls:g}" for step in shown]
    return bars("Where the time of an answer went", labels, "calls", "mean ms", series)


def _goodput(steps: Sequence[Step]) -> str | None:
    shown = sorted((step for step in steps if step.calls_mean is not None), key=lambda step: step.calls)
    if not shown:
        return None
    series = [
        Series("calls there", [(step.calls, step.calls_mean or 0.0) for step in shown]),
        Series("offered", [(step.calls, step.calls) for step in shown]),
        Series(
            "refused, %",
            [(step.calls, 100.0 * step.refused_calls / max(1, step.offered_calls)) for step in shown],
        ),
    ]
    return lines("Offered, held, refused", Axis("calls offered"), Axis("calls, and %"), series)


def _resources(steps: Sequence[Step]) -> str | None:
    names = list(dict.fromkeys(name for step in steps for name in step.utilisation_percent))
    series = [
        Series(
            name,
            [(s.calls, s.utilisation_percent[name]) for s in steps if name in s.utilisation_percent],
        )
        for name in names
    ]
    if not series:
        return None
    return lines("Resources in use", Axis("calls"), Axis("%"), series, Limit("all of it", 100.0))


def _cores(steps: Sequence[Step]) -> str | None:
    shown = [step for step in steps if step.cores]
    series = [
        Series(name, [(number, step.cores.get(name, 0.0)) for number, step in enumerate(shown)])
        for name in PARTS
        if any(step.cores.get(name) for step in shown)
    ]
    if not series:
        return None
    return bars("CPU by part", [f"{step.calls:g}" for step in shown], "calls", "cores", series)


def _calls(calls: float) -> str:
    return "1 call" if calls == 1 else f"{calls:g} calls"
