"""The result as a page, as Markdown, as CSV, as JSON and as a configuration."""

from __future__ import annotations

import csv
import io
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.capacity.limits import limits_toml
from benchmarks.capacity.plots import plots
from benchmarks.capacity.report import html, markdown, steps_csv, write_report
from benchmarks.capacity.result import CapacityResult, Machine, Objectives, Service, Step, Workload
from benchmarks.capacity.svg import Axis, Limit, Series, bars, lines
from ingress.configuration.loading import load_settings
from ingress.link.records import LatenessSummary

SVG = "{http://www.w3.org/2000/svg}"
VOID = {"meta", "br", "hr", "img", "input", "link"}


def a_step(calls: int, **changes: object) -> Step:
    """Return a step."""
    fields: dict[str, object] = {
        "calls": calls, "seconds": 30.0, "turns": calls * 2, "turn_p50_ms": 600.0 + calls,
        "turn_p95_ms": 800.0 + 20 * calls, "turn_p99_ms": 900.0 + 30 * calls,
        "stages_ms": {"endpoint wait": 500.0, "transcription": 40.0, "synthesis": 60.0},
        "lateness": LatenessSummary(frames=1_000, p50_ms=1.0, p99_ms=4.0, p999_ms=8.0, maximum_ms=9.0),
        "underruns": 0, "offered_calls": calls * 2, "refused_calls": 0, "content_errors": 0,
        "cores": {"media": 0.1, "workers": 0.8, "machine": 1.0}, "slot_percent": {"transcription": 20.0},
        "memory_bytes": 1, "calls_mean": calls - 0.5, "late_shares": ((0.5, 0.5), (5.0, 0.01), (50.0, 0.0)),
        "utilisation_percent": {"machine CPU": 50.0, "media CPU": 10.0}, "broken": (), "invalid": (),
    }  # fmt: skip
    return Step.model_validate(fields | changes)


def a_result(**changes: object) -> CapacityResult:
    """Return what a measurement may have found."""
    held = a_step(36)
    fields: dict[str, object] = {
        "taken_at": "2026-01-02T03:04:05+00:00", "raymal": "1.0 (abc)", "seed": 1,
        "command": "raymal capacity <&>",
        "machine": Machine(name="Linux", processor="A|B", cores=2, memory_bytes=2**33, python="Python 3"),
        "models": {"transcription": "whisper", "synthesis": "hibari"},
        "workload": Workload(speech="synthesised", language="en", utterance_s=3, period_s=12, call_s=60),
        "objectives": Objectives(),
        "steps": (a_step(4), a_step(64, broken=("turn p95 2000 ms, at most 1500",)), held),
        "confirmed": held, "overload": (a_step(54, refused_calls=20),), "calls_held": 36,
        "limited_by": "machine CPU, most of it workers", "headroom_percent": {"machine CPU": 20.0},
        "core_s_per_call_minute": 2.5, "next_limit": "media CPU, used up at about 400 calls",
        "services": {
            "transcription": Service(slots=2, mean_ms=200.0, variability=0.3, per_call_minute=5.0),
            "synthesis": Service(slots=3, mean_ms=90.0, variability=0.2, per_call_minute=5.0),
        },
    }  # fmt: skip
    return CapacityResult.model_validate(fields | changes)


NOTHING_HELD = a_result(
    steps=(
        a_step(1, turn_p50_ms=None, turn_p95_ms=None, turn_p99_ms=None, stages_ms={}, broken=("no turn",)),
    ),
    confirmed=None, overload=(), calls_held=0, headroom_percent={}, core_s_per_call_minute=None, services={},
)  # fmt: skip


