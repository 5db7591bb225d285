"""An event loop whose clock jumps: when nothing is ready it is already the time of the next timer.

Sockets of this process work, for what is written to one end is readable at the other at once. While a thread
of the loop works (`asyncio.to_thread`), time is real. Else seconds of waiting take no time and the order of
events does not depend on the machine.
"""

from __future__ import annotations

import asyncio
import selectors
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

TCP_SETTLES_S = 0.0003
"""Usually TCP on the loopback has delivered when `send` returns; not while the kernel is behind."""

REAL_PATIENCE_S = 5.0
"""With no timer at all, only another thread can wake the loop: what waits longer hangs."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A loop with a clock of its own, which starts at zero."""

    def __init__(self, settle_s: float = 0.0) -> None:
        """`settle_s`: real time before each jump, in which TCP on a busy machine delivers what was sent."""
        self.now_s = 0.0
        self.settle_s = settle_s
        self.threads = 0
        """That work for it now."""
        super().__init__(_JumpingSelector(self))
        self.set_debug(False)  # it times callbacks, by a clock that jumps, and takes most of the real time

    def time(self) -> float:
        """Return virtual seconds."""
        return self.now_s

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Let a thread work, and time be real until it is done."""
        future = super().run_in_executor(executor, func, *args)
        self.threads += 1
        future.add_done_callback(self._thread_done)
        return future

    def _thread_done(self, future: asyncio.Future[Any]) -> None:
        self.threads -= 1


class _JumpingSelector(selectors.SelectSelector):
    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self._loop.threads and timeout != 0:
            return self._select_in_real_time(REAL_PATIENCE_S if timeout is None else timeout)
        ready = super().select(0 if timeout == 0 else self._loop.settle_s)
        if ready or timeout == 0:
            return ready
        if timeout is not None:
            self._loop.now_s += timeout
            return []
        ready = super().select(REAL_PATIENCE_S)
        assert ready, "nothing will ever happen any more"
        return ready

    def _select_in_real_time(self, timeout: float) -> list[tuple[selectors.SelectorKey, int]]:
        began_s = time.monotonic()
        ready = super().select(timeout)
        self._loop.now_s += min(timeout, time.monotonic() - began_s) if ready else timeout
        return ready


def run(main: Coroutine[Any, Any, T], settle_s: float = 0.0) -> T:
    """Run a coroutine in virtual time; `settle_s` as of the loop."""
    with asyncio.Runner(loop_factory=lambda: VirtualTimeLoop(settle_s)) as runner:
        return runner.run(main)


@contextmanager
def clock_of(package: str, now: Callable[[], float]) -> Iterator[None]:
    """Let all loaded modules of a package read another monotonic clock, and their own again afterwards."""
    clocks: dict[str, tuple[object, object]] = {
        "monotonic": (time.monotonic, now),
        "time": (time, SimpleNamespace(monotonic=now, sleep=time.sleep)),
    }
    replaced: list[tuple[object, str, object]] = []
    for name, module in tuple(sys.modules.items()):
        if not f"{name}.".startswith(f"{package}."):
            continue
        for attribute, (value, clock) in clocks.items():
            if vars(module).get(attribute) is value:
                replaced.append((module, attribute, value))
                setattr(module, attribute, clock)
    try:
        yield
    finally:
        for place, attribute, value in replaced:
            setattr(place, attribute, value)
