"""A worker on a thread of its own, driven from an event loop.

The thread does everything in order: first the loading, then each request. So `idle`, queued behind a piece of
work, is both the health check and the proof that a slot is free: native code that cannot be interrupted has
returned.

Utterances that came while the thread was busy are transcribed together, as many as suit the engine; none
waits for a batch to fill. Each also queues one run of `_serve` on the thread; a run that finds the queue
empty, because an earlier one took all, does nothing.

The thread has a higher niceness than the rest, as have the threads that the engine starts from it: on a
machine shared with Asterisk and the audio clock, speech models take what those leave.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from actors.engines.abandonment import AbandonedError, Abandonment
from actors.errors import WorkerLostError
from actors.messages import FurtherEngine, Synthesize, Transcribe, Transcript, WorkKind
from actors.settings import SpeechSettings
from actors.workers.speech_workers import SttWorker, TtsWorker

Result = TypeVar("Result")
Worker = SttWorker | TtsWorker

TRANSCRIPTION_NICENESS = 10
"""On top of the process's. Against a thread without it this is one part CPU to ten."""
SYNTHESIS_NICENESS = 4
"""Lower: the shorter work goes first, and a caller already waits for it in silence."""


@dataclass(eq=False, slots=True)
class _Utterance:
    """One transcription: queued, then with the engine, then answered."""

    request: Transcribe
    abandonment: Abandonment = field(default_factory=Abandonment)
    transcript: Future[Transcript] = field(default_factory=Future)

    def answer(self, outcome: Transcript | BaseException) -> None:
        """Answer the request, if it still waits."""
        if isinstance(outcome, AbandonedError):  # by its asker, who waits no more, or by `stop`
            outcome = _stopped()
        if isinstance(outcome, BaseException):
            self.transcript.set_exception(outcome)
        else:
            self.transcript.set_result(outcome)


def speech_thread(kind: WorkKind, speech: SpeechSettings, name: str, slots: int) -> WorkerThread:
    """Return a thread that loads the configured engine of a kind."""
    if kind is WorkKind.TRANSCRIPTION:
        return WorkerThread(partial(SttWorker, speech), name, slots, TRANSCRIPTION_NICENESS)
    return WorkerThread(partial(TtsWorker, speech), name, slots, SYNTHESIS_NICENESS)


class WorkerThread:
    """Loads a worker at once, in the background, and runs its requests."""

    def __init__(
        self,
        make: Callable[[], Worker],
        name: str,
        slots: int = 1,
        niceness: int = TRANSCRIPTION_NICENESS,
    ) -> None:
        """`make` builds the worker; what it or loading raises, `idle` and every request raise.

        `slots`: how many requests may be under way; so many may also wait, and no more. `niceness` comes
        on top of the process's.
        """
        self._name = name
        self._slots = slots
        self._lock = threading.Lock()
        """Over the queue, the batch and the stop: the event loop and the worker's thread share them."""
        self._queue: deque[_Utterance] = deque()
        self._batch: Sequence[_Utterance] = ()
        self._is_stopped = False
        self._executor = ThreadPoolExecutor(
            max_workers=1, thread_name_prefix=name, initializer=_raise_niceness, initargs=(niceness,)
        )
        self._worker: Future[Worker] = self._executor.submit(_loaded, make)

    async def idle(self) -> None:
        """Return once the model is loaded and what was asked before is done. Raises what loading raised."""
        await self._run(self._worker.result)

    async def transcribe(self, request: Transcribe) -> Transcript:
        """Transcribe, together with what else is queued. Cancelled, the work stops at its next step.

        Raises EngineError, or WorkerLostError if the worker was stopped or is given too much.
        """
        utterance = _Utterance(request)
        self._enqueue(utterance)
        try:
            return await asyncio.wrap_future(utterance.transcript)
        except asyncio.CancelledError:
            self._abandon(utterance)
            raise

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

    async def prepare(self, engines: Sequence[FurtherEngine]) -> dict[str, str]:
        """Have a text-to-speech worker load these engines, between two pieces of work.

        Returns for each that cannot be used the reason.
        """

        def load() -> dict[str, str]:
            worker = self._worker.result()
            assert isinstance(worker, TtsWorker)
            return worker.prepare(engines)

        return await self._run(load)

    def check(self) -> None:
        """Raise WorkerLostError once the thread was stopped."""
        if self._is_stopped:
            raise _stopped()

    def stop(self) -> None:
        """Take no more work, fail what waits, end the thread after its current step. Idempotent."""
        with self._lock:
            self._is_stopped = True
            waiting = [utterance for utterance in self._queue if _may_begin(utterance)]
            self._queue.clear()
            for utterance in self._batch:
                utterance.abandonment.set()
        self._executor.shutdown(wait=False, cancel_futures=True)
        for utterance in waiting:
            utterance.answer(_stopped())

    async def _run(self, work: Callable[[], Result]) -> Result:
        try:
            future = self._executor.submit(work)
        except RuntimeError:
            raise _stopped() from None
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise _stopped() from None  # what it waited for was cancelled, not the asker

    def _enqueue(self, utterance: _Utterance) -> None:
        """Queue an utterance, and a run of `_serve` for it."""
        with self._lock:
            if self._is_stopped:
                raise _stopped()
            # A worker has no more leases than slots: more than that is a defect.
            if len(self._queue) >= self._slots:
                raise WorkerLostError(f"{self._name} has {self._slots} slots and as many requests waiting")
            try:
                self._executor.submit(self._serve)
            except RuntimeError:  # the process ends
                raise _stopped() from None
            self._queue.append(utterance)

    def _abandon(self, utterance: _Utterance) -> None:
        with self._lock, suppress(ValueError):  # it is with the engine, or answered
            self._queue.remove(utterance)
        utterance.abandonment.set()

    def _serve(self) -> None:
        """Transcribe what is queued, as many as go together. On the worker's thread."""
        try:
            worker = self._worker.result()
            assert isinstance(worker, SttWorker)
            size = worker.batch_size
        except BaseException as error:  # it could not be loaded: this is every answer
            for utterance in self._take(self._slots):
                utterance.answer(error)
            return
        batch = self._take(size)
        if not batch:
            return
        outcomes: Sequence[Transcript | BaseException]
        try:
            outcomes = worker.transcribe_batch(
                [utterance.request for utterance in batch], [utterance.abandonment for utterance in batch]
            )
        except BaseException as error:  # no request may be left without an answer
            outcomes = [error] * len(batch)
        for utterance, outcome in zip(batch, outcomes, strict=True):
            utterance.answer(outcome)
        with self._lock:
            self._batch = ()

    def _take(self, size: int) -> Sequence[_Utterance]:
        """Move what is queued to the engine, at most `size`."""
        with self._lock:
            taken = [self._queue.popleft() for _ in range(min(size, len(self._queue)))]
            self._batch = [utterance for utterance in taken if _may_begin(utterance)]
            return self._batch


def _may_begin(utterance: _Utterance) -> bool:
    """Whether its asker still waits; from now on the work can only be abandoned."""
    return utterance.transcript.set_running_or_notify_cancel()


def _raise_niceness(niceness: int) -> None:
    """Linux keeps niceness per thread, and new threads inherit it (setpriority(2), NOTES)."""
    thread_id = threading.get_native_id()
    os.setpriority(os.PRIO_PROCESS, thread_id, os.getpriority(os.PRIO_PROCESS, thread_id) + niceness)


def _loaded(make: Callable[[], Worker]) -> Worker:
    worker = make()
    worker.load()
    return worker


def _stopped() -> WorkerLostError:
    return WorkerLostError("the worker was stopped")
