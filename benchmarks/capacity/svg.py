"""Line and bar charts as SVG text: enough for a report that loads nothing from anywhere.

Colours are Okabe and Ito's, which the colour-blind tell apart, but for yellow, which white swallows; lines
next to each other have markers of different shapes, and every point a title that browsers show.
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
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#404040", "#882255")
TICKS = 5
LEAST_LOG = 1e-5
SQUARE = 1
"""The marker that parts of bars have in the key."""


@dataclass(frozen=True, slots=True)
class Series:
    """One line, or the same part of every bar."""

    name: str
    points: Sequence[tuple[float, float]]
    """x and y; with bars, x is the bar's number."""


@dataclass(frozen=True, slots=True)
class Axis:
    """What is written along one side."""

    title: str
    is_log: bool = False


@dataclass(frozen=True, slots=True)
class Limit:
    """A horizontal line that should not be passed."""

    name: str
    at: float


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
            step = _round_step(max([*values, 1e-9]) / TICKS)
            self._low, self._high = 0.0, step * max(1, math.ceil(max([*values, 1e-9]) / step))
            self._step = step

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


def lines(title: str, x: Axis, y: Axis, series: Sequence[Series], limit: Limit | None = None) -> str:
    """Return a line chart."""
    xs = [point[0] for each in series for point in each.points]
    ys = [point[1] for each in series for point in each.points] + ([limit.at] if limit else [])
    across = _Scale(xs, (LEFT, RIGHT), x.is_log)
    up = _Scale(ys, (FLOOR, TOP), y.is_log)
    parts = [*_frame(title, x, y), *_x_ticks(across), *_y_ticks(up)]
    for number, each in enumerate(series):
        colour = COLOURS[number % len(COLOURS)]
        places = [(across.at(at), up.at(value)) for at, value in each.points]
        path = " ".join(f"{left:.1f},{top:.1f}" for left, top in places)
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.8" points="{path}"/>')
        for (left, top), (at, value) in zip(places, each.points, strict=True):
            note = f"<title>{escape(each.name)}: {value:g} at {at:g}</title>"
            parts.append(_marker(number, left, top, colour, note))
        parts.append(_key(number, each.name, colour))
    if limit:
        parts += _limit(limit, up)
    return _whole(title, parts, len(series))


def bars(title: str, labels: Sequence[str], x: str, y: str, series: Sequence[Series]) -> str:
    """Return stacked bars, one for each label, the first series lowest."""
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
    for number, each in enumerate(series):
        parts.append(_key(number, each.name, COLOURS[number % len(COLOURS)], is_bar=True))
    return _whole(title, parts, len(series))


def _round_step(rough: float) -> float:
    """Return the least of 1, 2, 5, 10 … that is no less than `rough`."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * digit for digit in (1, 2, 5, 10) if power * digit >= rough * (1 - 1e-9))


def _frame(title: str, x: Axis, y: Axis) -> list[str]:
    middle = (LEFT + RIGHT) / 2
    return [
        f'<text x="{LEFT}" y="18" font-weight="bold" font-size="14">{escape(title)}</text>',
        _text(middle, FLOOR + 38, x.title, "middle"),
        f'<text transform="translate(14,{(TOP + FLOOR) / 2:.0f}) rotate(-90)" '
        f'text-anchor="middle">{escape(y.title)}</text>',
        f'<path d="M{LEFT} {FLOOR}H{RIGHT}" stroke="#888"/>',
    ]


def _x_ticks(scale: _Scale) -> list[str]:
    return [_text(scale.at(tick), FLOOR + 18, f"{tick:g}", "middle") for tick in scale.ticks()]


def _y_ticks(scale: _Scale) -> list[str]:
    parts = []
    for tick in scale.ticks():
        top = scale.at(tick)
        parts.append(f'<line x1="{LEFT}" x2="{RIGHT}" y1="{top:.1f}" y2="{top:.1f}" stroke="#e4e4e4"/>')
        parts.append(_text(LEFT - 6, top + 4, f"{tick:g}", "end"))
    return parts


def _limit(limit: Limit, up: _Scale) -> list[str]:
    top = up.at(limit.at)
    return [
        f'<line x1="{LEFT}" x2="{RIGHT}" y1="{top:.1f}" y2="{top:.1f}" stroke="#D55E00" '
        'stroke-dasharray="5 4"/>',
        # A white edge keeps the words readable where a line runs through them.
        f'<text x="{LEFT + 4}" y="{top - 4:.1f}" stroke="#fff" stroke-width="3" paint-order="stroke">'
        f"{escape(limit.name)}</text>",
    ]


def _key(number: int, name: str, colour: str, is_bar: bool = False) -> str:
    row, column = divmod(number, KEY_COLUMNS)
    top = KEY_TOP + KEY_ROW * row
    left = LEFT + (WIDTH - LEFT) / KEY_COLUMNS * column
    shape = SQUARE if is_bar else number
    return _marker(shape, left, top, colour, "") + _text(left + 12, top + 4, name, "start")


def _marker(number: int, left: float, top: float, colour: str, inside: str) -> str:
    """Return one of three shapes."""
    if number % 3 == 0:
        return f'<circle cx="{left:.1f}" cy="{top:.1f}" r="4" fill="{colour}">{inside}</circle>'
    if number % 3 == SQUARE:
        corner = f'x="{left - 3.5:.1f}" y="{top - 3.5:.1f}"'
        return f'<rect {corner} width="7" height="7" fill="{colour}">{inside}</rect>'
    points = f"{left:.1f},{top - 4.5:.1f} {left - 4.5:.1f},{top + 3.5:.1f} {left + 4.5:.1f},{top + 3.5:.1f}"
    return f'<polygon points="{points}" fill="{colour}">{inside}</polygon>'


def _text(left: float, top: float, text: str, anchor: str) -> str:
    return f'<text x="{left:.1f}" y="{top:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _whole(title: str, parts: Sequence[str], names: int) -> str:
    height = KEY_TOP + KEY_ROW * math.ceil(names / KEY_COLUMNS) - 4
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(title)}" font-family="sans-serif" font-size="12" fill="#222">'
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>{"".join(parts)}</svg>'
    )
