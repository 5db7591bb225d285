"""Text to audio, made once: the way of every sentence from a dialog to the caller.

A sentence that was said before is in memory and goes out at once, without a slot, a worker or a network.
One that is being made for somebody else is shared (`ingress.phrases.shared_synthesis`). Only what is left is
synthesised, and then remembered. Since answers are spoken sentence by sentence, the fixed parts of a
changing answer are found as well.

What goes to disk is only text that its dialog or the operator declared fixed: there a greeting survives
a restart and reaches the media workers. The disk is never waited for longer than the synthesis would be
late by, and never on the event loop. Without a disk, or without any room, everything is simply made.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from actors.messages import Decision, Priority, Synthesize
from actors.pool.speech_pool import SpeechPool
from actors.settings import SpeechSettings
from actors.telephone import BYTES_PER_SAMPLE, TELEPHONE_RATE_HZ
from ingress.configuration.extensions import Extension
from ingress.configuration.settings import CacheSettings
from ingress.phrases.disk import Label, phrase_store
from ingress.phrases.key import phrase_key
from ingress.phrases.memory import PhraseCache
from ingress.phrases.shared_synthesis import SharedSynthesis

PIECE_BYTES = 2 * TELEPHONE_RATE_HZ * BYTES_PER_SAMPLE
"""Audio from the cache goes out in pieces of two seconds, as the engines' does."""
DISK_DEADLINE_S = 0.1
"""A phrase that the disk has not delivered by then is made."""
WRITE_DEADLINE_S = 5.0
MAXIMUM_DISK_JOBS = 64
"""Reads and writes that wait for the disk; what is beyond is left undone: the phrase is made again."""
BACKGROUND_CALL_ID = "phrases"
"""In whose name phrases are made ahead of any call. No session has this id, so the manager takes its work
for background work."""

T = TypeVar("T")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SpokenPiece:
    """A piece of a sentence's audio, in order."""

    audio: bytes
    """8 kHz int16 mono, never empty, at most a few seconds."""
    is_cached: bool
    """Whether it cost nothing; the same for every piece of one sentence."""


