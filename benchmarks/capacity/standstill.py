"""Whether every core kept going, beside the callers of one step: `python -m benchmarks.capacity.standstill`.

A host that takes one of a machine's cores away for a moment stops what runs there and nothing else. The
kernel does not know, so that the stopped program is not moved to another core: frames of a media worker are
late by no fault of its own, while callers on the other core notice nothing. So a thread sits on each core,
with a higher priority than all others, sleeps 10 ms at a time and notes when it was woken late. Nothing else
could keep it waiting: what it notes was the host (or the kernel, with interrupts off).

Without the right to real-time priority it could not tell that from load, and notes nothing. In a process with
others its threads would wait for the interpreter's lock, so it is an instrument of its own.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Final

from benchmarks.harness.instrument import Instrument, instrument, serve

INTERVAL_S: Final = 0.010
PRIORITY: Final = 20
"""Real-time, above the callers' and the media workers'."""
NOTED_MS: Final = 10.0
END_DEADLINE_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Standstill:
    """A core that did nothing."""

    core: int
    until_s: float
    """Of the monotonic clock."""
    lasted_ms: float


@contextmanager
def watching() -> Iterator[Instrument]:
    """Watch all cores until the body leaves."""
    with instrument("benchmarks.capacity.standstill", PRIORITY) as process:
        yield process


def seen_by(watch: Instrument) -> list[Standstill]:
    """Stop watching; return what was seen: nothing if it could not watch. Raises InstrumentError."""
    return [Standstill(**fields) for fields in watch.result(END_DEADLINE_S)]


def _watch(core: int, seen: list[Standstill], has_ended: threading.Event) -> None:
    """Note when this core did nothing; without the right to real-time priority return at once."""
    try:
        os.sched_setaffinity(0, {core})  # of this thread alone
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(PRIORITY))
    except OSError:
        return
    due_s = time.monotonic()
    while not has_ended.is_set():
        due_s += INTERVAL_S
        time.sleep(max(0.0, due_s - time.monotonic()))
        now = time.monotonic()
        lasted_ms = 1_000.0 * (now - due_s)
        if lasted_ms > NOTED_MS:
            seen.append(Standstill(core, now, lasted_ms))
            due_s = now


def measure() -> list[dict[str, Any]]:
    """Watch until standard input ends; return what was seen."""
    seen: list[Standstill] = []
    has_ended = threading.Event()
    cores = os.sched_getaffinity(0)
    threads = [threading.Thread(target=_watch, args=(core, seen, has_ended)) for core in cores]
    for thread in threads:
        thread.start()
    sys.stdin.buffer.read()
    has_ended.set()
    for thread in threads:
        thread.join()
    return [asdict(each) for each in seen]


if __name__ == "__main__":
    serve(measure)
