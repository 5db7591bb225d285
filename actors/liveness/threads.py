"""Blocking calls in threads that the process can be left without.

asyncio waits for its own threads when the loop ends, and the interpreter for all but daemon threads when the
process ends: one call that never returns would keep both.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import TypeVar

Answer = TypeVar("Answer")


async def in_thread(function: Callable[..., Answer], *arguments: object) -> Answer:
    """Return what the blocking call returns, or raise what it raises.

    Cancelled, as by a deadline around it, it leaves the call behind in its thread.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Answer] = loop.create_future()

    def settle(answer: Answer | None, error: Exception | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(answer)  # type: ignore[arg-type]  # None is an answer, too

    def run() -> None:
        answer, error = None, None
        try:
            answer = function(*arguments)
        except Exception as raised:
            error = raised
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(settle, answer, error)

    Thread(target=run, name=getattr(function, "__name__", "call"), daemon=True).start()
    return await done
