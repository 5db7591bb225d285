"""Logging never waits for its reader."""

from __future__ import annotations

import logging
import os
import time

from ingress.server.logs import MAXIMUM_WAITING_LINES, QueuedHandler


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
    while b"lines were lost" not in text:
        text += os.read(read, 65_536)
        handler.emit(line("again"))
    handler.close()
    os.close(write)
    os.close(read)
