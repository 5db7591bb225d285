"""The clock on a real event loop: rounds, lengths of frames, and calls that fail."""

from __future__ import annotations

import asyncio
import time

import pytest

from ingress.media.frame_clock import FrameClock


class Recorder:
    """A call that notes its ticks."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.listened = 0
        self.faults: list[Exception] = []

    def send(self, frames: int, frame_bytes: int, due_s: float) -> None:
        self.sizes += [frame_bytes] * frames

    def listen(self) -> None:
        self.listened += 1

    def fault(self, error: Exception) -> None:
        self.faults.append(error)


class Mute(Recorder):
    """A call that makes a mistake when it sends, and another when it ends."""

    def send(self, frames: int, frame_bytes: int, due_s: float) -> None:
        raise ZeroDivisionError

    def fault(self, error: Exception) -> None:
        super().fault(error)
        raise ValueError("so has its end")


class Deaf(Mute):
    """A call that makes a mistake when it listens, and another when it ends."""

    send = Recorder.send

    def listen(self) -> None:
        raise ZeroDivisionError


async def until(condition: object, deadline_s: float = 5.0) -> None:
    assert callable(condition)
    async with asyncio.timeout(deadline_s):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("kind", [Mute, Deaf])
async def test_a_call_that_fails_is_taken_off_and_the_others_go_on(
    kind: type[Mute], caplog: pytest.LogCaptureFixture
) -> None:
    """Even if its end fails as well."""
    loop = asyncio.get_running_loop()
    errors: list[object] = []
    loop.set_exception_handler(lambda _, context: errors.append(context.get("exception")))
    clock, good, bad = FrameClock(20), Recorder(), kind()
    clock.add(bad)
    clock.add(good)
    await until(lambda: len(good.sizes) >= 10 and good.listened >= 10)
    clock.stop()
    assert len(bad.sizes) <= 2
    assert [type(error) for error in bad.faults] == [ZeroDivisionError]
    assert [type(error) for error in errors] == [ValueError]


async def test_lateness_counts_every_frame_of_every_call_and_sees_a_stall_of_the_loop() -> None:
    """A blocking call of 150 ms: late by that much, and the timeline moved."""
    clock, calls = FrameClock(20), [Recorder() for _ in range(15)]
    for call in calls:
        clock.add(call)
    await until(lambda: all(len(call.sizes) >= 3 for call in calls))
    time.sleep(0.15)  # noqa: ASYNC251  the fault that is injected
    await until(lambda: all(len(call.sizes) >= 6 for call in calls))
    clock.stop()
    summary = clock.lateness.summary()
    assert summary.frames == sum(len(call.sizes) for call in calls)
    assert summary.maximum_ms > 100.0
    assert clock.timeline_shifts >= 1
