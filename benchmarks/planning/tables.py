"""A plan in tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console
from rich.table import Table

from benchmarks.capacity.result import CapacityResult
from benchmarks.planning.forecast import Forecast
from benchmarks.planning.node_type import NodeType
from benchmarks.planning.plan import Choice, Plan
from benchmarks.planning.prediction import Prediction

OUTCOME = ("lines", "refused %", "turn p95 ms: average", "all lines busy")
NOT_MET = "*"


def print_plan(
    console: Console,
    plan: Plan,
    types: Sequence[NodeType],
    results: Mapping[str, CapacityResult],
    notes: Sequence[str],
    are_priced: bool,
) -> None:
    """Print all of it. `are_priced`: prices are the user's, not the cores."""
    parts: list[str | Table] = [*_forecast(plan, types[0]), _types(types, results)]
    parts += _choices(plan, are_priced)
    if plan.proposed is not None:
        parts += [_proposed(plan.proposed), _one_more(plan), _what_if(plan), f"{NOT_MET} a target is missed"]
    parts += [f"problem: {each}" for each in plan.problems] + [f"note: {each}" for each in notes]
    parts += ["all of this assumes:", *(f"  - {each}" for each in plan.assumptions)]
    for part in parts:
        # A terminal may break a line of text; a file keeps it whole.
        console.print(part, markup=False, highlight=False, soft_wrap=isinstance(part, str))


def _forecast(plan: Plan, node_type: NodeType) -> Iterator[str]:
    forecast = plan.forecast
    talk_percent = 100.0 * node_type.talk_share * forecast.turns_per_minute / node_type.turns_per_minute
    yield (
        f"forecast: {forecast.busy_hour_calls:g} calls in the busy hour, {forecast.call_s:g} s each: "
        f"{plan.erlangs:.2f} erlangs; {forecast.turns_per_minute:.3g} turns a minute and call "
        f"(callers speak {talk_percent:.0f} % of the time)"
    )
    yield (
        f"targets: at most {forecast.refused_percent:g} % refused; "
        f"turn p95 at most {forecast.turn_p95_ms:g} ms, also with all lines busy"
    )
    sharing = "each node for itself" if plan.rules.apart else "nodes share calls and work"
    yield f"rules: {sharing}; {plan.rules.lines_percent:g} % of the calls held are for ordinary calls"


def _types(types: Sequence[NodeType], results: Mapping[str, CapacityResult]) -> Table:
    work = "work: slots × ms (variability)"
    table = Table("node type", "cores", "calls held", "limited by", work, "p95 ms")
    for each in types:
        result = results[each.name]
        p95_ms = result.confirmed.turn_p95_ms if result.confirmed else None
        services = "\n".join(
            f"{kind}: {service.slots} × {service.mean_ms:.0f} ({service.variability:.2f})"
            for kind, service in each.services.items()
        )
        figures = (str(each.cores), str(each.calls_held), result.limited_by, services or "not measured")
        table.add_row(each.name, *figures, _milliseconds(p95_ms))
    return table


def _choices(plan: Plan, are_priced: bool) -> Iterator[Table]:
    table = Table("nodes", "price" if are_priced else "cores", *OUTCOME)
    rows = [(f"today: {plan.today}", plan.today)] if plan.today is not None else []
    rows += [(str(choice), choice) for choice in (*plan.alone, *plan.mixes)]
    for name, choice in rows:
        cost = f"{choice.price:g}" if are_priced else str(choice.cores)
        table.add_row(name, cost, *_outcome(choice.prediction, plan.forecast), style=_style(choice, plan))
    if rows:
        yield table


def _proposed(proposed: Choice) -> str:
    prediction = proposed.prediction
    busy = ", ".join(f"{kind} {percent:.0f} %" for kind, percent in prediction.slot_percent.items())
    return (
        f"proposed: {proposed}: {prediction.carried_erlangs:.1f} calls at once on average, at most "
        f"{prediction.lines} (limited by {prediction.lines_limited_by})"
        + (f"; slots in use: {busy}" if busy else "")
    )


def _one_more(plan: Plan) -> Table:
    table = Table(f"{plan.varied}, more or less", *OUTCOME, "calls an hour within the target", "more")
    before: float | None = None
    for choice in plan.one_more:
        most = choice.busy_hour_calls
        more = "" if before is None else f"+{most - before:.0f}"
        cells = (*_outcome(choice.prediction, plan.forecast), f"{most:.0f}", more)
        table.add_row(str(choice), *cells, style=_style(choice, plan))
        before = most
    return table


def _what_if(plan: Plan) -> Table:
    table = Table("what if", f"{plan.varied} needed", f"{OUTCOME[1]}, as proposed", *OUTCOME[2:])
    for row in plan.what_if:
        needed = "no number" if row.nodes is None else str(row.nodes)
        table.add_row(row.change, needed, *_outcome(row.prediction, row.forecast)[1:])
    return table


def _outcome(prediction: Prediction, forecast: Forecast) -> tuple[str, str, str, str]:
    return (
        str(prediction.lines),
        _share(prediction.refused_percent) + ("" if prediction.meets(forecast) else NOT_MET),
        _milliseconds(prediction.turn_p95_ms),
        _milliseconds(prediction.full_turn_p95_ms),
    )


def _style(choice: Choice, plan: Plan) -> str | None:
    return "bold" if choice == plan.proposed else None


def _share(percent: float) -> str:
    """A share, so exact that small ones can be distinguished."""
    if percent < 0.001:
        return "< 0.001"
    return f"{percent:.3f}" if percent < 0.1 else f"{percent:.2f}" if percent < 10.0 else f"{percent:.1f}"


def _milliseconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"
