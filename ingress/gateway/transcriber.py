"""Utterances to words, in their turn or ahead of it.

A transcription may be begun ahead of its turn, at a pause that may become the end. Until its turn comes it
gets a slot only if another one stays free; from then on it is final work.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from actors.errors import RaymalError
from actors.messages import Transcribe
from actors.pool.speech_pool import SpeechPool, Transcription
from ingress.configuration.extensions import Extension
from ingress.gateway.turn_call import now_s
from ingress.link.messages import ListenOptions, TranscribeAhead, Utterance

MAXIMUM_EXPECTED = 1_000
"""Characters of words that a model may expect; whisper has room for 223 tokens."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ahead:
    """A transcription begun at a pause. Cancel the task when it is not needed."""

    turn: int
    """The turn that may use it."""
    began_s: float
    """On the event loop's clock."""
    task: asyncio.Task[Transcription | None]
    """None: it failed, and the turn has to transcribe by itself."""


class Transcriber:
    """For all calls of a gateway; holds nothing of one."""

    def __init__(self, pool: SpeechPool, deadline_s: float) -> None:
        """`deadline_s`: for one utterance, the wait for a slot included."""
        self._pool = pool
        self._deadline_s = deadline_s

    def begin_ahead(self, request: TranscribeAhead, extension: Extension) -> Ahead | None:
        """Begin to transcribe what may be a whole utterance; None if that is not to be done now."""
        if not self._pool.decision.allows_ahead:
            return None
        task = asyncio.create_task(self._transcribe_ahead(request, extension.spoken_in(request.language)))
        return Ahead(request.turn, now_s(), task)

    async def transcription(
        self, utterance: Utterance, extension: Extension, ahead: Ahead | None
    ) -> tuple[Transcription, float, bool]:
        """Return the transcription, when it got its slot, and whether it was begun ahead.

        `extension` is in the call's language, if that is known. Raises as `SpeechPool.transcribe` does.
        """
        if ahead is not None:
            if not ahead.task.done():
                self._pool.promote(utterance.call_id)
            result = await ahead.task
            if result is not None:
                return result, ahead.began_s + result.lease_wait_ms / 1000.0, True
        began_s = now_s()
        result = await self._transcribe(utterance, extension)
        return result, began_s + result.lease_wait_ms / 1000.0, False

    async def _transcribe_ahead(self, request: TranscribeAhead, extension: Extension) -> Transcription | None:
        try:
            return await self._transcribe(request, extension, is_ahead=True)
        except RaymalError as error:
            log.debug("call %s: ahead of time: %s", request.call_id, error)
            return None

    async def _transcribe(
        self, utterance: Utterance | TranscribeAhead, extension: Extension, is_ahead: bool = False
    ) -> Transcription:
        spoken = extension.spoken_in(utterance.listening.language)
        work = Transcribe(
            utterance.call_id,
            utterance.audio,
            spoken.language,
            may_retry=self._pool.decision.allows_retry,
            languages=spoken.languages,
            hot_words=words_to_expect(utterance.listening, extension.dialog.hot_words),
            prompt=utterance.listening.initial_prompt or extension.dialog.initial_prompt,
        )
        return await self._pool.transcribe(work, self._deadline_s, is_ahead)


def words_to_expect(listening: ListenOptions, always: Sequence[str]) -> tuple[str, ...]:
    """Return the words for the speech model: answers that are expected first, as many as it has room for.

    `always`: those of the extension, last.
    """
    words, room = [], MAXIMUM_EXPECTED
    for word in dict.fromkeys((*listening.expected_words, *listening.hot_words, *always)):
        room -= len(word)
        if room < 0:
            break
        words.append(word)
    return tuple(words)
