"""See a dialog that blocks the event loop, and say where: all calls wait for it meanwhile.

Every `PERIOD_S` a thread gives the loop something to do. If that is not done within `BLOCKED_S`, it looks
twice at what the loop's thread executes. If that is the same call of a dialog's own code both times, the log
gets its file and line, once per line and minute. Nothing can stop that call from outside: if it is still the
same one after `STUCK_S`, the process ends, and the supervisor starts another one.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType

from ingress.access.log_limit import LogLimit
from ingress.dialogs.base import Dialog

PERIOD_S = 0.5
BLOCKED_S = 0.5
"""A shorter block makes no difference to callers: an answer takes as long."""
STUCK_S = 10.0
"""Then another gateway has time to come before callers have waited too long (`server.waiting_limit_s`)."""
LOOKS_S = 0.05
"""Between two looks: a dialog that only happens to run when the loop goes on is somewhere else by then."""

log = logging.getLogger(__name__)


def _end_process() -> None:
    logging.shutdown()  # writes the last lines
    os._exit(1)  # an exception would only end this thread


@contextmanager
def watched(files: Callable[[], Collection[str]], end: Callable[[], None] = _end_process) -> Iterator[None]:
    """Watch the running event loop, which is this thread's.

    `files`: where the dialogs' code is. `end`: called in another thread, when the loop is stuck.
    """
    over = threading.Event()
    watch = _Watch(asyncio.get_running_loop(), threading.get_ident(), files, end, over)
    thread = threading.Thread(target=watch.run, name="blocked loop", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()


class _Watch:
    """What the thread does until `over` is set."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        loop_thread: int,
        files: Callable[[], Collection[str]],
        end: Callable[[], None],
        over: threading.Event,
    ) -> None:
        self._loop = loop
        self._loop_thread = loop_thread
        self._files = files
        self._end = end
        self._over = over
        self._logged = LogLimit()

    def run(self) -> None:
        """Try and look, again and again."""
        while not self._over.wait(PERIOD_S):
            goes_on = threading.Event()
            try:
                self._loop.call_soon_threadsafe(goes_on.set)
            except RuntimeError:  # it is closed
                return
            if goes_on.wait(BLOCKED_S):
                continue
            first = self._dialog()
            self._over.wait(LOOKS_S)
            second = self._dialog()
            if first is not None and second is not None and first[0] is second[0]:
                self._report(second[1])
            del first, second  # frames keep what is in them
            self._wait_for(goes_on)

    def _wait_for(self, goes_on: threading.Event) -> None:
        """Wait until the loop goes on; end the process if one call of a dialog keeps it from that."""
        seen: FrameType | None = None
        times = 0  # not a clock: a process that is stopped is stuck in nothing
        while not goes_on.wait(PERIOD_S) and not self._over.is_set():
            found = self._dialog()
            frame, place = found or (None, "")
            times = times + 1 if frame is not None and frame is seen else 0
            seen = frame
            if times * PERIOD_S >= STUCK_S:
                log.critical(
                    "a dialog has blocked the gateway for more than %g s at %s: the gateway ends, and is "
                    "started again",
                    STUCK_S,
                    place,
                )
                self._end()
                return

    def _dialog(self) -> tuple[FrameType, str] | None:
        return dialog_at(sys._current_frames().get(self._loop_thread), self._files())

    def _report(self, place: str) -> None:
        if self._logged.is_due(place, time.monotonic()):
            log.error(
                "a dialog has blocked the gateway for more than %g s at %s: all calls wait; "
                "use `await`, or asyncio.to_thread for what blocks",
                BLOCKED_S,
                place,
            )


def files_of(dialogs: Iterable[Dialog]) -> set[str]:
    """Return the files that the classes of dialogs are in, also those that they are derived from."""
    classes = {each for dialog in dialogs for each in type(dialog).__mro__}
    modules = {each.__module__ for each in classes.difference(Dialog.__mro__)}
    return {file for module in modules if (file := getattr(sys.modules.get(module), "__file__", None))}


def dialog_at(frame: FrameType | None, files: Collection[str]) -> tuple[FrameType, str] | None:
    """Return the outermost frame whose code is in one of the files, and where the innermost of them is.

    That is as file and line. `frame`: the innermost of all. None: there is no such frame.
    """
    outermost, place = None, ""
    while frame is not None:
        if frame.f_code.co_filename in files:
            place = place or f"{frame.f_code.co_filename}:{frame.f_lineno}"
            outermost = frame
        frame = frame.f_back
    return None if outermost is None else (outermost, place)
