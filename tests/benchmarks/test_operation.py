"""`python -m benchmarks.operation`: its targets are judged, whatever its operators met."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np

from benchmarks.harness.arrivals import ARRIVAL, judge
from benchmarks.harness.load_generator import GeneratorReport, Heard, Load
from benchmarks.harness.outcomes import Verdict
from benchmarks.harness.processes import CpuUse
from benchmarks.operation.__main__ import ALL_READERS, ALONE, targets
from benchmarks.operation.operators import Operators
from benchmarks.pacing.measurement import Measurement

CALLS = 4
REPORT = GeneratorReport(0.0, 1.0, 40.0, 0.5, 3.0, 200_000, 0, 0, 0, 0)


def measurement(cpu_percent: float) -> Measurement:
    """Return one in which every frame came in time."""
    arrivals = np.zeros(CALLS * 50, ARRIVAL)
    arrivals["at_s"] = np.tile(np.arange(50) * 0.02, CALLS)
    arrivals["call"] = np.repeat(np.arange(CALLS), 50)
    arrivals["bytes"], arrivals["kind"] = 320, 0x10
    return Measurement(
        ALONE,
        Load(CALLS, 0.3, 1.0, os.cpu_count() or 1),
        CpuUse(cpu_percent, 0.0),
        100_000.0,
        Heard(REPORT, arrivals, b""),
        judge(arrivals, CALLS, 1.0),
        4.0,
    )


def test_the_median_of_the_pairs_counts() -> None:
    """One disturbed pair changes nothing; a median above the limit is a miss."""
    alone, well, badly = measurement(100.0), measurement(102.0), measurement(110.0)
    seen = [Operators(scrape_s=[0.01, 0.02], readers=ALL_READERS)]
    rows = targets([(alone, well), (alone, badly), (alone, well)], seen)
    assert {row.verdict for row in rows} == {Verdict.PASS, Verdict.SHOWN}
    assert rows[0].measured.startswith("1.020x")
    assert targets([(alone, badly)], seen)[0].verdict is Verdict.MISS


def test_what_operators_met_counts() -> None:
    """A slow scrape, none at all, a failed request, a page that did not connect, a lost call."""
    pair = measurement(100.0), measurement(100.0)
    lost = replace(pair[1], heard=Heard(replace(REPORT, ended_calls=1), pair[1].heard.arrivals, b""))
    good = Operators(scrape_s=[0.01], readers=ALL_READERS)
    failed = Operators(scrape_s=[0.01], readers=ALL_READERS)
    failed.fail("PUT a", "status 500")
    for pairs, seen, missed in (
        ([pair], replace(good, scrape_s=[0.2]), "scrapes, p95"),
        ([pair], replace(good, scrape_s=[]), "scrapes, p95"),
        ([pair], failed, "what operators asked for"),
        ([pair], replace(good, readers=2), "readers of events"),
        ([(pair[0], lost)], good, "underruns at 60 ms while operated"),
    ):
        rows = targets(pairs, [seen])
        assert [row.criterion for row in rows if row.verdict in (Verdict.MISS, Verdict.DISTURBED)] == [missed]
