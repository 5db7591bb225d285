"""The picture: how late frames are, what a call costs, and what phones conceal."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from benchmarks.harness.arrivals import Floats
from benchmarks.harness.svg import Axis, Chart, Mark, Series, lines, stacked
from benchmarks.pacing.measurement import Measurement
from ingress.caller.listening_quality import PHONE_BUFFER_MS

_LEAST_MS = 0.05
_POINTS = 400


def picture(results: Sequence[Measurement], machine: str) -> str:
    """Draw the results as an SVG document."""
    names = list(dict.fromkeys(result.contestant.name for result in results))
    most_calls = max(result.calls for result in results)
    late = {
        result.contestant.name: _survival(result.judgement.lateness_ms)
        for result in results
        if result.calls == most_calls and result.judgement.frames
    }

    def against_calls(title: str, unit: str, value: Callable[[Measurement], float]) -> Chart:
        series = [
            Series(name, [(each.calls, value(each)) for each in results if each.contestant.name == name])
            for name in names
        ]
        return lines(title, Axis("calls at a time"), Axis(unit), series)

    charts = [
        lines(
            f"How late frames are, {most_calls} calls",
            Axis("later than, ms", is_log=True),
            Axis("share of frames", is_log=True),
            [Series(name, late.get(name, [])) for name in names],
            marks=[Mark(f"{PHONE_BUFFER_MS:.0f} ms buffer", PHONE_BUFFER_MS)],
            has_markers=False,
        ),
        against_calls("What a call costs", "CPU per call, % of a core", lambda it: it.cpu_percent_per_call),
        against_calls(
            f"Silence in the phone ({PHONE_BUFFER_MS:.0f} ms buffer)",
            "concealed, % of playing time",
            lambda it: 100 * it.judgement.phone(PHONE_BUFFER_MS).concealed_ratio,
        ),
    ]
    return stacked(f"Lateness, cost and concealment; {machine}", charts)


def _survival(ascending_ms: Floats) -> list[tuple[float, float]]:
    """Return lateness and the share of frames that were at least so late, evenly spaced in log(share)."""
    size = len(ascending_ms)
    ranks = np.unique(np.rint(np.geomspace(1, size, _POINTS)).astype(int))
    return [(max(float(ascending_ms[size - rank]), _LEAST_MS), float(rank) / size) for rank in ranks]
