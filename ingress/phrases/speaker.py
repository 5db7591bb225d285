"""Text to audio, made once: the way of every sentence from a dialog to the caller.

| the sentence | its audio |
|---|---|
| was said before | from memory: at once, without a slot, a worker or a network |
| is being made for another call | shared with that call (`ingress.phrases.shared_synthesis`) |
| is fixed, and on disk | read, within `DISK_DEADLINE_S` |
| anything else | synthesised, then kept in memory, and on disk if it is fixed |

It gets speakable text (`actors.speakable`), in pieces that take about 10 s to say: a sentence is mostly one.
Answers are spoken sentence by sentence, so the fixed parts of a changing answer are found as well. Fixed is
what its dialog or the operator declared to be the same for every caller. The disk is used in a thread of its
own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from actors.engines.registry import real_time_factor
from actors.messages import Decision, Priority, Synthesize
from actors.pool.speech_pool import SpeechPool
from actors.settings import SpeechSettings
from actors.speakable import SpeakableText
from actors.speakable.pieces import weight
from actors.telephone import BYTES_PER_SAMPLE, TELEPHONE_RATE_HZ, audio_duration_ms
from ingress.configuration.extensions import Extension
from ingress.configuration.settings import CacheSettings
from ingress.phrases.disk import Label, PhraseStore, phrase_store
from ingress.phrases.key import phrase_key
from ingress.phrases.memory import PhraseCache
from ingress.phrases.pace import Pace, Paces
from ingress.phrases.shared_synthesis import SharedSynthesis

PIECE_BYTES = 2 * TELEPHONE_RATE_HZ * BYTES_PER_SAMPLE
"""Audio from the cache goes out in pieces of two seconds, as the engines' does."""
DISK_DEADLINE_S = 0.1
"""A phrase that the disk has not delivered by then is made."""
WRITE_DEADLINE_S = 5.0
MAXIMUM_DISK_JOBS = 64
"""Reads and writes that may wait for the disk; further ones are not done: the phrase is made again."""
BACKGROUND_CALL_ID = "phrases"
"""Call id of phrases made ahead of any call. No session has it, so to the manager it is background work."""

T = TypeVar("T")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SpokenPiece:
    """A piece of a sentence's audio, in order."""

    audio: bytes
    """8 kHz int16 mono, never empty, at most a few seconds."""
    is_cached: bool
    """Whether it needed no synthesis; the same for every piece of one sentence."""


