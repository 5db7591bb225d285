"""A plan in tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from benchmarks.capacity.result import CapacityResult
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
    _print_forecast(console, plan, types[0])
    _print_types(console, types, results)
    _print_choices(console, plan, are_priced)
    if plan.proposed is not None:
        _print_proposed(console, plan, plan.proposed)
        _print_one_more(console, plan)
        _print_what_if(console, plan)
    for problem in plan.problems:
        _line(console, f"problem: {problem}")
    for note in notes:
        _line(console, f"note: {note}")
    _line(console, "all of this assumes:")
    for assumption in plan.assumptions:
        _line(console, f"  - {assumption}")


def _print_forecast(console: Console, plan: Plan, node_type: NodeType) -> None:
    forecast = plan.forecast
    talk_percent = 100.0 * node_type.talk_share * forecast.turns_per_minute / node_type.turns_per_minute
    _line(
        console,
        f"forecast: {forecast.busy_hour_calls:g} calls in the busy hour, {forecast.call_s:g} s each: "
        f"{plan.erlangs:.2f} erlangs; {forecast.turns_per_minute:.3g} turns a minute and call "
        f"(callers speak {talk_percent:.0f} % of the time)",
    )
    _line(
        console,
        f"targets: at most {forecast.refused_percent:g} % refused; "
        f"turn p95 at most {forecast.turn_p95_ms:g} ms, also with all lines busy",
    )
    sharing = "each node for itself" if plan.rules.apart else "nodes share calls and work"
    _line(
        console, f"rules: {sharing}; {plan.rules.lines_percent:g} % of the calls held are for ordinary calls"
    )


def _print_types(console: Console, types: Sequence[NodeType], results: Mapping[str, CapacityResult]) -> None:
    table = Table(
        "node type", "cores", "calls held", "limited by", "work: slots × ms (variability)", "p95 ms"
    )
    for node_type in types:
        work = "\n".join(
            f"{kind}: {service.slots} × {service.mean_ms:.0f} ({service.variability:.2f})"
            for kind, service in node_type.services.items()
        )
        result = results[node_type.name]
        p95_ms = result.confirmed.turn_p95_ms if result.confirmed else None
        table.add_row(
            node_type.name,
            str(node_type.cores),
            str(node_type.calls_held),
            result.limited_by,
            work or "not measured",
            _milliseconds(p95_ms),
        )
    console.print(table)


def _print_choices(console: Console, plan: Plan, are_priced: bool) -> None:
    table = Table("nodes", "price" if are_priced else "cores", *OUTCOME)
    rows = [("today: ", plan.today)] if plan.today is not None else []
    rows += [("", choice) for choice in (*plan.alone, *plan.mixes)]
    for before, choice in rows:
        cost = f"{choice.price:g}" if are_priced else str(choice.cores)
        name = f"{before}{choice}"
        table.add_row(name, cost, *_outcome(choice.prediction, plan), style=_style(choice, plan))
    if rows:
        console.print(table)


def _print_proposed(console: Console, plan: Plan, proposed: Choice) -> None:
    prediction = proposed.prediction
    busy = ", ".join(f"{kind} {percent:.0f} %" for kind, percent in prediction.slot_percent.items())
    _line(
        console,
        f"proposed: {proposed}: {prediction.carried_erlangs:.1f} calls at once on average, at most "
        f"{prediction.lines} (limited by {prediction.lines_limited_by})"
        + (f"; slots in use: {busy}" if busy else ""),
    )


def _print_one_more(console: Console, plan: Plan) -> None:
    table = Table(f"{plan.varied}, more or less", *OUTCOME, "calls an hour within the target", "more")
    before: float | None = None
    for choice in plan.one_more:
        most = choice.busy_hour_calls
        more = "" if before is None else f"+{most - before:.0f}"
        cells = (*_outcome(choice.prediction, plan), f"{most:.0f}", more)
        table.add_row(str(choice), *cells, style=_style(choice, plan))
        before = most
    console.print(table)


def _print_what_if(console: Console, plan: Plan) -> None:
    table = Table(
        "what if", f"{plan.varied} needed", *(f"{name}, as proposed" for name in OUTCOME[1:2]), *OUTCOME[2:]
    )
    for row in plan.what_if:
        prediction = row.prediction
        mark = "" if prediction.meets(row.forecast) else NOT_MET
        table.add_row(
            row.change,
            "no number" if row.nodes is None else str(row.nodes),
            f"{_share(prediction.refused_percent)}{mark}",
            _milliseconds(prediction.turn_p95_ms),
            _milliseconds(prediction.full_turn_p95_ms),
        )
    console.print(table)
    _line(console, f"{NOT_MET} a target is missed")


def _outcome(prediction: Prediction, plan: Plan) -> tuple[str, str, str, str]:
    mark = "" if prediction.meets(plan.forecast) else NOT_MET
    return (
        str(prediction.lines),
        f"{_share(prediction.refused_percent)}{mark}",
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


def _line(console: Console, words: str) -> None:
    """Print a line, which the terminal may break: a file keeps it whole."""
    console.print(words, markup=False, highlight=False, soft_wrap=True)
