"""How processes log: one line per event to standard error, with the process's name.

No transcript and no audio ever goes here. A pipe that is not read blocks its writer, so lines go through a
bounded queue to a thread of their own; when the queue is full they are dropped and counted. A record that
cannot be formatted is lost alone: a line says where it came from.
"""

from __future__ import annotations

import logging
import os
import queue
import threading

MAXIMUM_WAITING_LINES = 1_000
EXIT_DEADLINE_S = 1.0
"""For the last lines, when the process ends; after it they are lost."""
STANDARD_ERROR = 2
LOST = "a line was lost, because it cannot be formatted: %s, of the logger %s at %s:%d"
"""Without its words: they may be anything."""


def configure(process: str, level: str = "INFO") -> None:
    """Send this process's log to standard error."""
    handler = QueuedHandler(STANDARD_ERROR)
    handler.setFormatter(
        logging.Formatter(f"%(asctime)s %(levelname)-7s {process}: %(message)s", "%Y-%m-%d %H:%M:%S")
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())


class QueuedHandler(logging.Handler):
    """Formats and writes in a thread of its own; never makes the caller wait."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self.dropped_lines = 0
        self._descriptor = descriptor
        self._waiting: queue.Queue[logging.LogRecord | None] = queue.Queue(MAXIMUM_WAITING_LINES)
        self._thread = threading.Thread(target=self._write_all, name="log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a line, or drop it."""
        try:
            self._waiting.put_nowait(record)
        except queue.Full:
            self.dropped_lines += 1

    def close(self) -> None:
        """Write what is queued, within `EXIT_DEADLINE_S`. Called at exit (`logging.shutdown`)."""
        try:
            self._waiting.put(None, timeout=EXIT_DEADLINE_S)
        except queue.Full:
            return
        self._thread.join(EXIT_DEADLINE_S)
        super().close()

    def _write_all(self) -> None:
        dropped_lines = 0
        while (record := self._waiting.get()) is not None:
            text = self._text(record) + "\n"
            if self.dropped_lines > dropped_lines:
                text += f"({self.dropped_lines - dropped_lines} lines were lost)\n"
                dropped_lines = self.dropped_lines
            line = text.encode(errors="backslashreplace")
            try:
                while line:
                    line = line[os.write(self._descriptor, line) :]
            except OSError:
                self.dropped_lines += 1

    def _text(self, record: logging.LogRecord) -> str:
        try:
            return self.format(record)
        except BaseException as error:  # the code of any argument runs here, and must not end the thread
            record.msg, record.args, record.exc_info = LOST, (type(error).__name__, *_place(record)), None
            record.exc_text = record.stack_info = None
            return self.format(record)


def _place(record: logging.LogRecord) -> tuple[str, str, int]:
    return record.name, record.pathname, record.lineno
