"""The plan: how many nodes, of which type, and how the answer moves when the forecast is wrong.

More nodes of one type never refuse more and never wait longer, so the fewest that will do are found by
doubling and halving. Of several types each is tried alone, then every pair, and the cheapest is proposed: by
price if prices are known, else by cores.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from benchmarks.planning.forecast import Forecast
from benchmarks.planning.node_type import NodeType
from benchmarks.planning.prediction import Nodes, Prediction, Rules, busy_hour_calls, predict

MIX_STEPS = 40
"""Of each pair of types, so many counts of the first are tried."""

SHOWN_MIXES = 5

TRAFFIC_FACTORS = (0.5, 0.75, 1.25, 1.5, 2.0)
OTHER_FACTORS = (0.5, 2.0)
REFUSED_PERCENTS = (0.1, 1.0, 5.0)
TURN_P95_FACTORS = (0.75, 1.25)

ASSUMPTIONS = (
    "calls come at random and independently (Poisson) at the busy hour's mean rate; a campaign or a reminder "
    "that lets many call at once is not such traffic",
    "a refused caller does not call again within the hour",
    "callers say something as long as the measured ones did, at random instants, independently of each other",
    "nodes are like the measured machine: same processor, models and settings, no other load; together they "
    "hold what each held alone",
    "no node holds more calls than were measured, even if callers say less than the measured ones",
)
"""What every figure of a plan rests on."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A set of nodes with what it does. `nodes` has those that are there already, too."""

    nodes: dict[str, int]
    cores: int
    price: float
    """Of all of them."""
    prediction: Prediction
    busy_hour_calls: float
    """The most calls of which no more than the target would be refused."""

    def __str__(self) -> str:
        return " + ".join(f"{count} × {name}" for name, count in self.nodes.items() if count) or "no node"


@dataclass(frozen=True, slots=True)
class Row:
    """Another forecast than the given one."""

    change: str
    forecast: Forecast
    nodes: int | None
    """Of the proposed choice's last type, that would be needed; None: no number of them will do."""
    prediction: Prediction
    """With the proposed nodes as they are."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The answer. `proposed` is None when the targets cannot be met, for the reasons in `problems`."""

    forecast: Forecast
    rules: Rules
    erlangs: float
    today: Choice | None
    """With the nodes that are there already, if any."""
    alone: tuple[Choice, ...]
    """The fewest nodes of each type that will do (with those that are there)."""
    mixes: tuple[Choice, ...]
    """The cheapest pairs that will do, of which no node can be left out."""
    proposed: Choice | None
    varied: str
    """The type of which there are more or fewer in what follows."""
    one_more: tuple[Choice, ...]
    """The proposal less one, itself, and one and two more."""
    what_if: tuple[Row, ...]
    problems: tuple[str, ...]
    assumptions: tuple[str, ...] = ASSUMPTIONS