class Speaker:
    """Speaks sentences for all calls of a gateway. For one event loop."""

    def __init__(self, pool: SpeechPool, speech: SpeechSettings, cache: CacheSettings) -> None:
        self.unmade: dict[tuple[str, str], str] = {}
        """Extensions and their fixed sentences that cannot be made, and why (`ingress.phrases.warming`)."""
        self._pool = pool
        self._speech = speech
        self._memory = PhraseCache(cache.memory_bytes)
        self._store = phrase_store(cache)
        self._disk_thread = ThreadPoolExecutor(1, thread_name_prefix="phrases")
        self._disk_jobs: set[asyncio.Future[Any]] = set()
        self._is_closed = False
        self._paces = Paces()
        self._joinable: dict[str, SharedSynthesis] = {}
        """The synthesis under way that a further call may join, by the sentence's key."""
        self._running: set[SharedSynthesis] = set()

    @property
    def decision(self) -> Decision:
        """The manager's current orders."""
        return self._pool.decision

    @property
    def keeps_anything(self) -> bool:
        """Whether there is any room at all for phrases."""
        return self._store is not None or self._memory.capacity_bytes > 0

    def expect(self, extension: Extension) -> None:
        """Learn what an extension's engine says of its speed. Imports the engine's module: blocking."""
        self._paces.expect(extension.tts, real_time_factor(self._speech.for_engine(extension.tts)))

    def pace(self, extension: Extension) -> Pace:
        """Return how fast an extension's engine works."""
        return self._paces.of(extension.tts, extension.language)

    def is_ready(self, text: SpeakableText, extension: Extension) -> bool:
        """Whether that sentence is in memory."""
        return self._key(text, extension) in self._memory

    async def speak(
        self, text: SpeakableText, extension: Extension, call_id: str, is_fixed: bool, deadline_s: float
    ) -> AsyncGenerator[SpokenPiece, None]:
        """Yield one sentence's audio; if `is_fixed` it may be kept on disk.

        Raises as `SpeechPool.synthesize` does. Closing the iterator frees the slot, unless another call waits
        for the same sentence.
        """
        key = self._key(text, extension)
        audio = self._memory.get(key)
        if audio is None and is_fixed and key not in self._joinable:
            audio = await self._read(key) or self._memory.get(key)  # made meanwhile
        if audio is not None:
            for start in range(0, len(audio), PIECE_BYTES):
                yield SpokenPiece(audio[start : start + PIECE_BYTES], is_cached=True)
            return
        synthesis = self._synthesis(text, extension, call_id, extension.priority, deadline_s)
        synthesis.is_fixed |= is_fixed
        async with aclosing(synthesis.follow(deadline_s)) as pieces:
            async for piece in pieces:
                yield SpokenPiece(piece, is_cached=False)

    async def recall(self, text: SpeakableText, extension: Extension) -> bool:
        """Whether a fixed sentence is in memory or on disk; if so, it is copied to the other, if missing."""
        key = self._key(text, extension)
        audio = self._memory.get(key)
        if audio is None:
            return await self._read(key) is not None
        if not await self._on_disk(lambda store: store.keep(key), WRITE_DEADLINE_S):
            await self._on_disk(self._write(text, extension, audio), WRITE_DEADLINE_S)
        return True

    async def render(self, text: SpeakableText, extension: Extension) -> bool:
        """Make a fixed sentence as background work; return whether it is on disk. Raises as `speak` does."""
        deadline_s = self._speech.synthesis_deadline_s
        synthesis = self._synthesis(text, extension, BACKGROUND_CALL_ID, Priority.BACKGROUND, deadline_s)
        async with aclosing(synthesis.follow(deadline_s)) as pieces:
            audio = b"".join([piece async for piece in pieces])
        return bool(await self._on_disk(self._write(text, extension, audio), WRITE_DEADLINE_S))

    async def close(self) -> None:
        """Stop all syntheses; wait for what is being written. Idempotent."""
        self._is_closed = True
        pending = {synthesis.task for synthesis in self._running} | self._disk_jobs
        for synthesis in tuple(self._running):
            synthesis.cancel()
        if pending:
            await asyncio.wait(pending, timeout=WRITE_DEADLINE_S)
        self._disk_thread.shutdown(wait=False)

    def _key(self, text: SpeakableText, extension: Extension) -> str:
        return phrase_key(
            self._speech.for_engine(extension.tts), extension.language, extension.spoken_voice, text
        )

    def _synthesis(
        self, text: SpeakableText, extension: Extension, call_id: str, priority: Priority, deadline_s: float
    ) -> SharedSynthesis:
        """Return the sentence's synthesis under way, unless it waits in a lower class, else a new one."""
        key = self._key(text, extension)
        synthesis = self._joinable.get(key)
        if synthesis is None or not synthesis.serves(priority):
            request = Synthesize(call_id, text, extension.language, extension.spoken_voice, extension.tts)
            chunks = self._pool.synthesize(request, deadline_s)
            synthesis = SharedSynthesis(chunks, priority, partial(self._ended, text, extension))
            self._joinable[key] = synthesis
            self._running.add(synthesis)
            synthesis.task.add_done_callback(lambda _: self._running.discard(synthesis))
        return synthesis

    def _ended(self, text: SpeakableText, extension: Extension, synthesis: SharedSynthesis) -> None:
        key = self._key(text, extension)
        if self._joinable.get(key) is synthesis:
            del self._joinable[key]
        if synthesis.is_complete:
            audio = b"".join(synthesis.pieces)
            self._memory.put(key, audio)
            self._paces.note(
                extension.tts,
                extension.language,
                weight(text),
                synthesis.first_ms / 1000.0,
                synthesis.whole_ms / 1000.0,
                audio_duration_ms(audio) / 1000.0,
            )
            if synthesis.is_fixed:
                self._disk_job(self._write(text, extension, audio))

    # The disk

    async def _read(self, key: str) -> bytes | None:
        """Return the phrase from disk, and keep it in memory."""
        audio = await self._on_disk(lambda store: store.read(key), DISK_DEADLINE_S)
        if audio is not None:
            self._memory.put(key, audio)
        return audio

    def _write(
        self, text: SpeakableText, extension: Extension, audio: bytes
    ) -> Callable[[PhraseStore], bool]:
        """Return the job that writes a phrase."""
        key = self._key(text, extension)
        label = Label(text, extension.language, extension.spoken_voice, extension.tts or self._speech.tts)
        return lambda store: store.write(key, label, audio)

    async def _on_disk(self, job: Callable[[PhraseStore], T], deadline_s: float) -> T | None:
        """Return what the job returns; None if there is no disk or it takes too long."""
        future = self._disk_job(job)
        if future is None:
            return None
        await asyncio.wait((future,), timeout=deadline_s)
        if future.done():
            return future.result()
        log.debug("the disk of the phrase cache did not answer within %.1f s", deadline_s)
        return None

    def _disk_job(self, job: Callable[[PhraseStore], T]) -> asyncio.Future[T] | None:
        """Do the job in the disk's thread; None if there is no disk or too many jobs wait for it."""
        if self._store is None or self._is_closed or len(self._disk_jobs) >= MAXIMUM_DISK_JOBS:
            return None
        future = asyncio.get_running_loop().run_in_executor(self._disk_thread, job, self._store)
        self._disk_jobs.add(future)
        future.add_done_callback(self._disk_jobs.discard)
        return future
