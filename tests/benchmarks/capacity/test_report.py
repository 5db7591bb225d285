"""The result as a page, as pictures and as a configuration."""

from __future__ import annotations

import math
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from capacity_fixture import busy_result, nothing_held
from hypothesis import given
from hypothesis import strategies as st

from actors.manager.admission import AdmissionBook, SlotUse
from actors.messages import Priority, WorkKind
from actors.settings import AdmissionSettings
from benchmarks.capacity.limits import admission_limits, limits_toml
from benchmarks.capacity.plots import plots
from benchmarks.capacity.report import html, write_report
from benchmarks.capacity.result import CapacityResult
from ingress.configuration.loading import load_settings

VOID = {"meta", "br", "hr", "img", "input", "link"}


class Page(HTMLParser):
    """Checks that tags are closed in order; notes what they refer to."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.references: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.references += [value or "" for name, value in attrs if name in ("src", "href", "data", "action")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("result", [busy_result(), nothing_held()], ids=["busy", "nothing held"])
def test_the_page_is_whole_and_loads_nothing(result: CapacityResult) -> None:
    """Tags are closed, nothing is referred to, every picture is inside, every step has a row."""
    pictures = plots(result)
    page = Page()
    page.feed(html(result, pictures))
    page.close()
    assert page.open == []
    assert page.references == []
    assert not {"script", "link", "img"} & set(page.tags)
    assert page.tags.count("svg") == len(pictures)
    assert page.tags.count("tr") >= len(result.steps) + len(result.overload)


def test_the_report_is_a_folder_with_everything_in_it(tmp_path: Path) -> None:
    """The page, a picture for every question, and the data, which can be read back."""
    result = busy_result()
    folder = write_report(result, tmp_path / "report").parent
    names = {"turns", "lateness", "stages", "goodput", "resources"}
    assert {file.name for file in folder.iterdir()} == {f"{name}.svg" for name in names} | {
        "index.html", "result.json",
    }  # fmt: skip
    for name in names:
        text = (folder / f"{name}.svg").read_text()
        ElementTree.fromstring(text)
        assert "nan" not in text
    assert CapacityResult.model_validate_json((folder / "result.json").read_text()) == result


def test_limits_are_a_configuration_of_the_server(tmp_path: Path) -> None:
    """`raymal serve --config` reads the file: so many calls, shared out over the scarcer slots."""
    file = tmp_path / "limits.toml"
    file.write_text(limits_toml(busy_result()) or "")
    admission = load_settings(file, {}, {}).admission
    assert (admission.maximum_calls, admission.calls_per_slot) == (36, 18.0)
    without_slots = limits_toml(busy_result().model_copy(update={"services": {}})) or ""
    assert "maximum_calls = 36" in without_slots
    assert "calls_per_slot" not in without_slots
    assert limits_toml(nothing_held()) is None


@given(calls=st.integers(1, 5_000), slots=st.integers(1, 500))
def test_what_was_held_has_room_and_no_more(calls: int, slots: int) -> None:
    """Admission, which rounds down, takes exactly the calls that were held; also without `maximum_calls`."""
    limits = admission_limits(calls, slots)
    settings = AdmissionSettings(calls_per_slot=float(limits["calls_per_slot"]))
    use = {kind: SlotUse(slots, 0.0) for kind in WorkKind}
    assert AdmissionBook(settings).ceiling(Priority.EMERGENCY, use) == calls
    assert math.isclose(limits["calls_per_slot"], calls / slots, abs_tol=2e-4)