class Speaker:
    """Speaks sentences for all calls of a gateway. For one event loop."""

    def __init__(self, pool: SpeechPool, speech: SpeechSettings, cache: CacheSettings) -> None:
        self.unmade: set[tuple[str, str]] = set()
        """Extensions and their fixed sentences that could not be made so far (`ingress.phrases.warming`)."""
        self._pool = pool
        self._speech = speech
        self._memory = PhraseCache(cache.memory_bytes)
        self._store = phrase_store(cache)
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="phrases")
        self._disk_jobs: set[asyncio.Future[Any]] = set()
        self._is_closed = False
        self._under_way: dict[str, SharedSynthesis] = {}
        """What more of its kind may join."""
        self._fixed: dict[str, Label] = {}
        """Sentences under way that are to be written to disk."""
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def decision(self) -> Decision:
        """The manager's current orders."""
        return self._pool.decision

    @property
    def keeps_anything(self) -> bool:
        """Whether there is any room at all for phrases."""
        return self._store is not None or self._memory.capacity_bytes > 0

    @property
    def memory_bytes(self) -> int:
        """What the sentences in memory take."""
        return self._memory.size_bytes

    def is_ready(self, text: str, extension: Extension) -> bool:
        """Whether that sentence is in memory."""
        return self._key(text, extension) in self._memory

    async def speak(
        self, text: str, extension: Extension, call_id: str, is_fixed: bool, deadline_s: float
    ) -> AsyncGenerator[SpokenPiece, None]:
        """Yield one sentence's audio: from the cache, from a synthesis under way, or from a new one.

        `is_fixed`: the text is the same for every caller and may be kept on disk. Raises as
        `SpeechPool.synthesize` does; closing the iterator frees the slot, unless another call waits for
        the same sentence.
        """
        key = self._key(text, extension)
        audio = self._memory.get(key)
        if audio is None and is_fixed and key not in self._under_way:
            audio = await self._read(key) or self._memory.get(key)  # it may have been made meanwhile
        if audio is not None:
            for piece in _pieces(audio):
                yield SpokenPiece(piece, is_cached=True)
            return
        request = Synthesize(call_id, text, extension.language, extension.voice)
        synthesis = self._synthesis(key, request, extension.priority, deadline_s)
        if is_fixed:
            self._fixed[key] = self._label(text, extension)
        async with aclosing(synthesis.follow(deadline_s)) as pieces:
            async for piece in pieces:
                yield SpokenPiece(piece, is_cached=False)

    # Before any call needs it

    async def recall(self, text: str, extension: Extension) -> bool:
        """Whether a fixed sentence is there, on disk and in memory as far as they are in use.

        Brings it from the one to the other, either way.
        """
        key = self._key(text, extension)
        audio = self._memory.get(key)
        if audio is None:
            return await self._read(key) is not None
        store = self._store
        if store is not None and not await self._on_disk(partial(store.keep, key), WRITE_DEADLINE_S):
            await self._write(key, self._label(text, extension), audio)
        return True

    async def render(self, text: str, extension: Extension) -> bool:
        """Make a fixed sentence as background work. Raises as `speak` does.

        Returns once it is kept, whether it is on disk.
        """
        key = self._key(text, extension)
        deadline_s = self._speech.synthesis_deadline_s
        request = Synthesize(BACKGROUND_CALL_ID, text, extension.language, extension.voice)
        synthesis = self._synthesis(key, request, Priority.BACKGROUND, deadline_s)
        async with aclosing(synthesis.follow(deadline_s)) as pieces:
            async for _ in pieces:
                pass
        return await self._write(key, self._label(text, extension), b"".join(synthesis.pieces))

    async def close(self) -> None:
        """Stop what is being made, and let what is being written be written. Idempotent."""
        self._is_closed = True
        for synthesis in tuple(self._under_way.values()):
            synthesis.cancel()
        if pending := self._tasks | self._disk_jobs:
            await asyncio.wait(pending, timeout=WRITE_DEADLINE_S)
        self._disk.shutdown(wait=False)

    def _synthesis(
        self, key: str, request: Synthesize, priority: Priority, deadline_s: float
    ) -> SharedSynthesis:
        """Return the sentence's synthesis under way, else a new one.

        One that waits for its slot in a lower class than the asker's is not joined: the asker would wait
        behind everybody he is to be served before.
        """
        synthesis = self._under_way.get(key)
        if synthesis is None or not synthesis.serves(priority):
            chunks = self._pool.synthesize(request, deadline_s)
            synthesis = SharedSynthesis(chunks, priority, partial(self._ended, key))
            self._under_way[key] = synthesis
            self._tasks.add(synthesis.task)
            synthesis.task.add_done_callback(self._tasks.discard)
        return synthesis

    def _ended(self, key: str, synthesis: SharedSynthesis) -> None:
        label: Label | None = None
        if self._under_way.get(key) is synthesis:
            del self._under_way[key]
            label = self._fixed.pop(key, None)
        if synthesis.is_complete:
            audio = b"".join(synthesis.pieces)
            self._memory.put(key, audio)
            if label is not None and self._store is not None:
                self._disk_job(partial(self._store.write, key, label, audio))

    def _key(self, text: str, extension: Extension) -> str:
        return phrase_key(self._speech, extension.language, extension.voice, text)

    def _label(self, text: str, extension: Extension) -> Label:
        return Label(text, extension.language, extension.voice, self._speech.tts)

    # The disk

    async def _read(self, key: str) -> bytes | None:
        """Return the phrase from disk, and have it in memory from now on."""
        store = self._store
        if store is None:
            return None
        audio = await self._on_disk(partial(store.read, key), DISK_DEADLINE_S)
        if audio is not None:
            self._memory.put(key, audio)
        return audio

    async def _write(self, key: str, label: Label, audio: bytes) -> bool:
        store = self._store
        if store is None:
            return False
        return bool(await self._on_disk(partial(store.write, key, label, audio), WRITE_DEADLINE_S))

    async def _on_disk(self, job: Callable[[], T], deadline_s: float) -> T | None:
        """Return what the job returns; None if the disk is too slow for it."""
        future = self._disk_job(job)
        if future is None:
            return None
        try:
            async with asyncio.timeout(deadline_s):
                return await asyncio.shield(future)
        except TimeoutError:
            log.debug("the disk of the phrase cache did not answer within %.1f s", deadline_s)
            return None

    def _disk_job(self, job: Callable[[], T]) -> asyncio.Future[T] | None:
        """Have the one disk thread do the job; None if too much waits for it already."""
        if self._is_closed or len(self._disk_jobs) >= MAXIMUM_DISK_JOBS:
            return None
        future = asyncio.get_running_loop().run_in_executor(self._disk, job)
        self._disk_jobs.add(future)
        future.add_done_callback(self._disk_jobs.discard)
        return future


def _pieces(audio: bytes) -> Iterator[bytes]:
    for start in range(0, len(audio), PIECE_BYTES):
        yield audio[start : start + PIECE_BYTES]
