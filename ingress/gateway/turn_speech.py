"""What a turn says and plays, on each leg: sent as it is made.

The caller hears the first sentence while the next is synthesised. One that takes long to say is made in
pieces, one that takes long to make in clauses (`ingress.gateway.sentence_speech`). Nothing further is made
while `LEAD_S` of it are still to be played on that leg, so that a long answer fills no memory. Engines get
speakable text; the history has the written one.
"""

from __future__ import annotations

import asyncio
from functools import partial

from actors.errors import DialogError
from actors.messages import SessionActivity
from actors.sentences import split_sentences
from actors.speakable import speakable_pieces
from actors.telephone import BYTES_PER_SAMPLE, TELEPHONE_RATE_HZ, audio_duration_ms
from ingress.configuration.extensions import Extension
from ingress.dialogs.audio_files import AudioFiles
from ingress.dialogs.base import PlayFile, Say
from ingress.gateway.lead import Lead
from ingress.gateway.sentence_speech import LEAD_S, SentenceSpeech
from ingress.gateway.turn_call import Stages, TurnCall, now_s, since_ms
from ingress.link.messages import LegName, SentenceAudio
from ingress.phrases.speaker import Speaker

PIECE_BYTES = TELEPHONE_RATE_HZ * BYTES_PER_SAMPLE
"""Of a file: a second."""


class TurnSpeech:
    """Of one turn."""

    def __init__(
        self,
        call: TurnCall,
        turn: int,
        extension: Extension,
        speaker: Speaker | None,
        files: AudioFiles,
        stages: Stages,
        deadline_s: float,
    ) -> None:
        """`extension` is in the call's language. `speaker`: None, if it needs no speech.

        `deadline_s`: for what is synthesised at a time.
        """
        self._call = call
        self._turn = turn
        self._extension = extension
        self._speaker = speaker
        self._files = files
        self._stages = stages
        self._deadline_s = deadline_s
        self._sentences = 0
        self._may_interrupt = True
        """Whether speech may stop what is being said."""
        self._has_begun = False
        self._asked_s = 0.0
        self._leads: dict[LegName, Lead] = {}

    async def say(self, say: Say, leg: LegName) -> None:
        """Speak a text, sentence by sentence. Raises DialogError, as `Speaker.speak` does, LinkError."""
        if self._speaker is None:
            raise DialogError("the dialog was declared to need no speech, and asked to speak")
        self._ask(say)
        lead = self._leads.setdefault(leg, Lead())
        call_id = self._call.started.call_id
        speech = SentenceSpeech(self._speaker, lead, call_id, self._deadline_s, self._count_part)
        for sentence in split_sentences(self._wording(say, self._speaker)):
            pieces = speakable_pieces(sentence, self._extension.language)
            if pieces:  # else there is nothing to say, and nothing to remember as heard
                self._sentences += 1
                send = partial(self._send, sentence, leg=leg)
                await speech.speak(pieces, self._extension, say.is_fixed, send)
                await self._send(sentence, b"", leg, is_last=True)

    async def play(self, file: PlayFile, leg: LegName) -> None:
        """Play a file; it counts as heard by its name. Raises DialogError, LinkError."""
        self._ask(file)
        audio = await self._files.audio(self._extension.dialog.audio_folder, file.path)
        self._sentences += 1
        lead = self._leads.setdefault(leg, Lead())
        for start in range(0, len(audio), PIECE_BYTES):
            await asyncio.sleep(lead.ahead_s(now_s()) - LEAD_S)
            await self._send(file.path, audio[start : start + PIECE_BYTES], leg)
        await self._send(file.path, b"", leg, is_last=True)

    def _ask(self, action: Say | PlayFile) -> None:
        self._may_interrupt = action.may_interrupt
        if not self._has_begun:
            self._asked_s = now_s()

    def _wording(self, say: Say, speaker: Speaker) -> str:
        """Return the text to speak: the short one if that is preferred and the long one costs work."""
        text, extension = say.text, self._extension
        if say.short is None or not speaker.decision.prefers_short_answers:
            return text
        if all(
            speaker.is_ready(piece, extension)
            for sentence in split_sentences(text)
            for piece in speakable_pieces(sentence, extension.language)
        ):
            return text
        return say.short

    def _count_part(self, is_cached: bool) -> None:
        """Count where a part of a sentence comes from."""
        times = self._stages.times
        if is_cached:
            self._stages.note(cache_hits=times.cache_hits + 1)
        else:
            self._stages.note(cache_misses=times.cache_misses + 1)

    async def _send(self, text: str, audio: bytes, leg: LegName, is_last: bool = False) -> None:
        if audio:
            self._leads[leg].add(audio_duration_ms(audio) / 1000.0, now_s())
            self._begin()
        await self._call.send(
            SentenceAudio(
                call_id=self._call.started.call_id,
                turn=self._turn,
                leg=leg,
                sentence=self._sentences,
                text=text,
                audio=audio,
                is_last=is_last,
                may_interrupt=self._may_interrupt,
                stages=self._stages.times,
            )
        )

    def _begin(self) -> None:
        """The first audio ends the wait of the turn."""
        if not self._has_begun:
            self._has_begun = True
            self._stages.note(synthesis_ms=since_ms(self._asked_s))
            self._call.turn_to(SessionActivity.SPEAKING)
