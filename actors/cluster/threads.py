"""Blocking calls of Ray in threads that the process can be left without.

Ray retries inside its compiled code for a minute and longer, where no exception reaches it. asyncio waits for
its own threads when the loop ends, and the interpreter for all but daemon threads when the process ends.
"""

from __future__ import annotations

import asyncio
import atexit
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import TypeVar

import ray

Answer = TypeVar("Answer")


async def in_thread(function: Callable[..., Answer], *arguments: object) -> Answer:
    """Return what the blocking call returns, or raise what it raises.

    Cancelled, as by a deadline around it, it leaves the call behind in its thread. The process then ends
    without `ray.shutdown`, which would wait for that call.
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

    Thread(target=run, name=f"ray {getattr(function, '__name__', 'call')}", daemon=True).start()
    try:
        return await done
    except asyncio.CancelledError:
        atexit.unregister(ray.shutdown)
        raise
