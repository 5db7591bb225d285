"""Puts new results in the place of the kept ones, with their record, the documents' pictures and the page."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from benchmarks.suite.catalogue import Benchmark
from benchmarks.suite.page import kept_page
from benchmarks.suite.records import add_records
from benchmarks.suite.runner import Ending, Run

PAGE = "README.md"
KEPT = (Ending.WELL, Ending.MISSED, Ending.DISTURBED)
"""What was disturbed is kept as well, and the page says so."""


def keep(runs: Sequence[Run], into: Path, kept: Path, images: Path) -> list[str]:
    """Copy what was measured; return the names of those benchmarks. Others keep what they have."""
    measured = [run for run in runs if run.ending in KEPT and not run.record.is_quick]
    kept.mkdir(parents=True, exist_ok=True)
    for run in measured:
        shutil.copyfile(into / run.benchmark.result, kept / run.benchmark.result)
        for picture in run.benchmark.pictures:
            if (into / picture).is_file():
                (images / picture).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(into / picture, images / picture)
    add_records(kept, {run.benchmark.name: run.record for run in measured})
    return [run.benchmark.name for run in measured]


def write_page(folder: Path, benchmarks: Sequence[Benchmark]) -> Path:
    """Render a folder's page into it; return the file."""
    page = folder / PAGE
    page.write_text(kept_page(folder, benchmarks), encoding="utf-8")
    return page
