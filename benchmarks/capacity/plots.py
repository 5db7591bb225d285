"""The pictures of a measurement: what callers waited, how late frames were, where the time went."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.capacity.judgement import STAGES
from benchmarks.capacity.result import CapacityResult, Step
from benchmarks.harness.svg import Axis, Chart, Mark, Series, bars, lines

LATENESS_CURVES = 8
CALLS = Axis("calls")


def plots(result: CapacityResult) -> dict[str, str]:
    """Return the charts as SVG, by the name of each; one without anything to show is left out."""
    # A number that was tried twice is shown as it was tried last: the confirmation is the longest.
    steps = sorted({step.calls: step for step in result.steps}.values(), key=lambda step: step.calls)
    drawn = {
        "turns": _turns(steps, result.objectives.turn_p95_ms),
        "lateness": _lateness(steps),
        "stages": _stages(steps),
        "goodput": _goodput(steps, result),
        "resources": _resources(steps),
    }
    return {name: str(chart) for name, chart in drawn.items() if chart is not None}


def _curve(name: str, steps: Sequence[Step], value: Callable[[Step], float | None]) -> Series:
    """Return a value of each step over its calls, where there is one."""
    points = [(step.calls, value(step)) for step in steps]
    return Series(name, [(calls, height) for calls, height in points if height is not None])


def _turns(steps: Sequence[Step], objective_ms: float) -> Chart | None:
    series = [
        _curve("p50", steps, lambda it: it.turn_p50_ms),
        _curve("p95", steps, lambda it: it.turn_p95_ms),
        _curve("p99", steps, lambda it: it.turn_p99_ms),
    ]
    if not any(each.points for each in series):
        return None
    title = "What callers waited for an answer"
    return lines(title, CALLS, Axis("ms"), series, Mark("objective for p95", objective_ms))


def _lateness(steps: Sequence[Step]) -> Chart | None:
    series = [
        Series(
            "1 call" if step.calls == 1 else f"{step.calls:g} calls",
            [(ms, 100.0 * share) for ms, share in step.late_shares if share > 0],
        )
        for step in steps
    ]
    shown = [each for each in series if len(each.points) > 1][-LATENESS_CURVES:]
    if not shown:
        return None
    x, y = Axis("later than, ms", is_log=True), Axis("% of frames", is_log=True)
    return lines("How late frames were at the caller", x, y, shown)


def _goodput(steps: Sequence[Step], result: CapacityResult) -> Chart | None:
    """Draw what a server in use would show: beyond what is held, with admission on."""
    if result.overload:
        steps = [*(step for step in steps if step.calls <= result.calls_held), *result.overload]
    shown = sorted((step for step in steps if step.calls_mean is not None), key=lambda step: step.calls)
    if not shown:
        return None
    series = [
        _curve("calls there", shown, lambda it: it.calls_mean),
        _curve("offered", shown, lambda it: it.calls),
        _curve("refused, %", shown, lambda it: 100.0 * it.refused_calls / max(1, it.offered_calls)),
    ]
    return lines("Offered, held, refused", Axis("calls offered"), Axis("calls, and %"), series)


def _resources(steps: Sequence[Step]) -> Chart | None:
    names = dict.fromkeys(name for step in steps for name in step.utilisation_percent)
    series = [
        Series(name, [(it.calls, use[name]) for it in steps if name in (use := it.utilisation_percent)])
        for name in names
    ]
    if not series:
        return None
    return lines("Resources in use", CALLS, Axis("%"), series, Mark("all of it", 100.0))


def _stages(steps: Sequence[Step]) -> Chart | None:
    shown = [step for step in steps if step.stages_ms]
    series = [
        Series(name, [(number, step.stages_ms.get(name, 0.0)) for number, step in enumerate(shown)])
        for name in STAGES
    ]
    if not shown:
        return None
    labels = [f"{step.calls:g}" for step in shown]
    return bars("Where the time of an answer went", labels, "calls", "mean ms", series)
