"""The load signals of this ingress: late frames of its media workers, delay of its loop, machine load.

Callers hear late frames. The CPU's figure is a weak one: it may be 50 % while something else is saturated,
and 100 % while speech models do nothing but their work.

Loading models is no load: it fills the CPU and, without Ray, holds the interpreter for half a second at a
time, but it passes by itself and no call makes it. So while models load only late frames count.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from pathlib import Path

from actors.machine.control_groups import ROOT
from actors.machine.use import CpuMeter, memory_percent
from actors.messages import IngressSignals
from ingress.gateway.media_peer import MediaPeer

PERIOD_S = 0.05
"""Of measuring the loop: a block that is shorter may be missed, one that callers hear is not."""


class SignalMeter:
    """Measures the signals; read once per heartbeat, never waits."""

    def __init__(
        self,
        media: Collection[MediaPeer],
        is_loading: Callable[[], bool] = lambda: False,
        root: Path = ROOT,
    ) -> None:
        """`media`: the media workers connected now, by reference. `is_loading`: whether models load now.
        `root` holds `proc` and `sys`.
        """
        self._media = media
        self._is_loading = is_loading
        self._was_loading = False
        """When the delay was measured last."""
        self._has_loaded = False
        """At any time since the signals were read."""
        self._longest_delay_s = 0.0
        self._due_s: float | None = None
        """When `run` should be awake again; None: it does not run."""
        self._cpu = CpuMeter(root)
        self._root = root

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
        loop_lag_ms, cpu_percent = self.take_loop_lag_ms(), self._cpu.percent()
        has_loaded, self._has_loaded = self._has_loaded, False
        return IngressSignals(
            lateness_p99_ms=max((media.lateness_p99_ms(now) for media in self._media), default=0.0),
            loop_lag_ms=loop_lag_ms,
            timeline_shifts=sum(media.take_timeline_shifts() for media in self._media),
            cpu_percent=0.0 if has_loaded else cpu_percent,
            memory_percent=memory_percent(self._root),
        )

    def take_loop_lag_ms(self) -> float:
        """Return the longest delay of the loop, one that still lasts included, and begin anew."""
        self._measure_delay()
        delay_s, self._longest_delay_s = self._longest_delay_s, 0.0
        return delay_s * 1000.0

    def _measure_delay(self) -> None:
        now = time.monotonic()
        was_loading, self._was_loading = self._was_loading, self._is_loading()
        is_of_loading = was_loading or self._was_loading  # a load may have begun or ended in the delay
        self._has_loaded |= is_of_loading
        if self._due_s is not None and now > self._due_s:
            if not is_of_loading:
                self._longest_delay_s = max(self._longest_delay_s, now - self._due_s)
            self._due_s = now  # what has been reported is not reported again when `run` goes on
