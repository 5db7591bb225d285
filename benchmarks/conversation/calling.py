"""Several calls at a time, each with the server's record of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import uuid4

from ingress.caller.caller import CallResult, place_call
from ingress.caller.script import CallScript, Step
from ingress.link.records import CallRecord
from ingress.server import observer

HOST = "127.0.0.1"
QUIET_S = 0.8
"""After which an answer is over; pauses between its sentences are shorter."""
RECORD_WAIT_S = 5.0
CALL_S = 150.0


@dataclass(frozen=True, slots=True)
class Placed:
    """A call that is over."""

    result: CallResult
    record: CallRecord | None


def script(port: int, steps: Sequence[Step]) -> CallScript:
    """Return a call's script."""
    return CallScript(HOST, port, uuid4(), tuple(steps), quiet_s=QUIET_S, max_call_s=CALL_S)


async def place(port: int, steps: Sequence[Step]) -> Placed:
    """Place one call and return both ends' view of it. Raises as `place_call` does."""
    made = script(port, steps)
    result = await place_call(made)
    return Placed(result, await observer.call_record(port, str(made.call_id), RECORD_WAIT_S))


async def place_all(
    port: int, scripts: Sequence[Sequence[Step]], at_a_time: int, on_done: Callable[[], None]
) -> list[Placed]:
    """Place all of them, so many at a time; a new one begins when another is over."""
    room = asyncio.Semaphore(at_a_time)

    async def one(steps: Sequence[Step]) -> Placed:
        async with room:
            placed = await place(port, steps)
        on_done()
        return placed

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(steps)) for steps in scripts]
    return [task.result() for task in tasks]
