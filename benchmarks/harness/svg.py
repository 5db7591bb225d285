"""Line and bar charts as SVG text: enough for a report that loads nothing from anywhere.

Colours are Okabe and Ito's, which the colour-blind can tell apart, without the yellow, which is hard to see
on white; lines next to each other have markers of different shapes, and every point a title that browsers
show.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 480
"""Narrow, so that the words can be read on a telephone."""
LEFT, RIGHT, TOP, FLOOR = 58, WIDTH - 20, 44, 260
"""Where the plot's edges are; FLOOR is the x axis."""
KEY_TOP, KEY_COLUMNS, KEY_ROW = FLOOR + 58, 3, 18
"""The key is below the plot."""
LONG_NAME = 20
"""With a longer name than that the key has one column."""
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#404040", "#882255")
MARKERS = 3
SQUARE = 1
"""The marker that parts of bars have in the key."""
TICKS = 5
LEAST_LOG = 1e-5


@dataclass(frozen=True, slots=True)
class Series:
    """One line, or the same part of every bar."""

    name: str
    points: Sequence[tuple[float, float]]
    """x and y; with bars, x is the bar's number."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One side of a chart."""

    title: str
    is_log: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """A dashed line across the plot: a limit at a height, or something at a place along the x axis."""

    name: str
    at: float


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawn chart; as text it is an SVG document."""

    title: str
    parts: tuple[str, ...]
    height: int
    """In the units of `WIDTH`, the key included."""

    def __str__(self) -> str:
        return _document(self.title, "".join(self.parts), self.height)


def stacked(title: str, charts: Sequence[Chart]) -> str:
    """Return one SVG document with the charts below each other."""
    parts, top = "", 0
    for chart in charts:
        parts += f'<g transform="translate(0,{top})">{"".join(chart.parts)}</g>'
        top += chart.height
    return _document(title, parts, top)


def lines(
    title: str,
    x: Axis,
    y: Axis,
    series: Sequence[Series],
    limit: Mark | None = None,
    marks: Sequence[Mark] = (),
    has_markers: bool = True,
) -> Chart:
    """Draw lines; `limit` is a height that should not be passed, `marks` are places along the x axis."""
    xs = [point[0] for each in series for point in each.points]
    ys = [point[1] for each in series for point in each.points] + ([limit.at] if limit else [])
    across = _Scale(xs, (LEFT, RIGHT), x.is_log)
    up = _Scale(ys, (FLOOR, TOP), y.is_log)
    parts = [*_frame(title, x, y), *_y_ticks(up)]
    parts += [_text(across.at(tick), FLOOR + 18, f"{tick:g}", "middle") for tick in across.ticks()]
    for number, each in enumerate(series):
        colour = COLOURS[number % len(COLOURS)]
        places = [(across.at(at), up.at(value)) for at, value in each.points]
        path = " ".join(f"{left:.1f},{top:.1f}" for left, top in places)
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.8" points="{path}"/>')
        for (left, top), (at, value) in zip(places, each.points, strict=True) if has_markers else ():
            note = f"<title>{escape(each.name)}: {value:g} at {at:g}</title>"
            parts.append(_marker(number, left, top, colour, note))
    if limit:
        top = up.at(limit.at)
        parts += [_dashed(f"M{LEFT} {top:.1f}H{RIGHT}"), _note(LEFT + 4, top - 4, limit.name)]
    for row, mark in enumerate(marks):
        left = across.at(mark.at)
        parts += [_dashed(f"M{left:.1f} {TOP}V{FLOOR}"), _note(left + 4, TOP + 12 + 14 * row, mark.name)]
    return _with_key(title, parts, series)


def bars(title: str, labels: Sequence[str], x: str, y: str, series: Sequence[Series]) -> Chart:
    """Draw stacked bars, one for each label, the first series lowest."""
    totals = [sum(dict(each.points).get(bar, 0.0) for each in series) for bar in range(len(labels))]
    up = _Scale(totals, (FLOOR, TOP), is_log=False)
    parts = [*_frame(title, Axis(x), Axis(y)), *_y_ticks(up)]
    room = (RIGHT - LEFT) / max(1, len(labels))
    for bar, label in enumerate(labels):
        left = LEFT + room * bar + room * 0.15
        below = 0.0
        for number, each in enumerate(series):
            value = dict(each.points).get(bar, 0.0)
            top, base = up.at(below + value), up.at(below)
            parts.append(
                f'<rect x="{left:.1f}" y="{top:.1f}" width="{room * 0.7:.1f}" height="{base - top:.1f}" '
                f'fill="{COLOURS[number % len(COLOURS)]}">'
                f"<title>{escape(each.name)}: {value:.3g} at {escape(label)}</title></rect>"
            )
            below += value
        parts.append(_text(left + room * 0.35, FLOOR + 18, label, "middle"))
    return _with_key(title, parts, series, is_bar=True)


class _Scale:
    """Values to pixels."""

    def __init__(self, values: Sequence[float], pixels: tuple[float, float], is_log: bool) -> None:
        self._is_log = is_log
        self._pixels = pixels
        if is_log:
            shown = [max(value, LEAST_LOG) for value in values] or [1.0]
            self._low = float(math.floor(math.log10(min(shown))))
            self._high = max(float(math.ceil(math.log10(max(shown)))), self._low + 1)
        else:
            most = max([*values, 1e-9])
            self._step = _round_step(most / TICKS)
            self._low, self._high = 0.0, self._step * max(1, math.ceil(most / self._step))

    def at(self, value: float) -> float:
        """Return where a value is drawn."""
        shown = math.log10(max(value, 10.0**self._low)) if self._is_log else value
        share = (shown - self._low) / (self._high - self._low)
        return self._pixels[0] + share * (self._pixels[1] - self._pixels[0])

    def ticks(self) -> list[float]:
        """Return the values that are written at the axis."""
        if self._is_log:
            return [10.0**power for power in range(int(self._low), int(self._high) + 1)]
        return [self._step * number for number in range(round(self._high / self._step) + 1)]


def _round_step(rough: float) -> float:
    """Return the least of 1, 2, 5, 10 … that is no less than `rough`."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * digit for digit in (1, 2, 5, 10) if power * digit >= rough * (1 - 1e-9))


