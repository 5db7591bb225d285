"""A plan as a picture: refused calls against traffic for some more or fewer nodes, and turns against calls.

An SVG of its own making: no plotting library on a server, and a browser shows it anywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape

from benchmarks.planning.plan import Choice, Plan, Planner
from benchmarks.planning.prediction import Pool, predict

WIDTH, PANEL_HEIGHT, MARGIN_LEFT, MARGIN_TOP, MARGIN_BOTTOM = 760, 330, 70, 46, 48
HEIGHT_OF_PANELS = 2 * PANEL_HEIGHT + 10
PLOT_WIDTH, PLOT_HEIGHT = WIDTH - MARGIN_LEFT - 24, PANEL_HEIGHT - MARGIN_TOP - MARGIN_BOTTOM
COLORS = ("#c0392b", "#1f6fb2", "#2e8b57", "#8a6d3b")
TRAFFIC_STEPS = 60
FARTHEST_TRAFFIC = 2.0
"""Times the forecast."""
LEAST_PERCENT = 0.01

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class _Axes:
    """A panel of the picture, and where its figures are on it."""

    top: int
    title: str
    across: str
    x_maximum: float
    y_ticks: tuple[float, ...]
    y_place: Callable[[float], float]
    """From a figure to its height in the panel, 0 to 1."""
    unit: str

    def x(self, value: float) -> float:
        return MARGIN_LEFT + PLOT_WIDTH * value / self.x_maximum

    def y(self, value: float) -> float:
        return self.top + MARGIN_TOP + PLOT_HEIGHT * (1.0 - self.y_place(value))

    def frame(self) -> Iterator[str]:
        bottom, right = self.top + MARGIN_TOP + PLOT_HEIGHT, MARGIN_LEFT + PLOT_WIDTH
        yield _text(MARGIN_LEFT, self.top + 18, self.title, "title")
        for tick in self.y_ticks:
            height = self.y(tick)
            yield f'<path class="grid" d="M{MARGIN_LEFT} {height:.1f}H{right}"/>'
            yield _text(MARGIN_LEFT - 6, height + 4, f"{tick:g}{self.unit}", "left")
        for tick in ticks(self.x_maximum):
            yield _text(self.x(tick), bottom + 16, f"{tick:g}", "middle")
        yield f'<path class="axis" d="M{MARGIN_LEFT} {self.top + MARGIN_TOP}V{bottom}H{right}"/>'
        yield _text(right, bottom + 34, self.across, "left")

    def curve(self, points: Sequence[Point], color: str) -> str:
        path = "L".join(f"{self.x(x):.1f} {self.y(y):.1f}" for x, y in points)
        return f'<path class="curve" stroke="{color}" d="M{path}"/>'

    def target(self, value: float, label: str) -> Iterator[str]:
        height = self.y(value)
        yield f'<path class="target" d="M{MARGIN_LEFT} {height:.1f}h{PLOT_WIDTH}"/>'
        yield _text(MARGIN_LEFT + 6, height - 5, label, "note")

    def mark(self, value: float, label: str) -> Iterator[str]:
        yield f'<path class="target" d="M{self.x(value):.1f} {self.top + MARGIN_TOP}v{PLOT_HEIGHT}"/>'
        yield _text(self.x(value) + 5, self.top + MARGIN_TOP + 12, label, "note")


def chart(plan: Plan, planner: Planner) -> str:
    """Return the plan as an SVG document. Raises ValueError for a plan that proposes nothing."""
    if plan.proposed is None:
        raise ValueError("a plan that proposes nothing has no picture")
    height = HEIGHT_OF_PANELS
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
            f'height="{height}" role="img">',
            f"<title>{escape(f'{plan.forecast.busy_hour_calls:g} calls in the busy hour')}</title>",
            "<style>text{font:12px sans-serif;fill:#333}.title{font-weight:bold;font-size:14px}"
            ".left{text-anchor:end}.middle{text-anchor:middle}.note{fill:#666}path{fill:none}"
            ".grid{stroke:#e3e3e3}.axis{stroke:#555}.curve{stroke-width:2}"
            ".target{stroke:#888;stroke-dasharray:5 4}</style>",
            f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
            *_refused_panel(plan, planner),
            *_turn_panel(plan, plan.proposed, planner),
            "</svg>",
            "",
        )
    )


def _refused_panel(plan: Plan, planner: Planner) -> Iterator[str]:
    forecast = plan.forecast
    farthest = forecast.busy_hour_calls * FARTHEST_TRAFFIC

    def place(percent: float) -> float:
        return math.log10(max(percent, LEAST_PERCENT) / LEAST_PERCENT) / math.log10(100.0 / LEAST_PERCENT)

    axes = _Axes(
        top=0,
        title="refused calls",
        across="calls in the busy hour",
        x_maximum=farthest,
        y_ticks=(0.01, 0.1, 1.0, 10.0, 100.0),
        y_place=place,
        unit=" %",
    )
    yield from axes.frame()
    yield from axes.target(forecast.refused_percent, f"target: {forecast.refused_percent:g} %")
    yield from axes.mark(forecast.busy_hour_calls, "forecast")
    for color, choice in zip(COLORS, plan.one_more, strict=False):
        nodes = planner.nodes_of(choice)
        points = []
        for step in range(1, TRAFFIC_STEPS + 1):
            calls = farthest * step / TRAFFIC_STEPS
            changed = replace(forecast, busy_hour_calls=calls)
            points.append((calls, predict(nodes, changed, plan.rules).refused_percent))
        yield axes.curve(points, color)
    for row, (color, choice) in enumerate(zip(COLORS, plan.one_more, strict=False), 1):
        height = MARGIN_TOP + 14 * row  # above the curves: few are refused where traffic is low
        yield f'<path stroke="{color}" stroke-width="3" d="M{MARGIN_LEFT + 10} {height - 4}h18"/>'
        yield _text(MARGIN_LEFT + 34, height, describe(choice), "note")


def _turn_panel(plan: Plan, proposed: Choice, planner: Planner) -> Iterator[str]:
    """The turn's p95 of the nodes together, or of each alone if they do not share."""
    lines = max(1, proposed.prediction.lines)
    target_ms = plan.forecast.turn_p95_ms
    present = [some for some in planner.nodes_of(proposed) if some.count]
    groups = [[replace(some, count=1)] for some in present] if plan.rules.apart else [present]
    curves = []
    for nodes in groups:
        pool = Pool(nodes, plan.forecast.turns_per_minute)
        scale = max(1, pool.calls_held()) if plan.rules.apart else lines
        every = [scale * 1.25 * step / TRAFFIC_STEPS for step in range(TRAFFIC_STEPS + 1)]
        curves.append([(calls, pool.turn_p95_ms(calls)) for calls in every])
    highest_ms = 2.0 * target_ms
    axes = _Axes(
        top=PANEL_HEIGHT,
        title="turn p95" + (", on one node" if plan.rules.apart else f", on {describe(proposed)}"),
        across="calls at once",
        x_maximum=max(curve[-1][0] for curve in curves),
        y_ticks=tuple(tick for tick in ticks(highest_ms) if tick <= highest_ms),
        y_place=lambda value: value / highest_ms,
        unit=" ms",
    )
    yield from axes.frame()
    yield from axes.target(target_ms, f"target: {target_ms:g} ms")
    if not plan.rules.apart:
        yield from axes.mark(lines, "all lines busy")
        yield from axes.mark(proposed.prediction.carried_erlangs, "on average")
    for color, curve in zip(COLORS[1:], curves, strict=False):
        inside = [point for point in curve if point[1] <= highest_ms]
        if inside:
            yield axes.curve(inside, color)


def describe(choice: Choice) -> str:
    """Return a set of nodes in words."""
    return " + ".join(f"{count} × {name}" for name, count in choice.nodes.items() if count) or "no node"


def ticks(maximum: float) -> list[float]:
    """Return four to ten round figures from 0 up to the maximum."""
    rough = maximum / 5.0
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1.0, 2.0, 2.5, 5.0, 10.0) if power * factor >= rough * 0.999)
    return [step * number for number in range(math.floor(maximum / step * 1.0001) + 1)]


def _text(x: float, y: float, words: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(words)}</text>'
