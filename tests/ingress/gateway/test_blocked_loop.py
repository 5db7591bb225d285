"""A dialog that blocks the event loop is seen, and where; one that waits is not."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
from types import FrameType

import pytest

from ingress.configuration.settings import DialogSettings
from ingress.dialogs import echo
from ingress.dialogs.echo import EchoDialog
from ingress.gateway import blocked_loop
from ingress.gateway.blocked_loop import dialog_at, files_of, watched


def block(seconds: float) -> None:
    """Sleep without giving the event loop back."""
    time.sleep(seconds)


async def respond(is_blocking: bool) -> None:
    """Do what a dialog does, too long."""
    if is_blocking:
        block(0.08)
    else:
        await asyncio.sleep(0.08)


@pytest.mark.parametrize(("is_blocking", "is_dialog"), [(True, True), (False, True), (True, False)])
async def test_the_log_names_the_line_of_a_dialog_that_blocks(
    is_blocking: bool, is_dialog: bool, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once; also in a task of its own. Waiting, and code that is no dialog's, is not logged."""
    for name in ("PERIOD_S", "BLOCKED_S", "LOOKS_S"):
        monkeypatch.setattr(blocked_loop, name, 0.01)
    files = {__file__} if is_dialog else {"/nosuch.py"}
    with caplog.at_level(logging.ERROR), watched(lambda: files):
        for _ in range(2):
            await asyncio.create_task(respond(is_blocking))
            await asyncio.sleep(0.02)
    if is_blocking and is_dialog:
        (line,) = caplog.messages
        assert f"at {__file__}:{block.__code__.co_firstlineno + 2}: all calls wait" in line
    else:
        assert not caplog.messages


@pytest.mark.parametrize(("is_dialog", "is_stuck"), [(True, True), (True, False), (False, True)])
async def test_a_gateway_that_a_dialog_keeps_is_ended(
    is_dialog: bool, is_stuck: bool, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only for code of a dialog, and only if it is the same call all the time."""
    for name in ("PERIOD_S", "BLOCKED_S", "LOOKS_S"):
        monkeypatch.setattr(blocked_loop, name, 0.01)
    monkeypatch.setattr(blocked_loop, "STUCK_S", 0.05)
    ended: list[int] = []
    files = {__file__} if is_dialog else {"/nosuch.py"}
    with watched(lambda: files, lambda: ended.append(threading.get_ident())):
        if is_stuck:
            block(0.3)
        else:
            for _ in range(6):
                block(0.05)
                await asyncio.sleep(0)
    assert bool(ended) == (is_dialog and is_stuck)
    assert (f"at {__file__}:{block.__code__.co_firstlineno + 2}: the gateway ends" in caplog.text) == bool(
        ended
    )


def test_the_dialogs_own_line_counts() -> None:
    """Not that of the library that it calls; and the call of the dialog that it is in."""

    def helper() -> FrameType:
        return sys._getframe()

    frame = helper()
    found = dialog_at(frame, {__file__})
    assert found is not None
    assert found[1] == f"{__file__}:{frame.f_lineno}"
    assert found[0] is sys._getframe()
    assert dialog_at(frame, {"/nosuch.py"}) is None
    assert dialog_at(None, {__file__}) is None


def test_the_files_of_a_dialog_are_those_of_its_classes() -> None:
    """What blocks may be in the class that it is derived from."""

    class Own(EchoDialog):
        pass

    assert files_of([Own(DialogSettings())]) == {__file__, echo.__file__}
