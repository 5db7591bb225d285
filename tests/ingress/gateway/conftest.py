"""Tests without threads and engines run in virtual time: seconds of waiting take none, and are exact."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest
from virtual_time import VirtualTimeLoop

VIRTUAL = {"test_call.py", "test_signals.py", "test_turn_runner.py"}


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Choose the event loop of a test."""
    if item.path.name in VIRTUAL:
        return {"virtual time": VirtualTimeLoop}
    return {"asyncio": asyncio.new_event_loop}
