"""The picture: how late frames are, what a call costs, and what phones conceal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness.arrivals import Floats
from benchmarks.pacing.measurement import (
    C_LOOP,
    DEADLINES,
    RAYMAL,
    RAYMAL_THROTTLED,
    SLEEPS,
    SLEEPS_THROTTLED,
    Contestant,
    Measurement,
)
from ingress.caller.listening_quality import PHONE_BUFFER_MS

# Okabe and Ito's colours, which the colour-blind can distinguish; the markers differ as well.
_LOOKS: dict[Contestant, tuple[str, str, str]] = {
    RAYMAL: ("#0072B2", "o", "-"),
    RAYMAL_THROTTLED: ("#56B4E9", "o", "--"),
    DEADLINES: ("#E69F00", "^", "-"),
    SLEEPS: ("#D55E00", "s", "-"),
    SLEEPS_THROTTLED: ("#CC79A7", "s", "--"),
    C_LOOP: ("#404040", "D", "-"),
}
_LEAST_MS = 0.05
_POINTS = 400
_WHOLE = 0.01
"""Less audio missing than this is the edge of the measured time."""


def plot(results: Sequence[Measurement], machine: str, path: Path) -> None:
    """Draw the results into an SVG, PNG or PDF file, by the ending of its name."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as pyplot

    # Text stays text in an SVG, and the same figures make the same file.
    style: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": "raymal",
        "font.size": 9,
        "axes.grid": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "grid.color": "#e4e4e4",
        "axes.axisbelow": True,
        "axes.titlelocation": "left",
        "axes.titleweight": "bold",
    }
    with pyplot.rc_context(style):
        figure, (lateness, cpu, concealed) = pyplot.subplots(1, 3, figsize=(13, 4.2), layout="constrained")
        _lateness(lateness, results)
        _against_calls(cpu, results, lambda each: each.cpu_percent_per_call)
        cpu.set(
            title="What a call costs",
            xlabel="calls at a time (hollow: audio missing)",
            ylabel="CPU per call, % of a core",
            ylim=0,
        )
        _against_calls(
            concealed, results, lambda each: 100 * each.judgement.phone(PHONE_BUFFER_MS).concealed_ratio
        )
        concealed.set(
            title=f"Silence in the phone ({PHONE_BUFFER_MS:.0f} ms buffer)",
            xlabel="calls at a time",
            ylabel="concealed, % of playing time",
            ylim=(-2, 102),
        )
        handles, names = lateness.get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=len(names), frameon=False)
        figure.text(0.995, 0.005, machine, ha="right", fontsize=6, color="#707070")
        metadata = {"Date": None} if path.suffix == ".svg" else None
        figure.savefig(path, dpi=150, metadata=metadata)
        pyplot.close(figure)


def _lateness(axes: Any, results: Sequence[Measurement]) -> None:
    calls = max(result.calls for result in results)
    for result in results:
        if result.calls != calls or not result.judgement.frames:
            continue
        late_ms, share = _survival(result.judgement.lateness_ms)
        colour, _, line = _LOOKS[result.contestant]
        axes.plot(late_ms, share, line, color=colour, label=result.contestant.name, linewidth=1.6)
    axes.axvline(PHONE_BUFFER_MS, color="#909090", linewidth=0.8, linestyle=":")
    axes.annotate(
        "60 ms buffer", (PHONE_BUFFER_MS, 1.0), (-3, -4), textcoords="offset points", rotation=90,
        ha="right", va="top", color="#707070", fontsize=7,
    )  # fmt: skip
    axes.set(
        title=f"How late frames are, {calls} calls",
        xlabel="later than, ms",
        ylabel="share of frames",
        xscale="log",
        yscale="log",
        xlim=(_LEAST_MS, None),
        ylim=(None, 1.2),
    )


def _against_calls(axes: Any, results: Sequence[Measurement], value: Any) -> None:
    for contestant, (colour, marker, line) in _LOOKS.items():
        own = sorted((each for each in results if each.contestant == contestant), key=lambda each: each.calls)
        if own:
            calls, values = [each.calls for each in own], [value(each) for each in own]
            axes.plot(calls, values, line, color=colour, linewidth=1.6)
            for call, each, result in zip(calls, values, own, strict=True):
                # Hollow: what it cost to send less than all of the audio.
                is_whole = result.judgement.missing_ratio < _WHOLE
                face = colour if is_whole else "white"
                axes.plot(call, each, marker, color=colour, markerfacecolor=face, markersize=5)
    axes.set_xticks(sorted({result.calls for result in results}))
    axes.set_xlim(0, None)


def _survival(ascending_ms: Floats) -> tuple[Floats, Floats]:
    """Return lateness and the share of frames that were at least so late, evenly spaced in log(share)."""
    size = len(ascending_ms)
    ranks = np.unique(np.rint(np.geomspace(1, size, _POINTS)).astype(int))[::-1]
    return np.maximum(ascending_ms[size - ranks], _LEAST_MS), ranks / size
