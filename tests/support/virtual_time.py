"""Virtual time, as the benchmarks have it."""

from __future__ import annotations

from benchmarks.harness.virtual_time import TCP_SETTLES_S, VirtualTimeLoop, run

__all__ = ["TCP_SETTLES_S", "VirtualTimeLoop", "run"]
