"""Charts: values at their places, odd values drawn, several in one document."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from benchmarks.harness.svg import WIDTH, Axis, Mark, Series, bars, lines, stacked

SVG = "{http://www.w3.org/2000/svg}"


def test_points_are_where_their_values_are() -> None:
    """Larger values are further up, later ones further right, all inside the picture."""
    chart = lines("t", Axis("x"), Axis("y"), [Series("a", [(1, 10), (2, 30), (4, 20)])], Mark("l", 40))
    (line,) = ElementTree.fromstring(str(chart)).findall(f"{SVG}polyline")
    places = [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
    (x1, y1), (x2, y2), (x3, y3) = places
    assert x1 < x2 < x3
    assert x3 - x2 == pytest.approx(2 * (x2 - x1), abs=0.2)
    assert y2 < y3 < y1
    assert y1 - y3 == pytest.approx(y3 - y2, abs=0.2)
    assert all(0 < x < WIDTH and 0 < y < chart.height for x, y in places)


def test_bars_are_stacked() -> None:
    """Each part stands on the one below it, as high as its value."""
    chart = bars("t", ["one"], "x", "y", [Series("a", [(0, 1)]), Series("b", [(0, 3)])])
    lower, upper = ElementTree.fromstring(str(chart)).findall(f"{SVG}rect")[1:3]
    low, high = ({name: float(part.attrib[name]) for name in ("y", "height")} for part in (lower, upper))
    assert high["y"] + high["height"] == pytest.approx(low["y"], abs=0.11)
    assert high["height"] == pytest.approx(3 * low["height"], abs=0.3)


@pytest.mark.parametrize("points", [[], [(0.0, 0.0)], [(1.0, 1e-9), (1.0, 1e-9)]])
@pytest.mark.parametrize("is_log", [False, True])
def test_odd_values_can_be_drawn(points: list[tuple[float, float]], is_log: bool) -> None:
    """No point, zeros, equal points: on plain and on logarithmic axes, one below the other."""
    chart = lines("t", Axis("x", is_log), Axis("y", is_log), [Series("a <&>", points)], marks=[Mark("m", 1)])
    root = ElementTree.fromstring(stacked("both", [chart, chart]))
    assert root.attrib["viewBox"] == f"0 0 {WIDTH} {2 * chart.height}"
