"""The event loops of the ingress's tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest
from virtual_time import TCP_SETTLES_S, VirtualTimeLoop

LoopFactory = Callable[[], asyncio.AbstractEventLoop]
VIRTUAL = {"test_acceptor.py", "test_calls.py", "test_closing.py"}
"""Files whose tests wait for nothing but timers and sockets of their own process."""


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, LoopFactory]:
    """Choose the event loop of a test."""
    if item.path.name in VIRTUAL:
        return {"virtual": lambda: VirtualTimeLoop(TCP_SETTLES_S)}
    return {"asyncio": asyncio.new_event_loop}
