"""The report as a browser shows it: laid out, painted, nothing cut off, on a desk and on a telephone.

The page is shown unchanged in frames of both widths, beside a script that writes into its own page where
the browser put everything; `--dump-dom` prints that.
"""

from __future__ import annotations

import html
import itertools
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from capacity_fixture import capacity_result, step

from benchmarks.capacity.plots import PARTS, STAGES
from benchmarks.capacity.report import write_report
from benchmarks.capacity.result import CapacityResult

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WIDTHS = (1280, 400)
DEADLINE_S = 90.0
LEAST_LETTER_PX = 9.0
TOUCHING_PX = 1.0
"""Boxes of words may overlap by so much; a letter never fills its box."""

MEASURE = """
const box = (it) => { const b = it.getBoundingClientRect(); return [b.left, b.top, b.right, b.bottom]; };
const measure = (frame) => {
  const page = frame.contentDocument, view = frame.contentWindow, root = page.documentElement;
  return {
    width: root.clientWidth, content_width: root.scrollWidth, height: root.scrollHeight,
    is_dark_wanted: view.matchMedia("(prefers-color-scheme: dark)").matches,
    background: view.getComputedStyle(root).backgroundColor,
    fetched: view.performance.getEntriesByType("resource").map((it) => it.name),
    cut: [...page.querySelectorAll("body *")].filter((it) => it.closest("svg, .wide") === null)
      .filter((it) => box(it)[0] < 0 || box(it)[2] > root.clientWidth + 1).map((it) => it.outerHTML),
    tables: [...page.querySelectorAll(".wide")].map((it) => ({shown: it.clientWidth, whole: it.scrollWidth,
      scrolls: view.getComputedStyle(it).overflowX})),
    pictures: [...page.querySelectorAll("svg")].map((svg) => ({
      name: svg.getAttribute("aria-label"), box: box(svg),
      letter_px: Math.min(...[...svg.querySelectorAll("text")].map(
        (it) => parseFloat(view.getComputedStyle(it).fontSize) * svg.getScreenCTM().a)),
      words: [...svg.querySelectorAll("text")].map((it) => ({text: it.textContent, box: box(it)})),
      marks: [...svg.querySelectorAll("polyline, circle, polygon, rect")].map(box),
    })),
  };
};
addEventListener("load", () => {
  const measures = [...document.querySelectorAll("iframe")].map(measure);
  document.querySelector("pre").textContent = JSON.stringify(measures);
});
"""


def busy_result() -> CapacityResult:
    """Return a measurement of many steps, of which everything was measured."""
    resources = (
        "memory", "manager", "gateway", "media CPU", "transcription slots", "synthesis slots", "machine CPU"
    )  # fmt: skip
    missed = ("turn p95 2000 ms, at most 1500", "5 answers with a hole, at most 0")
    steps = [
        step(
            calls,
            800.0 + 20 * calls,
            turn_p99_ms=900.0 + 30 * calls,
            calls_mean=calls - 0.5,
            stages_ms={name: 20.0 + calls for name in STAGES},
            late_shares=tuple((ms, 0.5**ms) for ms in (0.5, 1.0, 2.0, 5.0, 10.0, 15.0)),
            cores={name: 0.01 * calls for name in PARTS},
            utilisation_percent={name: calls * share for share, name in enumerate(resources, 1)},
            broken=missed if calls > 36 else (),
            invalid=("the callers were late by 30 ms at p99, at most 20",) if calls == 48 else (),
        )
        for calls in (1, 2, 4, 8, 16, 32, 64, 48, 40, 36)
    ]
    overload = tuple(step(calls, 1_400.0, calls_mean=33.0, refused_calls=20) for calls in (54, 72, 108))
    command = "raymal capacity --report capacity --json " + "/a/very/long/path" * 6 + "/capacity.json"
    return capacity_result(
        steps=tuple(steps), overload=overload, confirmed=steps[-1], calls_held=36, command=command
    )


def nothing_held() -> CapacityResult:
    """Return a measurement in which not even one call was held: one point, and a limit at the very top."""
    lone = step(
        1, None, turn_p50_ms=None, stages_ms={}, broken=("no turn",), calls_mean=0.5,
        utilisation_percent={"machine CPU": 50.0},
    )  # fmt: skip
    return capacity_result(steps=(lone,), confirmed=None, calls_held=0, services={}, headroom_percent={})


RESULTS = {"many steps": busy_result, "nothing held": nothing_held}


