"""The report as a browser shows it: laid out, nothing cut off, on a desk and on a telephone.

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
from capacity_fixture import busy_result

from benchmarks.capacity.report import write_report

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WIDTHS = (1280, 400)
DEADLINE_S = 90.0
LEAST_LETTER_PX = 9.0
TOUCHING_PX = (1.0, 3.0)
"""Boxes of words may overlap by so much across and down; a letter never fills its box."""

MEASURE = """
const box = (it) => { const b = it.getBoundingClientRect(); return [b.left, b.top, b.right, b.bottom]; };
const measure = (frame) => {
  const page = frame.contentDocument, view = frame.contentWindow, root = page.documentElement;
  return {
    content_width: root.scrollWidth,
    fetched: view.performance.getEntriesByType("resource").map((it) => it.name),
    cut: [...page.querySelectorAll("body *")].filter((it) => it.closest("svg, .wide") === null)
      .filter((it) => box(it)[0] < 0 || box(it)[2] > root.clientWidth + 1).map((it) => it.outerHTML),
    pictures: [...page.querySelectorAll("svg")].map((svg) => ({
      name: svg.getAttribute("aria-label"), box: box(svg),
      letter_px: Math.min(...[...svg.querySelectorAll("text")].map(
        (it) => parseFloat(view.getComputedStyle(it).fontSize) * svg.getScreenCTM().a)),
      words: [...svg.querySelectorAll("text")].map(box),
      marks: [...svg.querySelectorAll("polyline, circle, polygon, rect")].map(box),
    })),
  };
};
addEventListener("load", () => {
  const measures = [...document.querySelectorAll("iframe")].map(measure);
  document.querySelector("pre").textContent = JSON.stringify(measures);
});
"""


def measured(browser: str, folder: Path, report: Path) -> list[dict[str, Any]]:
    """Return what the browser made of the page at each of `WIDTHS`, without a window and a network."""
    frames = "".join(
        f'<iframe style="width:{width}px;height:900px;border:0" srcdoc="{html.escape(report.read_text())}">'
        "</iframe>"
        for width in WIDTHS
    )
    beside = folder / "beside.html"
    beside.write_text(
        f"<!DOCTYPE html><html><body><pre></pre><script>{MEASURE}</script>{frames}</body></html>"
    )
    flags = "--headless --no-sandbox --disable-gpu --disable-dev-shm-usage --hide-scrollbars --no-first-run"
    own = (f"--user-data-dir={folder / 'profile'}", "--host-resolver-rules=MAP * ~NOTFOUND", "--dump-dom")
    done = subprocess.run(
        [browser, *flags.split(), *own, beside.as_uri()],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        env=os.environ | dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"), str(folder)),
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    printed = re.search(r"<pre>(.+?)</pre>", done.stdout, re.DOTALL)
    assert printed is not None, "the measuring script did not come to its end"
    measures: list[dict[str, Any]] = json.loads(html.unescape(printed[1]))
    return measures


def test_the_report_can_be_read_at_any_width(tmp_path: Path) -> None:
    """Pictures of a real size with readable words, none on another, nothing cut off, nothing fetched."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip(f"needs a browser: one of {', '.join(BROWSERS)}")
    report = write_report(busy_result(), tmp_path / "report")
    for width, page in zip(WIDTHS, measured(browser, tmp_path, report), strict=True):
        assert page["content_width"] == width
        assert page["cut"] == page["fetched"] == []
        assert len(page["pictures"]) == 5
        for picture in page["pictures"]:
            where = (width, picture["name"])
            left, top, right, bottom = picture["box"]
            assert right - left > 0.6 * min(width, 640), where
            assert bottom - top > 0.5 * (right - left), where
            assert picture["letter_px"] >= LEAST_LETTER_PX, where
            assert len(picture["marks"]) >= 2, where
            for x1, y1, x2, y2 in picture["words"]:
                assert left <= x1 < x2 <= right, where
                assert top <= y1 < y2 <= bottom, where
            for x1, _, x2, _ in picture["marks"]:
                assert left - 1 <= x1 <= x2 <= right + 1, where
            for one, other in itertools.combinations(picture["words"], 2):
                across, down = (min(one[i + 2], other[i + 2]) - max(one[i], other[i]) for i in (0, 1))
                assert across <= TOUCHING_PX[0] or down <= TOUCHING_PX[1], where
