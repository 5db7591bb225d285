"""A plan as a picture: refused calls against traffic for more or fewer nodes, turns against calls."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.harness.svg import Axis, Chart, Mark, Series, lines, stacked
from benchmarks.planning.plan import Choice, Plan, Planner
from benchmarks.planning.prediction import Pool, predict

STEPS = 60
"""Points of each curve."""
FARTHEST_TRAFFIC = 2.0
"""Times the forecast."""
FARTHEST_CALLS = 1.25
"""Times the lines."""
HIGHEST_TURN = 2.0
"""Times the target."""
LEAST_PERCENT = 0.01


def chart(plan: Plan, planner: Planner) -> str:
    """Return the plan as an SVG document. It proposes something."""
    assert plan.proposed is not None
    title = f"{plan.forecast.busy_hour_calls:g} calls in the busy hour"
    return stacked(title, [_refused(plan, planner), _turns(plan, plan.proposed, planner)])


def _refused(plan: Plan, planner: Planner) -> Chart:
    forecast = plan.forecast
    farthest = forecast.busy_hour_calls * FARTHEST_TRAFFIC
    series = []
    for choice in plan.one_more:
        nodes = planner.nodes_of(choice)
        points = []
        for step in range(1, STEPS + 1):
            changed = replace(forecast, busy_hour_calls=farthest * step / STEPS)
            percent = predict(nodes, changed, plan.rules).refused_percent
            points.append((changed.busy_hour_calls, max(LEAST_PERCENT, percent)))
        series.append(Series(str(choice), points))
    return lines(
        "refused calls",
        Axis("calls in the busy hour"),
        Axis("%", is_log=True),
        series,
        Mark(f"target: {forecast.refused_percent:g} %", forecast.refused_percent),
        [Mark("forecast", forecast.busy_hour_calls)],
        has_markers=False,
    )


def _turns(plan: Plan, proposed: Choice, planner: Planner) -> Chart:
    """The turn's p95 of the nodes together, or of each type alone if they do not share."""
    prediction, target_ms = proposed.prediction, plan.forecast.turn_p95_ms
    present = [some for some in planner.nodes_of(proposed) if some.count]
    pools = {str(proposed): present}
    marks = [Mark("all lines busy", prediction.lines), Mark("on average", prediction.carried_erlangs)]
    if plan.rules.apart:
        pools, marks = {f"1 × {some.type.name}": [replace(some, count=1)] for some in present}, []
    series = []
    for name, nodes in pools.items():
        pool = Pool(nodes, plan.forecast.turns_per_minute)
        most = FARTHEST_CALLS * max(1, pool.calls_held() if plan.rules.apart else prediction.lines)
        points = [(most * step / STEPS, pool.turn_p95_ms(most * step / STEPS)) for step in range(STEPS + 1)]
        series.append(Series(name, [point for point in points if point[1] <= HIGHEST_TURN * target_ms]))
    target = Mark(f"target: {target_ms:g} ms", target_ms)
    return lines("turn p95", Axis("calls at once"), Axis("ms"), series, target, marks, has_markers=False)
