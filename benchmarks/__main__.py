"""All benchmarks, one after the other, beside the results that are kept: `python -m benchmarks`."""

from __future__ import annotations

from pathlib import Path

from benchmarks.catalogue import BENCHMARKS
from benchmarks.suite import Suite

HERE = Path(__file__).parent
SUITE = Suite(BENCHMARKS, HERE / "results", HERE.parent / "docs" / "images")

if __name__ == "__main__":
    raise SystemExit(SUITE.main())