@dataclass(frozen=True, slots=True)
class Planner:
    """Looks for plans among the same nodes under the same rules."""

    types: Sequence[NodeType]
    rules: Rules
    present: Sequence[Nodes] = ()
    """There already."""
    spare: int = 0
    """Nodes that are added to what is needed, of the type that is varied."""
    at_most: int = 1000
    """Nodes of a type to be added."""

    def plan(self, forecast: Forecast) -> Plan:
        """Answer for one forecast."""
        alone = {}
        problems = []
        for node_type in self.types:
            added = self.needed(node_type, forecast)
            if added is None:
                problems.append(self._why_not(node_type, forecast))
            else:
                alone[node_type.name] = added
        choices = [
            (node_type, self._choice({node_type.name: alone[node_type.name] + self.spare}, forecast))
            for node_type in self.types
            if node_type.name in alone
        ]
        mixes = [] if self.spare else list(self._mixes(alone, forecast))
        candidates = choices + mixes
        best = min(candidates, key=lambda pair: (pair[1].price, pair[1].cores), default=None)
        varied, proposed = best or (self.types[0], None)
        return Plan(
            forecast=forecast,
            rules=self.rules,
            erlangs=forecast.erlangs,
            today=self._choice({}, forecast) if self.present else None,
            alone=tuple(choice for _, choice in choices),
            mixes=tuple(choice for _, choice in sorted(mixes, key=lambda pair: pair[1].price)[:SHOWN_MIXES]),
            proposed=proposed,
            varied=varied.name,
            one_more=tuple(self._one_more(varied, proposed, forecast)) if proposed else (),
            what_if=tuple(self._what_if(varied, proposed, forecast)) if proposed else (),
            problems=tuple(problems),
        )

    def nodes_of(self, choice: Choice) -> list[Nodes]:
        """Return a choice as nodes."""
        return [Nodes(self._type(name), count) for name, count in choice.nodes.items()]

    def needed(self, node_type: NodeType, forecast: Forecast, others: Sequence[Nodes] = ()) -> int | None:
        """Return the fewest nodes of a type that will do beside those present and `others`.

        None if even `at_most` of them do not.
        """

        def will_do(count: int) -> bool:
            nodes = [*self.present, *others, Nodes(node_type, count)]
            return predict(nodes, forecast, self.rules).meets(forecast)

        too_few, enough = -1, 0
        while not will_do(enough):
            if enough >= self.at_most:
                return None
            too_few, enough = enough, min(self.at_most, max(1, 2 * enough))
        between = range(too_few + 1, enough)
        return between.start + bisect_left(between, True, key=will_do)

    def _mixes(self, alone: dict[str, int], forecast: Forecast) -> Iterator[tuple[NodeType, Choice]]:
        for index, first in enumerate(self.types):
            for second in self.types[index + 1 :]:
                if first.name in alone and second.name in alone:
                    yield from self._pairs(first, second, alone, forecast)

    def _pairs(
        self, first: NodeType, second: NodeType, alone: dict[str, int], forecast: Forecast
    ) -> Iterator[tuple[NodeType, Choice]]:
        fewest, last = alone[first.name], alone[second.name]
        for count in range(1, fewest, max(1, fewest // MIX_STEPS)):
            added = self.needed(second, forecast, [Nodes(first, count)])
            if added and added != last:  # as many as with fewer of the first: one of those can be left out
                last = added
                yield second, self._choice({first.name: count, second.name: added}, forecast)

    def _one_more(self, varied: NodeType, proposed: Choice, forecast: Forecast) -> Iterator[Choice]:
        for more in (-1, 0, 1, 2):
            counts = proposed.nodes | {varied.name: proposed.nodes.get(varied.name, 0) + more}
            if counts[varied.name] >= 0 and any(counts.values()):
                yield self._choice_of(counts, forecast)

    def _what_if(self, varied: NodeType, proposed: Choice, forecast: Forecast) -> Iterator[Row]:
        others = [some for some in self.nodes_of(proposed) if some.type is not varied]
        planner = replace(self, present=others)
        for change, changed in variations(forecast):
            needed = planner.needed(varied, changed)
            yield Row(
                change=change,
                forecast=changed,
                nodes=None if needed is None else needed + self.spare,
                prediction=predict(self.nodes_of(proposed), changed, self.rules),
            )

    def _choice(self, added: dict[str, int], forecast: Forecast) -> Choice:
        counts = {some.type.name: some.count for some in self.present}
        for name, count in added.items():
            counts[name] = counts.get(name, 0) + count
        return self._choice_of(counts, forecast)

    def _choice_of(self, counts: dict[str, int], forecast: Forecast) -> Choice:
        nodes = [Nodes(self._type(name), count) for name, count in counts.items()]
        return Choice(
            nodes=counts,
            cores=sum(some.count * some.type.cores for some in nodes),
            price=sum(some.count * some.type.price for some in nodes),
            prediction=predict(nodes, forecast, self.rules),
            busy_hour_calls=busy_hour_calls(nodes, forecast, self.rules),
        )

    def _type(self, name: str) -> NodeType:
        return next(node_type for node_type in self.types if node_type.name == name)

    def _why_not(self, node_type: NodeType, forecast: Forecast) -> str:
        rest_ms = max(node_type.quiet_p95_ms, node_type.unwaited_p95_ms)
        if rest_ms > forecast.turn_p95_ms:
            return (
                f"no number of {node_type.name} brings the turn's p95 to {forecast.turn_p95_ms:.0f} ms: "
                f"{rest_ms:.0f} ms of it are not waiting for a slot (a smaller model, faster cores or a "
                "higher target would help)"
            )
        prediction = predict([*self.present, Nodes(node_type, self.at_most)], forecast, self.rules)
        return (
            f"{self.at_most} more {node_type.name} do not do: {prediction.lines} lines "
            f"({prediction.lines_limited_by}) for {forecast.erlangs:.1f} erlangs, "
            f"{prediction.refused_percent:.1f} % refused"
        )


def variations(forecast: Forecast) -> Iterator[tuple[str, Forecast]]:
    """Yield other forecasts, and what is different in each."""
    for factor in TRAFFIC_FACTORS:
        calls = forecast.busy_hour_calls * factor
        yield f"traffic ×{factor:g}", replace(forecast, busy_hour_calls=calls)
    for factor in OTHER_FACTORS:
        yield f"duration ×{factor:g}", replace(forecast, call_s=forecast.call_s * factor)
    for factor in OTHER_FACTORS:
        turns = forecast.turns_per_minute * factor
        yield f"turns per minute ×{factor:g}", replace(forecast, turns_per_minute=turns)
    for percent in REFUSED_PERCENTS:
        if percent != forecast.refused_percent:
            yield f"refused at most {percent:g} %", replace(forecast, refused_percent=percent)
    for factor in TURN_P95_FACTORS:
        target_ms = forecast.turn_p95_ms * factor
        yield f"turn p95 at most {target_ms:.0f} ms", replace(forecast, turn_p95_ms=target_ms)
