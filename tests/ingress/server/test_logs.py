"""Logging never waits for its reader."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Callable
from typing import NoReturn

import pytest

from ingress.server.logs import (
    MAXIMUM_WAITING_LINES,
    JournalFormatter,
    JsonFormatter,
    QueuedHandler,
    is_journal,
)


def line(text: str) -> logging.LogRecord:
    return logging.LogRecord("test", logging.INFO, __file__, 1, text, None, None)


def test_lines_are_written_in_order_and_the_last_ones_at_the_end() -> None:
    """Closing writes what is queued."""
    read, write = os.pipe()
    handler = QueuedHandler(write)
    for number in range(50):
        handler.emit(line(f"line {number}"))
    handler.close()
    os.close(write)
    with os.fdopen(read) as pipe:
        assert pipe.read().split("\n") == [f"line {number}" for number in range(50)] + [""]


def test_a_pipe_that_is_not_read_costs_lines_and_no_time() -> None:
    """A full pipe blocks its thread alone; what does not fit is dropped, counted, reported later."""
    read, write = os.pipe()
    handler = QueuedHandler(write)
    start_s = time.monotonic()
    for _ in range(3 * MAXIMUM_WAITING_LINES):
        handler.emit(line("x" * 200))
    assert time.monotonic() - start_s < 5.0
    assert handler.dropped_lines > 0
    text = b""
    while b"lines of this log were lost" not in text:
        text += os.read(read, 65_536)
        handler.emit(line("again"))
    os.close(read)  # what is still queued fails at once: no line may go to another file of that number
    handler.close()
    os.close(write)


class Unprintable:
    """What a library may give to its logger."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __str__(self) -> NoReturn:
        raise self.error


def unformattable(*arguments: object) -> logging.LogRecord:
    return logging.LogRecord("library", logging.WARNING, "/library/file.py", 7, "%s %d", arguments, None)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: unformattable("one"), id="too few arguments"),
        pytest.param(lambda: unformattable("said", "not a number"), id="wrong kind of argument"),
        pytest.param(lambda: unformattable(Unprintable(RuntimeError()), 1), id="fails when it is printed"),
        pytest.param(lambda: unformattable(Unprintable(SystemExit()), 1), id="ends the thread"),
    ],
)
def test_a_record_that_cannot_be_formatted_is_lost_alone(make: Callable[[], logging.LogRecord]) -> None:
    """A line names its place instead, without its words; what comes after it is written."""
    read, write = os.pipe()
    handler = QueuedHandler(write)
    handler.emit(make())
    handler.emit(line("after it"))
    handler.close()
    os.close(write)
    with os.fdopen(read) as pipe:
        lost, after, rest = pipe.read().split("\n")
    assert "library at /library/file.py:7" in lost
    assert "said" not in lost
    assert (after, rest) == ("after it", "")


def test_text_that_is_no_unicode_is_written_escaped() -> None:
    """A name from the file system may hold a lone surrogate, which UTF-8 has no bytes for."""
    read, write = os.pipe()
    handler = QueuedHandler(write)
    handler.emit(line("the file \udcff"))
    handler.emit(line("after it"))
    handler.close()
    os.close(write)
    with os.fdopen(read) as pipe:
        assert pipe.read() == "the file \\udcff\nafter it\n"


CALL = "0b4f1d8e-4f5c-4a7e-9d2b-1c0de0000001"


def written(formatter: logging.Formatter, *records: logging.LogRecord) -> list[str]:
    """Return the lines that a handler with this format writes."""
    read, write = os.pipe()
    handler = QueuedHandler(write)
    handler.setFormatter(formatter)
    for record in records:
        handler.emit(record)
    handler.close()
    os.close(write)
    with os.fdopen(read) as pipe:
        return pipe.read().splitlines()


def test_json_lines_have_the_call_as_a_field() -> None:
    """Wherever the message names it; whatever is in the message, each line is one object."""
    record = logging.LogRecord(
        "ingress.media.leg", logging.INFO, __file__, 1, "call %s started", (CALL,), None
    )
    record.created = 1_769_856_000.1239
    first, second, third = map(json.loads, written(
        JsonFormatter("media-0"), record, line('two\nlines, "quoted" \udcff'), unformattable("one")
    ))  # fmt: skip
    assert first == {
        "time": "2026-01-31T10:40:00.123Z",
        "level": "INFO",
        "process": "media-0",
        "logger": "ingress.media.leg",
        "message": f"call {CALL} started",
        "call_id": CALL,
    }
    assert second["message"] == 'two\nlines, "quoted" \udcff'
    assert "call_id" not in second
    assert "library at" in third["message"]


def test_json_lines_have_the_exception_as_a_field() -> None:
    """Its many lines do not break up the log."""
    try:
        raise ValueError("no good")
    except ValueError:
        record = logging.LogRecord("a", logging.ERROR, __file__, 1, "call %s failed", (CALL,), sys.exc_info())
    (found,) = map(json.loads, written(JsonFormatter("gateway"), record))
    assert found["exception"].endswith("ValueError: no good")
    assert found["message"] == f"call {CALL} failed"


def test_lines_for_the_journal_have_priorities() -> None:
    """Each of several; the journal adds the time."""
    warning = logging.LogRecord("a", logging.WARNING, __file__, 1, "two\nlines", None, None)
    debug = logging.LogRecord("a", logging.DEBUG, __file__, 1, "more", None, None)
    assert written(JournalFormatter("gateway"), warning, line("one"), debug) == [
        "<4>gateway: two",
        "<4>lines",
        "<6>gateway: one",
        "<7>gateway: more",
    ]


def test_the_journal_is_known_by_its_file() -> None:
    """A service's child that writes elsewhere inherits the variable all the same."""
    read, write = os.pipe()
    there = os.fstat(write)
    environment = {"JOURNAL_STREAM": f"{there.st_dev}:{there.st_ino}"}
    assert is_journal(write, environment)
    assert not is_journal(write, {})
    assert not is_journal(sys.__stderr__.fileno() if sys.__stderr__ else 2, environment)
    os.close(read)
    os.close(write)
    assert not is_journal(write, environment)
