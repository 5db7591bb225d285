"""A worker on a thread of its own, driven from an event loop.

The one thread does everything in order: first the loading, then each request. So whatever is queued
behind a piece of work answers exactly when the worker is idle again, and `idle` is both the health
check and the proof that a slot is really free: native code that no one can interrupt has come back.

The thread is nicer than the rest, and so is every thread that the engine starts from it: on a machine
shared with Asterisk and the audio clock, speech models take what those leave.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from actors.errors import WorkerLostError
from actors.messages import Synthesize, Transcribe, Transcript
from actors.stt_worker import SttWorker
from actors.tts_worker import TtsWorker

Result = TypeVar("Result")

NICENESS = 10
"""More than the process has. Against a thread that was not made nicer this is one part CPU to ten."""


class WorkerThread:
    """Loads a worker at once, in the background, and runs its requests."""

    def __init__(self, make: Callable[[], SttWorker | TtsWorker], name: str) -> None:
        """`make` builds the worker; what it or loading raises, `idle` and every request raise."""
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name, initializer=_step_back)
        self._worker: Future[SttWorker | TtsWorker] = self._executor.submit(_loaded, make)

    async def idle(self) -> None:
        """Return once the model is loaded and no work is left. Raises what loading raised."""
        await asyncio.shield(asyncio.wrap_future(self._worker))
        await self._run(_nothing)

    async def transcribe(self, request: Transcribe) -> Transcript:
        """Transcribe. Cancelled, it drops the result; the thread is busy until the engine is done."""

        def work() -> Transcript:
            worker = self._worker.result()
            assert isinstance(worker, SttWorker)
            return worker.transcribe(request)

        return await self._run(work)

    async def synthesize(self, request: Synthesize) -> AsyncGenerator[bytes, None]:
        """Yield a sentence's pieces. Closed or cancelled, the engine stops after its current piece."""

        def begin() -> Generator[bytes, None, None]:
            worker = self._worker.result()
            assert isinstance(worker, TtsWorker)
            return worker.synthesize(request)

        pieces = await self._run(begin)
        try:
            while True:
                piece = await self._run(lambda: next(pieces, None))
                if piece is None:
                    return
                yield piece
        finally:
            with suppress(RuntimeError):  # stopped meanwhile
                self._executor.submit(pieces.close)

    def stop(self) -> None:
        """Take no more work and let the thread end after its current piece. Idempotent."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[[], Result]) -> Result:
        try:
            future = self._executor.submit(work)
        except RuntimeError:
            raise WorkerLostError("the worker was stopped") from None
        return await asyncio.wrap_future(future)


def _step_back() -> None:
    """Linux keeps niceness per thread, and new threads inherit it (setpriority(2), NOTES)."""
    thread_id = threading.get_native_id()
    niceness = os.getpriority(os.PRIO_PROCESS, thread_id)
    os.setpriority(os.PRIO_PROCESS, thread_id, niceness + NICENESS)


def _loaded(make: Callable[[], SttWorker | TtsWorker]) -> SttWorker | TtsWorker:
    worker = make()
    worker.load()
    return worker


def _nothing() -> None:
    """The work that proves idleness."""
