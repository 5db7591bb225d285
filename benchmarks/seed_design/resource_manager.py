"""Who may compute, and whether to slow down: the seed's `ResourceManager`.

Two semaphores, sized once by the physical cores and the memory; a set of sessions; a yes or no for the
throttle: more than three sessions while the CPU is busier than 85 %. The load is what the kernel counted
since the manager last looked, so that looking does not block the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import psutil

THROTTLE_SESSIONS = 3
"""More than so many, and"""
THROTTLE_CPU_PERCENT = 85.0
"""a busier machine than this: slow down."""


def concurrency(cores: int, memory_gb: float) -> int:
    """Return how many transcriptions, and how many syntheses, may run at a time: three tiers."""
    if cores >= 4 and memory_gb >= 8:
        return max(3, min(cores - 1, 6))
    if cores >= 2 and memory_gb >= 4:
        return 2
    return 1


def concurrency_here() -> int:
    """Return the same for this machine."""
    return concurrency(psutil.cpu_count(logical=False) or 2, psutil.virtual_memory().total / 2**30)


class ResourceManager:
    """One for the process."""

    def __init__(
        self,
        at_a_time: int,
        is_throttling: bool,
        cpu_percent: Callable[[], float] = psutil.cpu_percent,
    ) -> None:
        self.transcriptions = asyncio.Semaphore(at_a_time)
        self.syntheses = asyncio.Semaphore(at_a_time)
        self.sessions: set[str] = set()
        self._is_throttling = is_throttling
        self._cpu_percent = cpu_percent

    def should_throttle_audio(self) -> bool:
        """Whether the next answer is sent more slowly."""
        if not self._is_throttling:
            return False
        return self._cpu_percent() > THROTTLE_CPU_PERCENT and len(self.sessions) > THROTTLE_SESSIONS