@pytest.fixture(scope="module")
def browser() -> str:
    """Return the browser; without one there is nothing to test."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"needs a browser: one of {', '.join(BROWSERS)}")
    return found


def browse(browser: str, folder: Path, page: Path, *flags: str) -> str:
    """Show a page without a window and without a network; return what is printed."""
    command = [
        browser,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
        "--no-first-run",
        f"--user-data-dir={folder / 'profile'}",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        *flags,
        page.as_uri(),
    ]
    private = os.environ | dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"), str(folder))
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=DEADLINE_S, env=private, check=False
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    return done.stdout


def measured(browser: str, folder: Path, report: Path, *flags: str) -> list[dict[str, Any]]:
    """Return what the browser made of the page, at each of `WIDTHS`."""
    frames = "".join(
        f'<iframe style="width:{width}px;height:900px;border:0" srcdoc="{html.escape(report.read_text())}">'
        "</iframe>"
        for width in WIDTHS
    )
    beside = folder / "beside.html"
    beside.write_text(
        f"<!DOCTYPE html><html><body><pre></pre><script>{MEASURE}</script>{frames}</body></html>"
    )
    printed = re.search(r"<pre>(.+?)</pre>", browse(browser, folder, beside, "--dump-dom", *flags), re.DOTALL)
    assert printed is not None, "the measuring script did not come to its end"
    measures: list[dict[str, Any]] = json.loads(html.unescape(printed[1]))
    return measures


@pytest.fixture(scope="module", params=RESULTS)
def shown(browser: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return the measures of one report at all widths, and how many pictures it should have."""
    folder = tmp_path_factory.mktemp("browser")
    page = write_report(RESULTS[request.param](), folder / "report")
    pictures = len(list(page.parent.glob("*.svg")))
    assert pictures == {"many steps": 6, "nothing held": 2}[request.param]
    return measured(browser, folder, page), pictures


def test_every_picture_is_laid_out(shown: Any) -> None:
    """At each width: as many as there should be, of a real size, with marks inside and readable words."""
    measures, pictures = shown
    for width, page in zip(WIDTHS, measures, strict=True):
        assert page["width"] == width
        assert len(page["pictures"]) == pictures
        for picture in page["pictures"]:
            left, top, right, bottom = picture["box"]
            assert right - left > 0.6 * min(width, 640), picture["name"]
            assert bottom - top > 0.5 * (right - left), picture["name"]
            assert picture["letter_px"] >= LEAST_LETTER_PX, (width, picture["name"])
            inside = [it for it in picture["marks"] if it[0] >= left - 1 and it[2] <= right + 1]
            assert len(inside) == len(picture["marks"]) >= 2, picture["name"]


def test_no_words_are_cut_off_or_on_other_words(shown: Any) -> None:
    """Every word of a picture is inside of it, and no two are in one place."""
    for page in shown[0]:
        for picture in page["pictures"]:
            left, top, right, bottom = picture["box"]
            for word in picture["words"]:
                x1, y1, x2, y2 = word["box"]
                assert left <= x1 < x2 <= right, (page["width"], picture["name"], word["text"])
                assert top <= y1 < y2 <= bottom, (page["width"], picture["name"], word["text"])
            for one, other in itertools.combinations(picture["words"], 2):
                assert not _overlap(one["box"], other["box"]), (picture["name"], one["text"], other["text"])


def _overlap(one: list[float], other: list[float]) -> bool:
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    return across > TOUCHING_PX and down > TOUCHING_PX * 3


def test_the_page_is_no_wider_than_its_window(shown: Any) -> None:
    """Nothing moves the page sideways; a table that is too wide does so by itself."""
    for width, page in zip(WIDTHS, shown[0], strict=True):
        assert page["content_width"] == width
        assert page["cut"] == []
        assert page["tables"]
        for table in page["tables"]:
            assert table["shown"] <= width
            assert table["scrolls"] == "auto"
        if width == max(WIDTHS):
            assert all(table["whole"] == table["shown"] for table in page["tables"])


def test_the_browser_fetches_nothing(shown: Any) -> None:
    """No file, no font, no address: it is all on the page."""
    assert [page["fetched"] for page in shown[0]] == [[], []]


def test_a_dark_desktop_does_not_make_it_dark_on_dark(browser: str, tmp_path: Path) -> None:
    """The page is a light one and says so: its white stays white where people prefer dark."""
    page = write_report(busy_result(), tmp_path / "report")
    for measures in measured(browser, tmp_path, page, "--blink-settings=preferredColorScheme=0"):
        assert measures["is_dark_wanted"]
        assert measures["background"] == "rgb(255, 255, 255)"


def test_every_colour_of_the_pictures_is_painted(browser: str, tmp_path: Path) -> None:
    """A screenshot has points of each colour that lines and bars are drawn in, and is not all of one."""
    image = pytest.importorskip("PIL.Image", reason="needs Pillow, which the extra `bench` brings")
    page = write_report(busy_result(), tmp_path / "report")
    file = tmp_path / "page.png"
    browse(browser, tmp_path, page, "--window-size=1280,2600", f"--screenshot={file}")
    with image.open(file) as shot:
        painted = {colour: count for count, colour in shot.convert("RGB").getcolors(1 << 24)}
    drawn = set(re.findall(r'(?:fill|stroke)="#([0-9A-F]{6})"', page.read_text()))
    assert len(drawn) >= 8
    for colour in drawn:
        assert painted.get(tuple(bytes.fromhex(colour)), 0) > 20, colour


def test_it_prints_on_paper(browser: str, tmp_path: Path) -> None:
    """A few sheets: pictures side by side, tables whole."""
    page = write_report(busy_result(), tmp_path / "report")
    file = tmp_path / "page.pdf"
    browse(browser, tmp_path, page, f"--print-to-pdf={file}", "--no-pdf-header-footer")
    printed = file.read_bytes()
    assert printed.startswith(b"%PDF")
    assert 1 < printed.count(b"/MediaBox") <= 3
