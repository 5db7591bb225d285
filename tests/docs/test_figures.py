"""The headline figures that pages quote are those of the results that they link to."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.catalogue import BENCHMARKS
from benchmarks.planning.erlang import erlangs_for

ROOT = Path(__file__).parents[2]
FIGURES = {f"{it.name}: {figure.name}": figure.read for it in BENCHMARKS for figure in it.figures}


def of_catalogue(*names: str) -> Callable[[Any], list[float | None]]:
    """Return what takes figures by their names in the catalogue out of a result."""
    return lambda it: [FIGURES[name](it) for name in names]


def of_server(name: str, calls: int, *keys: str) -> Callable[[Any], list[float]]:
    """Return what takes figures of one server out of a result of `benchmarks.pacing`."""
    return lambda it: next(
        [row[key] for key in keys] for row in it["results"] if (row["server"], row["calls"]) == (name, calls)
    )


def of_demo(it: Any) -> list[float]:
    """Return when the answer began, in seconds, and the call's greatest lateness."""
    return [it["call"]["turns"][-1]["first_answer_ms"] / 1_000, it["call"]["quality"]["lateness_max_ms"]]


STT = of_catalogue("stt: speed against stock", "stt: utterances a second", "stt: word error rate")
COST = of_catalogue("pacing: CPU against a C loop, 400 calls", "pacing: memory per call, 400 calls")
DOOR = ("door: memory of Serve at rest", "door: CPU of Serve at rest")
CAPACITY = of_catalogue("capacity: calls held", "capacity: core-seconds for a call's minute")
SPOKEN = of_catalogue(
    "conversation: voice to voice p50, one call", "conversation: voice to voice p95, one call"
)
COMPARED = of_catalogue("compare: calls held", "compare: held against the seed's answered")
QUOTED: tuple[tuple[str, str, tuple[str, ...], Callable[[Any], list[Any]]], ...] = (
    ("README.md", "demo", ("{:.2f} s", "max {:.1f} ms"), of_demo),
    ("README.md", "conversation", ("p50 {:.0f} ms", "p95 {:.0f} ms"), SPOKEN),
    ("README.md", "compare", ("{:g} calls held",), COMPARED),
    ("README.md", "capacity", ("{:g} calls", "{:.2f} core-seconds"), CAPACITY),
    ("README.md", "pacing", ("", "{:.0f} KB a call"), COST),
    ("README.md", "pacing", ("PESQ {:.1f}",), of_server("asyncio sleeps", 400, "pesq_nb")),
    ("README.md", "stt", ("{:.1f} times", "{:.2f} against", "{:.2f} % word errors"), STT),
    ("docs/api.md", "door", ("take {:.0f} MB", "{:.1f} % of a core at rest"), of_catalogue(*DOOR)),
    ("docs/performance.md", "pacing", ("{:.2f}x", "{:.0f} KB"), COST),
    ("docs/performance.md", "compare", ("raymal held {:g} calls", "{:.1f} times"), COMPARED),
    ("docs/performance.md", "capacity", ("**{:g} calls held**", "{:.2f} core-seconds"), CAPACITY),
    ("docs/performance.md", "throttle", ("rated {:.2f}",), of_server("asyncio throttled", 400, "pesq_nb")),
)
"""A page, the result, words with the figures in them, and where the figures come from."""


@pytest.mark.parametrize(("page", "result", "words", "figures"), QUOTED)
def test_headlines_are_those_of_the_result(
    page: str, result: str, words: tuple[str, ...], figures: Callable[[Any], list[Any]]
) -> None:
    """Rounded to the digits that the page shows; the page links to the result."""
    text = " ".join((ROOT / page).read_text().split())
    assert f"benchmarks/results/{result}.json" in text
    values = json.loads((ROOT / "benchmarks" / "results" / f"{result}.json").read_text())
    for each, value in zip(words, figures(values), strict=False):
        assert each.format(value) in text, f"{page} does not say {each.format(value)!r}"


def test_erlangs_table_is_the_formula() -> None:
    """The one that docs/planning.md quotes, to the last digit."""
    page = (ROOT / "docs" / "planning.md").read_text()
    rows = re.findall(r"^\| (\d+) \| ([\d.]+) \| ([\d.]+) \|$", page, re.MULTILINE)
    assert len(rows) == 6
    for lines, *quoted in rows:
        assert quoted == [f"{erlangs_for(int(lines), share):.2f}" for share in (0.01, 0.001)]
