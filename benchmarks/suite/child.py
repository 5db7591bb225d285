"""The process of one benchmark: started in a session of its own, always stopped in order.

In a session of its own, Ctrl-C in a terminal reaches the suite alone, which then asks the benchmark once
and waits, since benchmarks have servers of their own to end. Waiting is on the process's descriptor and
not by looking again and again: what is measured shares this machine.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

PATIENCE_S = {signal.SIGINT: 40.0, signal.SIGTERM: 10.0}
"""After each signal, before the next; at last everything that the benchmark has started is killed."""
COLUMNS = "140"
"""Width of the tables in a log."""


@contextmanager
def running(command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command for the time of the body, its output into a file; it has ended when the body is left."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | {"COLUMNS": COLUMNS},
            start_new_session=True,
        )
        try:
            yield process
        finally:
            stop(process)


def has_ended(process: subprocess.Popen[bytes], within_s: float, wakes: Sequence[int] = ()) -> bool:
    """Wait for the end of a process, so long at most, or until one of the descriptors can be read."""
    if process.poll() is None:
        descriptor = os.pidfd_open(process.pid)
        try:
            select.select([descriptor, *wakes], [], [], within_s)
        finally:
            os.close(descriptor)
    return process.poll() is not None


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process: ask as Ctrl-C does, ask again, kill it and what it has left running."""
    if process.poll() is not None:
        return
    parent = psutil.Process(process.pid)
    family = {parent}
    for number, patience_s in PATIENCE_S.items():
        with contextlib.suppress(psutil.NoSuchProcess):
            family.update(parent.children(recursive=True))
        process.send_signal(number)
        if has_ended(process, patience_s):
            break
    for each in family:
        with contextlib.suppress(psutil.NoSuchProcess):  # also if its number is another's by now
            each.kill()
    process.wait()
