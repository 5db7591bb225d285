"""One sentence after the other spoken to one leg: whole, or in clauses where a whole one would be late."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing

from actors.speakable import SpeakableText
from actors.speakable.clauses import clauses_of
from actors.speakable.pieces import weight
from ingress.configuration.extensions import Extension
from ingress.gateway.early_speech import is_to_be_cut, silence_s
from ingress.gateway.held_audio import HeldAudio
from ingress.gateway.lead import Lead
from ingress.phrases.speaker import Speaker

LEAD_S = 20.0
"""How far ahead of what has been played audio is made."""

Send = Callable[[bytes], Awaitable[None]]


class SentenceSpeech:
    """Speaks to one leg in one turn."""

    def __init__(
        self, speaker: Speaker, lead: Lead, call_id: str, deadline_s: float, on_part: Callable[[bool], None]
    ) -> None:
        """`deadline_s`: for what is made at a time. `on_part`: called when each begins to come, with whether
        it was in the cache."""
        self._speaker = speaker
        self._lead = lead
        self._call_id = call_id
        self._deadline_s = deadline_s
        self._on_part = on_part

    async def speak(
        self, pieces: Sequence[SpeakableText], extension: Extension, is_fixed: bool, send: Send
    ) -> None:
        """Have one sentence spoken. Raises as `Speaker.speak` does, and what sending raises."""
        parts = await self._parts(pieces, extension, is_fixed)
        held: HeldAudio | None = None
        has_begun = False
        try:
            for part in parts:
                await asyncio.sleep(self._ahead_s() - LEAD_S)
                async with aclosing(self._audio(part, extension, is_fixed)) as audio_pieces:
                    async for audio in audio_pieces:
                        if not has_begun and (held_s := self._silence_s(parts, extension)):
                            held = HeldAudio(send, held_s)
                        has_begun = True
                        await (send(audio) if held is None else held.add(audio))
            if held is not None:
                await held.finish()
        finally:
            if held is not None:
                held.discard()

    async def _parts(
        self, pieces: Sequence[SpeakableText], extension: Extension, is_fixed: bool
    ) -> list[SpeakableText]:
        """Return what is made at a time: clauses where a piece would be waited for too long."""
        parts: list[SpeakableText] = []
        pace, ahead_s = self._speaker.pace(extension), self._ahead_s()
        for piece in pieces:
            if (
                not is_to_be_cut(weight(piece), pace, ahead_s)
                or self._speaker.is_ready(piece, extension)
                or (is_fixed and await self._speaker.recall(piece, extension))
            ):
                parts.append(piece)
            else:
                parts += clauses_of(piece, extension.language)
            ahead_s = 0.0  # what comes before the next one is not there yet
        return parts

    def _silence_s(self, parts: Sequence[SpeakableText], extension: Extension) -> float:
        """Return how long the first part has to be held back."""
        others = [(weight(part), self._speaker.is_ready(part, extension)) for part in parts[1:]]
        return silence_s(weight(parts[0]), others, self._speaker.pace(extension))

    async def _audio(
        self, text: SpeakableText, extension: Extension, is_fixed: bool
    ) -> AsyncGenerator[bytes, None]:
        has_begun = False
        speech = self._speaker.speak(text, extension, self._call_id, is_fixed, self._deadline_s)
        async with aclosing(speech) as pieces:
            async for piece in pieces:
                if not has_begun:
                    has_begun = True
                    self._on_part(piece.is_cached)
                yield piece.audio

    def _ahead_s(self) -> float:
        return self._lead.ahead_s(asyncio.get_running_loop().time())