def _frame(title: str, x: Axis, y: Axis) -> list[str]:
    return [
        f'<text x="{LEFT}" y="18" font-weight="bold" font-size="14">{escape(title)}</text>',
        _text((LEFT + RIGHT) / 2, FLOOR + 38, x.title, "middle"),
        f'<text transform="translate(14,{(TOP + FLOOR) / 2:.0f}) rotate(-90)" '
        f'text-anchor="middle">{escape(y.title)}</text>',
        f'<path d="M{LEFT} {FLOOR}H{RIGHT}" stroke="#888"/>',
    ]


def _y_ticks(scale: _Scale) -> list[str]:
    parts = []
    for tick in scale.ticks():
        top = scale.at(tick)
        parts.append(f'<line x1="{LEFT}" x2="{RIGHT}" y1="{top:.1f}" y2="{top:.1f}" stroke="#e4e4e4"/>')
        parts.append(_text(LEFT - 6, top + 4, f"{tick:g}", "end"))
    return parts


def _with_key(title: str, parts: list[str], series: Sequence[Series], is_bar: bool = False) -> Chart:
    columns = KEY_COLUMNS if all(len(each.name) <= LONG_NAME for each in series) else 1
    for number, each in enumerate(series):
        row, column = divmod(number, columns)
        left, top = LEFT + (WIDTH - LEFT) / columns * column, KEY_TOP + KEY_ROW * row
        shape = SQUARE if is_bar else number
        parts.append(_marker(shape, left, top, COLOURS[number % len(COLOURS)], ""))
        parts.append(_text(left + 12, top + 4, each.name, "start"))
    return Chart(title, tuple(parts), KEY_TOP + KEY_ROW * math.ceil(len(series) / columns) - 4)


def _marker(number: int, left: float, top: float, colour: str, inside: str) -> str:
    """Return one of three shapes."""
    if number % MARKERS == 0:
        return f'<circle cx="{left:.1f}" cy="{top:.1f}" r="4" fill="{colour}">{inside}</circle>'
    if number % MARKERS == SQUARE:
        corner = f'x="{left - 3.5:.1f}" y="{top - 3.5:.1f}"'
        return f'<rect {corner} width="7" height="7" fill="{colour}">{inside}</rect>'
    points = f"{left:.1f},{top - 4.5:.1f} {left - 4.5:.1f},{top + 3.5:.1f} {left + 4.5:.1f},{top + 3.5:.1f}"
    return f'<polygon points="{points}" fill="{colour}">{inside}</polygon>'


def _dashed(path: str) -> str:
    return f'<path d="{path}" fill="none" stroke="#D55E00" stroke-dasharray="5 4"/>'


def _note(left: float, top: float, words: str) -> str:
    """Return words with a white edge, which keeps them readable where a line runs through them."""
    edge = 'stroke="#fff" stroke-width="3" paint-order="stroke"'
    return f'<text x="{left:.1f}" y="{top:.1f}" {edge}>{escape(words)}</text>'


def _text(left: float, top: float, text: str, anchor: str) -> str:
    return f'<text x="{left:.1f}" y="{top:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _document(title: str, inside: str, height: int) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(title)}" font-family="sans-serif" font-size="12" fill="#222">'
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>{inside}</svg>\n'
    )
