"""How processes log: one line per event to standard error, with the process's name.

| `log_format` | standard error is | a line is |
|---|---|---|
| `auto` | systemd's journal | `<6>media-0: call … started …`: a priority, for `journalctl -p`, and no time |
| `auto` | a terminal, a file, a pipe (Docker) | `2026-01-31 10:40:00 INFO    media-0: call … started …` |
| `text` | any | as the latter |
| `json` | any | `{"time": "2026-01-31T10:40:00.123Z", "level": "INFO", "process": "media-0", …}` |

A message that concerns a call says `call` and its UUID: there `json` finds its `call_id`.

No transcript and no audio ever goes here. A pipe that is not read blocks its writer, so lines go through a
bounded queue to a thread of their own; when the queue is full they are dropped and counted. A record that
cannot be formatted is lost alone: a line says where it came from.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import re
import threading
from collections.abc import Mapping
from datetime import UTC, datetime

MAXIMUM_WAITING_LINES = 1_000
EXIT_DEADLINE_S = 1.0
"""For the last lines, when the process ends; after it they are lost."""
STANDARD_ERROR = 2
LOST = "a line was lost, because it cannot be formatted: %s, of the logger %s at %s:%d"
"""Without its words: they may be anything."""

_CALL = re.compile(r"\bcall ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b")
_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
"""Of syslog(3), by level; below them it is 7, debug."""


def configure(process: str, level: str = "INFO", log_format: str = "auto") -> None:
    """Send this process's log to standard error. `log_format`: auto, text or json."""
    handler = QueuedHandler(STANDARD_ERROR)
    if log_format == "json":
        handler.setFormatter(JsonFormatter(process))
    elif log_format == "auto" and is_journal(STANDARD_ERROR, os.environ):
        handler.setFormatter(JournalFormatter(process))
    else:
        handler.setFormatter(
            logging.Formatter(f"%(asctime)s %(levelname)-7s {process}: %(message)s", "%Y-%m-%d %H:%M:%S")
        )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())


def is_journal(descriptor: int, environment: Mapping[str, str]) -> bool:
    """Return whether what is written there goes to systemd's journal (systemd.exec(5), $JOURNAL_STREAM)."""
    try:
        found = os.fstat(descriptor)
    except OSError:
        return False
    return environment.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


class JournalFormatter(logging.Formatter):
    """Lines for systemd's journal: each has a priority (sd-daemon(3)), none a time."""

    def __init__(self, process: str) -> None:
        super().__init__(f"{process}: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's lines."""
        priority = next((number for level, number in _PRIORITIES if record.levelno >= level), 7)
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).split("\n"))


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, process, logger, message; call_id and exception if there are."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's line."""
        message = record.getMessage()
        at = datetime.fromtimestamp(record.created, UTC)
        fields = {
            "time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "process": self._process,
            "logger": record.name,
            "message": message,
        }
        if call := _CALL.search(message):
            fields["call_id"] = call[1]
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields, ensure_ascii=False)


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
                text += self._text(_dropped(self.dropped_lines - dropped_lines)) + "\n"
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


def _dropped(count: int) -> logging.LogRecord:
    """Return a record that says how many were dropped."""
    return logging.LogRecord(
        __name__, logging.WARNING, __file__, 0, "%d lines of this log were lost", (count,), None
    )


def _place(record: logging.LogRecord) -> tuple[str, str, int]:
    return record.name, record.pathname, record.lineno
