"""The load signals of this ingress: late frames of its media workers, delay of its loop, machine load.

Callers hear late frames. The CPU's figure is a weak one: it may be 50 % while something else is saturated,
and 100 % while speech models do nothing but their work. It is not psutil's own `cpu_percent`, which keeps
its last reading per thread: two callers in one thread would shorten each other's interval.

Loading models is no load: it fills the CPU and, without Ray, holds the interpreter for half a second at a
time, but it passes by itself and no call makes it. So while models load only late frames count.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection

import psutil

from actors.messages import IngressSignals
from ingress.gateway.media_peer import MediaPeer

PERIOD_S = 0.05
"""Of measuring the loop: a block that is shorter may be missed, one that callers hear is not."""
LEAST_CPU_S = 0.05
"""Counters move in steps of 10 ms: a shorter time, of all cores together, gives no figure."""


class SignalMeter:
    """Measures the signals; read once per heartbeat, never waits."""

    def __init__(self, media: Collection[MediaPeer], is_loading: Callable[[], bool] = lambda: False) -> None:
        """`media`: the media workers connected now, by reference. `is_loading`: whether models load now."""
        self._media = media
        self._is_loading = is_loading
        self._was_loading = False
        """When the delay was measured last."""
        self._has_loaded = False
        """At any time since the signals were read."""
        self._longest_delay_s = 0.0
        self._due_s: float | None = None
        """When `run` should be awake again; None: it does not run."""
        self._cpu_s = cpu_seconds()
        self._cpu_percent = 0.0

    async def run(self) -> None:
        """Measure the loop's delay until cancelled: sleep, and see how much longer it took."""
        try:
            while True:
                self._due_s = time.monotonic() + PERIOD_S
                await asyncio.sleep(PERIOD_S)
                self._measure_delay()
        finally:
            self._due_s = None

    def signals(self) -> IngressSignals:
        """Return the signals; delays, stalls and CPU use are those since the last call."""
        now = asyncio.get_running_loop().time()
        loop_lag_ms, cpu_percent = self.take_loop_lag_ms(), self.cpu_percent()
        has_loaded, self._has_loaded = self._has_loaded, False
        return IngressSignals(
            lateness_p99_ms=max((media.lateness_p99_ms(now) for media in self._media), default=0.0),
            loop_lag_ms=loop_lag_ms,
            timeline_shifts=sum(media.take_timeline_shifts() for media in self._media),
            cpu_percent=0.0 if has_loaded else cpu_percent,
            memory_percent=float(psutil.virtual_memory().percent),
        )

    def take_loop_lag_ms(self) -> float:
        """Return the longest delay of the loop, one that still lasts included, and begin anew."""
        self._measure_delay()
        delay_s, self._longest_delay_s = self._longest_delay_s, 0.0
        return delay_s * 1000.0

    def cpu_percent(self) -> float:
        """Return the mean use of all cores since the last call; waiting for a disk is not use."""
        (total_before_s, idle_before_s), (total_s, idle_s) = self._cpu_s, cpu_seconds()
        passed_s = total_s - total_before_s
        if passed_s >= LEAST_CPU_S:
            used_s = passed_s - (idle_s - idle_before_s)
            self._cpu_percent = min(100.0, max(0.0, used_s / passed_s * 100.0))
            self._cpu_s = total_s, idle_s
        return self._cpu_percent

    def _measure_delay(self) -> None:
        now = time.monotonic()
        was_loading, self._was_loading = self._was_loading, self._is_loading()
        is_of_loading = was_loading or self._was_loading  # a load may have begun or ended in the delay
        self._has_loaded |= is_of_loading
        if self._due_s is not None and now > self._due_s:
            if not is_of_loading:
                self._longest_delay_s = max(self._longest_delay_s, now - self._due_s)
            self._due_s = now  # what has been reported is not reported again when `run` goes on


def cpu_seconds() -> tuple[float, float]:
    """Return seconds of all cores since boot, and those of them without work.

    Guests' time is part of the user's already (proc_stat(5)).
    """
    times = psutil.cpu_times()
    total_s = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    return total_s, times.idle + getattr(times, "iowait", 0.0)