class Page(HTMLParser):
    """Checks that tags are closed in order; notes what they name and what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.references: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.references += [value or "" for name, value in attrs if name in ("src", "href", "data", "action")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("result", [a_result(), NOTHING_HELD])
def test_the_page_is_whole_and_loads_nothing(result: CapacityResult) -> None:
    """Tags are closed, nothing is referred to, every picture is inside."""
    pictures = plots(result)
    text = html(result, pictures)
    page = Page()
    page.feed(text)
    page.close()
    assert page.open == []
    assert page.references == []
    assert not re.search(r"url\(|@import|<script|<link|<img", text)
    assert page.tags.count("svg") == len(pictures)
    assert page.text.count("raymal capacity <&>") == 1
    assert page.tags.count("tr") >= len(result.steps) + len(result.overload)


def test_every_question_has_its_picture() -> None:
    """Turns, lateness, stages, goodput, resources and cores are drawn, each as well-formed SVG."""
    pictures = plots(a_result())
    assert list(pictures) == ["turns", "lateness", "stages", "goodput", "resources", "cores"]
    for picture in pictures.values():
        root = ElementTree.fromstring(picture)
        assert root.tag == f"{SVG}svg"
        assert "nan" not in picture


def test_points_are_where_their_values_are() -> None:
    """Larger values are further up, later ones further right, all inside the picture."""
    root = ElementTree.fromstring(
        lines("t", Axis("x"), Axis("y"), [Series("a", [(1, 10), (2, 30), (4, 20)])], Limit("l", 40))
    )
    (line,) = root.findall(f"{SVG}polyline")
    places = [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
    (x1, y1), (x2, y2), (x3, y3) = places
    assert x1 < x2 < x3
    assert x3 - x2 == pytest.approx(2 * (x2 - x1), abs=0.2)
    assert y2 < y3 < y1
    assert y1 - y3 == pytest.approx(y3 - y2, abs=0.2)
    assert all(0 < x < 640 and 0 < y < 320 for x, y in places)


def test_bars_are_stacked() -> None:
    """Each part stands on the one below it, as high as its value."""
    root = ElementTree.fromstring(
        bars("t", ["one"], "x", "y", [Series("a", [(0, 1)]), Series("b", [(0, 3)])])
    )
    lower, upper = root.findall(f"{SVG}rect")[1:3]
    assert float(upper.attrib["y"]) + float(upper.attrib["height"]) == pytest.approx(
        float(lower.attrib["y"]), abs=0.11
    )
    assert float(upper.attrib["height"]) == pytest.approx(3 * float(lower.attrib["height"]), abs=0.3)


@pytest.mark.parametrize("points", [[], [(0.0, 0.0)], [(1.0, 1e-9), (1.0, 1e-9)]])
def test_odd_values_can_be_drawn(points: list[tuple[float, float]]) -> None:
    """No point, zeros, equal points: on plain and on logarithmic axes."""
    for is_log in (False, True):
        chart = lines("t", Axis("x", is_log), Axis("y", is_log), [Series("a", points)])
        ElementTree.fromstring(chart)


def test_the_report_is_a_folder_with_everything_in_it(tmp_path: Path) -> None:
    """Page, Markdown with its pictures, table and data; the data can be read back."""
    result = a_result()
    page = write_report(result, tmp_path / "report")
    assert page.name == "index.html"
    text = (page.parent / "report.md").read_text()
    pictures = re.findall(r"!\[\w+\]\((\w+\.svg)\)", text)
    assert len(pictures) == 6
    assert all((page.parent / picture).is_file() for picture in pictures)
    assert CapacityResult.model_validate_json((page.parent / "result.json").read_text()) == result
    assert (page.parent / "steps.csv").read_text() == steps_csv(result)


def test_markdown_tables_have_equal_rows() -> None:
    """A bar in a name does not break a row."""
    rows = [line for line in markdown(a_result(), []).splitlines() if line.startswith("|")]
    widths = {len(re.findall(r"(?<!\\)\|", row)) for row in rows}
    assert widths == {3, 13}


def test_the_table_has_a_line_for_each_step() -> None:
    """Search and overload are told apart; what was not measured is empty."""
    rows = list(csv.DictReader(io.StringIO(steps_csv(a_result()))))
    assert [(row["phase"], row["calls"]) for row in rows] == [
        ("search", "4.0"), ("search", "64.0"), ("search", "36.0"), ("overload", "54.0"),
    ]  # fmt: skip
    assert rows[1]["broken"] == "turn p95 2000 ms, at most 1500"
    (empty,) = csv.DictReader(io.StringIO(steps_csv(NOTHING_HELD)))
    assert empty["turn_p95_ms"] == ""


def test_limits_are_a_configuration_of_the_server(tmp_path: Path) -> None:
    """`raymal serve --config` reads the file: so many calls, shared out over the scarcer slots."""
    text = limits_toml(a_result())
    assert text is not None
    file = tmp_path / "limits.toml"
    file.write_text(text)
    admission = load_settings(file, {}, {}).admission
    assert (admission.maximum_calls, admission.calls_per_slot) == (36, 18.0)


def test_without_known_slots_only_the_calls_are_limited(tmp_path: Path) -> None:
    """And when nothing was held there are no limits to write."""
    text = limits_toml(a_result(services={}))
    assert text is not None
    assert "maximum_calls = 36" in text
    assert "calls_per_slot" not in text
    assert limits_toml(NOTHING_HELD) is None
