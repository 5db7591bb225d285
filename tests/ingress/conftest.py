"""The event loops of the ingress's tests: in virtual time seconds of waiting take none, and are exact."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest
from virtual_time import TCP_SETTLES_S, VirtualTimeLoop

LoopFactory = Callable[[], asyncio.AbstractEventLoop]
OVER_TCP = {
    "test_acceptor.py",
    "test_calls.py",
    "test_closing.py",
    "test_dialog.py",
    "test_key_in_answer.py",
    "test_live_calls.py",
    "test_return_leg.py",
}
WITHOUT = {
    "test_call.py",
    "test_early_speech.py",
    "test_ended_calls.py",
    "test_key_stop.py",
    "test_signals.py",
    "test_turn_runner.py",
}
"""Files of the gateway whose tests wait for nothing but timers and their own process."""


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, LoopFactory]:
    """Choose the event loop of a test."""
    if item.path.name in OVER_TCP:
        return {"virtual": lambda: VirtualTimeLoop(TCP_SETTLES_S)}
    if item.path.name in WITHOUT and item.path.parent.name == "gateway":
        return {"virtual": VirtualTimeLoop}
    return {"asyncio": asyncio.new_event_loop}
