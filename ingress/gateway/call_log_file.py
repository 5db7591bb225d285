"""The file of finished calls, one JSON line each: for billing, statistics and questions about a call.

A thread writes, behind a bounded queue, because a disk may take seconds or never answer: lines that do not
fit are dropped and counted, and calls do not wait. Each line goes to the file that has the name at that time,
so logrotate may move or delete it. A disk error, or a record that is no JSON, costs the lines that it hit,
not those after it.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

QUEUE_LINES = 4_096
"""Some 10 MB; at a hundred calls ending per second, 40 s of a disk that does not answer."""
CLOSE_DEADLINE_S = 1.5
"""When the server stops: for room in the queue, and again for what is in it."""
SEARCHED_BYTES = 4 * 1024 * 1024
"""Of the file's end, for a line that may be there: one of the last that a gateway wrote before it ended."""
MODE = 0o640
"""Who called when is private."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Line:
    """A line on its way to the file."""

    text: bytes
    unless: bytes | None
    done: Callable[[], None]


class CallRecordFile:
    """Appends lines to one file. For one writer of lines; the file may be shared by several servers."""

    def __init__(self, path: Path, queue_lines: int = QUEUE_LINES) -> None:
        self._path = path
        self._overflowed = 0
        """Lines that did not fit into the queue."""
        self._unwritable = 0
        """Records that are no JSON."""
        self._failed = 0
        """Lines that the disk did not take; counted by the thread."""
        self._lines: queue.Queue[_Line | None] = queue.Queue(queue_lines)
        self._is_torn = False
        """The last write ended in the middle of a line."""
        self._has_failed = False
        self._is_full = False
        self._thread = threading.Thread(target=self._run, name="call records", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Lines that were lost: no JSON, the queue was full, or the disk did not take them."""
        return self._unwritable + self._overflowed + self._failed

    def append(
        self,
        record: Mapping[str, Any],
        unless: str | None = None,
        done: Callable[[], None] = lambda: None,
    ) -> None:
        """Have a line written; never waits.

        Not if `unless` is in one of the file's last lines. `done` is called when it is written or lost, maybe
        in the file's thread.
        """
        try:
            text = json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        except (TypeError, ValueError, RecursionError) as error:
            self._unwritable += 1
            log.error("%s: a call's record is no JSON and is lost: %s", self._path, type(error).__name__)
            done()
            return
        # Python's escape of a lone surrogate is JSON's.
        line = text.encode(errors="backslashreplace") + b"\n"
        self._is_full = self._is_full and not self._lines.empty()
        try:
            self._lines.put_nowait(_Line(line, None if unless is None else unless.encode(), done))
        except queue.Full:
            self._overflowed += 1
            if not self._is_full:
                log.error("%s takes no more records; they are dropped until it does", self._path)
            self._is_full = True
            done()

    def close(self) -> None:
        """Write what is queued, within a deadline. Blocks; to be called once."""
        with contextlib.suppress(queue.Full):
            self._lines.put(None, timeout=CLOSE_DEADLINE_S)
            self._thread.join(CLOSE_DEADLINE_S)
        if self._thread.is_alive():
            log.error("%s: %d records were not written in time", self._path, self._lines.qsize())

    # In the thread

    def _run(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                if line.unless is None or not self._has(line.unless):
                    self._write(line.text)
            except (OSError, ValueError) as error:  # the latter for a path with a zero byte
                self._failed += 1
                if not self._has_failed:
                    reason = getattr(error, "strerror", None) or error
                    log.error("%s: %s; records are lost until it can be written", self._path, reason)
                self._has_failed = True
            else:
                if self._has_failed:
                    log.info("%s is written again", self._path)
                self._has_failed = False
            line.done()

    def _has(self, text: bytes) -> bool:
        """Whether one of the last lines has the text."""
        try:
            if not self._path.is_file():  # standard output, for one
                return False
            with self._path.open("rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - SEARCHED_BYTES))
                return text in file.read(SEARCHED_BYTES)
        except FileNotFoundError:
            return False

    def _write(self, line: bytes) -> None:
        """Append in one piece, so that lines of several servers do not mix (O_APPEND, write(2))."""
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, MODE)
        try:
            rest = b"\n" + line if self._is_torn and os.fstat(descriptor).st_size else line
            while rest:
                rest = rest[os.write(descriptor, rest) :]
                self._is_torn = bool(rest)
        finally:
            os.close(descriptor)
