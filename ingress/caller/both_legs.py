"""A call with two legs: the caller's, and a second one that joins it later, with the same UUID."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from ingress.caller.caller import CallResult, place_call
from ingress.caller.conversation import CallTurn
from ingress.caller.script import CallScript


@dataclass(frozen=True)
class ReturnLeg:
    """The second leg."""

    script: CallScript
    """Its port is the extension's return port; its UUID the caller's."""
    joins_after: int
    """It joins once so many turns of the caller are over; 0: at once."""


async def place_both(
    caller: CallScript, return_leg: ReturnLeg | None, on_progress: Callable[[str], None] = lambda line: None
) -> tuple[CallResult, CallResult | None]:
    """Place a call and its return leg, and return what was heard on each; None: the leg did not join.

    Raises as `place_call` does, for either; then the other is closed too.
    """
    if return_leg is None:
        return await place_call(caller, on_progress), None
    turns = 0
    is_time = asyncio.Event()

    def count_turn(turn: CallTurn) -> None:
        nonlocal turns
        turns += 1
        if turns >= return_leg.joins_after:
            is_time.set()

    if not return_leg.joins_after:
        is_time.set()

    async def join() -> CallResult:
        await is_time.wait()
        return await place_call(return_leg.script, lambda line: on_progress(f"return leg: {line}"))

    try:
        async with asyncio.TaskGroup() as group:
            joining = group.create_task(join())
            result = await place_call(caller, on_progress, count_turn)
            if not is_time.is_set():
                joining.cancel()  # the call is over, and it has never joined
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    with suppress(asyncio.CancelledError):
        return result, joining.result()
    return result, None
