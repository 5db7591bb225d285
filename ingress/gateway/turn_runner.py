"""One turn in the gateway: words from audio, an answer from the dialog, audio from the answer.

Everything a turn needs comes with its request, so that any gateway can run it. Sentences go out as they
are made: the caller hears the first while the next is synthesised, and the gateway stays `LEAD_S` ahead
of the caller's ear at most, so that a long answer does not fill anybody's memory.

A transcription that fails is told to the dialog as "not understood", never as words; a synthesis that
fails ends the turn with its reason, and the caller hears a tone instead of nothing.

A transcription may have been begun ahead of its turn, at a pause that then became the end. The turn's
stages count what the caller waits for: from the turn's request on, so little or nothing in that case.
Work begun ahead gives way to any other until its turn comes; then it is as final as the turn.

Everything is the extension's: language, voice, dialog. What the manager's decision asks for (nothing
ahead of time, nothing decoded twice, short answers) is looked up where it applies, each time anew.
"""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from actors.errors import CapacityError, EngineError, LinkError, RaymalError, WorkerLostError
from actors.messages import SessionActivity, Transcribe
from actors.pool.speech_pool import SpeechPool, Transcription
from actors.sentences import split_sentences
from actors.settings import SpeechSettings
from actors.telephone import audio_duration_ms
from ingress.configuration.extensions import Extension
from ingress.dialogs.base import (
    CallBegan,
    CallerNotUnderstood,
    CallerPressed,
    CallerSaid,
    Dialog,
    DialogCall,
    DialogEvent,
    EndCall,
    PlayContinuousTone,
    Say,
)
from ingress.link.messages import (
    CallStarted,
    Digit,
    Greet,
    HangUp,
    Heard,
    Message,
    PlayTone,
    SentenceAudio,
    TranscribeAhead,
    TurnDone,
    Utterance,
)
from ingress.link.records import StageTimes
from ingress.phrases.speaker import Speaker

LEAD_S = 20.0
"""How far ahead of the caller's ear audio is made."""

Send = Callable[[Message], Awaitable[None]]
OnActivity = Callable[[SessionActivity], None]

T = TypeVar("T")

log = logging.getLogger(__name__)


def _ignore(activity: SessionActivity) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """A transcription begun at a pause. Who does not want it cancels the task."""

    turn: int
    """The turn that may use it."""
    began_s: float
    task: asyncio.Task[Transcription | None]
    """None: it failed, and the turn has to transcribe by itself."""


class TurnRunner:
    """Runs turns for any call; holds no state of one."""

    def __init__(
        self,
        pool: SpeechPool | None,
        speaker: Speaker | None,
        speech: SpeechSettings,
        dialogs: Mapping[str, Dialog],
    ) -> None:
        """`dialogs` by extension; without a pool and a speaker, only such as need no speech."""
        self._pool = pool
        self._speaker = speaker
        self._speech = speech
        self._dialogs = dialogs
        self.ahead_begun = 0
        """Transcriptions begun ahead of time."""
        self.ahead_used = 0
        """Those whose words became a turn's; the rest was dropped, or failed."""

    def begin_ahead(self, request: TranscribeAhead, extension: Extension) -> Ahead | None:
        """Begin to transcribe what may be a whole utterance.

        None if the extension's dialog does not listen, or nothing is to be begun ahead now.
        """
        pool = self._pool
        if pool is None or not self._dialogs[extension.name].needs_speech or not pool.decision.allows_ahead:
            return None
        self.ahead_begun += 1
        work = _transcribe(request.call_id, request.audio, extension, pool)
        return Ahead(request.turn, time.monotonic(), asyncio.create_task(self._transcribe_ahead(pool, work)))

    async def run(
        self,
        request: Greet | Utterance | Digit,
        started: CallStarted,
        extension: Extension,
        send: Send,
        ahead: Ahead | None = None,
        on_activity: OnActivity = _ignore,
    ) -> None:
        """Run one turn to its `TurnDone`. Raises only when the link is gone or the task is cancelled.

        `ahead` is what was begun for this turn's utterance; cancelled with the turn. `on_activity` is
        told when the call begins to be transcribed, thought about or spoken to.
        """
        dialog = self._dialogs[extension.name]
        turn = _Turn(
            self._pool if dialog.needs_speech else None,
            self._speaker if dialog.needs_speech else None,
            self._speech,
            request,
            started,
            extension,
            send,
            ahead,
            on_activity,
        )
        failure: str | None = None
        try:
            event = await turn.event()
            if event is not None:
                await turn.answer(dialog, event)
        except CapacityError as error:
            failure = f"no free slot in time: {error}"
        except LinkError:
            raise
        except RaymalError as error:
            failure = str(error)
        except Exception as error:
            # A dialog is somebody else's code; its mistake must not take the gateway along. The
            # message may quote the caller, so only its type and place are kept.
            failure = f"the dialog failed: {type(error).__name__} at {_place(error)}"
        if failure is not None:
            log.warning("call %s turn %d: %s", request.call_id, request.turn, failure)
        self.ahead_used += turn.was_ahead
        await send(TurnDone(call_id=request.call_id, turn=request.turn, stages=turn.stages, failure=failure))

    async def _transcribe_ahead(self, pool: SpeechPool, work: Transcribe) -> Transcription | None:
        try:
            return await pool.transcribe(work, self._speech.transcription_deadline_s, is_ahead=True)
        except RaymalError as error:
            log.debug("call %s: ahead of time: %s", work.call_id, error)
            return None


class _Turn:
    """The state of one turn while it runs."""

    def __init__(
        self,
        pool: SpeechPool | None,
        speaker: Speaker | None,
        speech: SpeechSettings,
        request: Greet | Utterance | Digit,
        started: CallStarted,
        extension: Extension,
        send: Send,
        ahead: Ahead | None,
        on_activity: OnActivity,
    ) -> None:
        self.stages = StageTimes()
        self.was_ahead = False
        self._ahead = ahead
        self._pool = pool
        self._speaker = speaker
        self._speech = speech
        self._request = request
        self._started = started
        self._extension = extension
        self._send = send
        self._on_activity = on_activity
        self._sentences = 0
        self._sent_audio_s = 0.0
        self._first_audio_s: float | None = None

    async def event(self) -> DialogEvent | None:
        """Return what happened, in the dialog's words; None if this dialog does not listen."""
        match self._request:
            case Greet():
                return CallBegan()
            case Digit(digit=digit):
                return CallerPressed(digit)
            case Utterance(audio=audio):
                return await self._transcribe(audio)

    async def answer(self, dialog: Dialog, event: DialogEvent) -> None:
        """Have the dialog respond, and do what it says as it says it."""
        self._on_activity(SessionActivity.THINKING)
        asked_s = time.monotonic()
        async with _closing(dialog.respond(event, self._call())) as actions:
            async for action in actions:
                if self.stages.dialog_ms is None:
                    self._note(dialog_ms=_since_ms(asked_s))
                match action:
                    case Say():
                        await self._say(action)
                    case PlayContinuousTone(frequency_hz):
                        await self._send(
                            PlayTone(
                                call_id=self._request.call_id,
                                turn=self._request.turn,
                                frequency_hz=frequency_hz,
                            )
                        )
                    case EndCall():
                        await self._send(HangUp(call_id=self._request.call_id, turn=self._request.turn))

    async def _transcribe(self, audio: bytes) -> DialogEvent | None:
        if self._pool is None:
            return None
        self._on_activity(SessionActivity.TRANSCRIBING)
        asked_s = time.monotonic()
        try:
            result, granted_s = await self._transcription(self._pool, audio)
        except (WorkerLostError, EngineError) as error:
            log.warning("call %s turn %d: %s", self._request.call_id, self._request.turn, error)
            return CallerNotUnderstood()
        # Only what was waited for in this turn: ahead of time, the lease may be older than its request.
        lease_wait_ms = max(0.0, (granted_s - asked_s) * 1000.0)
        self._note(lease_wait_ms=lease_wait_ms, transcription_ms=_since_ms(asked_s) - lease_wait_ms)
        text = result.transcript.text
        await self._send(
            Heard(call_id=self._request.call_id, turn=self._request.turn, text=text, was_ahead=self.was_ahead)
        )
        return CallerSaid(text) if text else CallerNotUnderstood()

    async def _transcription(self, pool: SpeechPool, audio: bytes) -> tuple[Transcription, float]:
        """Return the transcription, begun ahead if it was, and when (monotonic) it got its slot."""
        began_s = time.monotonic()
        result: Transcription | None = None
        if self._ahead is not None:
            if not self._ahead.task.done():
                pool.promote(self._request.call_id)
            began_s = self._ahead.began_s
            result = await self._ahead.task
            self.was_ahead = result is not None
        if result is None:
            began_s = time.monotonic()
            work = _transcribe(self._request.call_id, audio, self._extension, pool)
            result = await pool.transcribe(work, self._speech.transcription_deadline_s)
        return result, began_s + result.lease_wait_ms / 1000.0

    async def _say(self, say: Say) -> None:
        if self._speaker is None:
            raise EngineError("this dialog was declared to need no speech, and asked to speak")
        for sentence in self._wording(say, self._speaker):
            await self._speak(self._speaker, sentence, say.is_fixed)

    def _wording(self, say: Say, speaker: Speaker) -> list[str]:
        """Return the sentences to speak: the short ones if they are wanted and the long ones cost work."""
        sentences = split_sentences(say.text)
        if say.short is None or not speaker.decision.prefers_short_answers:
            return sentences
        if all(speaker.is_ready(sentence, self._extension) for sentence in sentences):
            return sentences
        return split_sentences(say.short)

    async def _speak(self, speaker: Speaker, text: str, is_fixed: bool) -> None:
        self._sentences += 1
        await self._keep_lead()
        asked_s = time.monotonic()
        deadline_s = self._speech.synthesis_deadline_s
        has_begun = False
        speech = speaker.speak(text, self._extension, self._request.call_id, is_fixed, deadline_s)
        async with aclosing(speech) as pieces:
            async for piece in pieces:
                if not has_begun:
                    has_begun = True
                    self._begin_sentence(piece.is_cached, asked_s)
                self._sent_audio_s += audio_duration_ms(piece.audio) / 1000.0
                await self._send(self._audio(text, piece.audio, is_last=False))
        await self._send(self._audio(text, b"", is_last=True))

    def _begin_sentence(self, is_cached: bool, asked_s: float) -> None:
        """Count where a sentence came from; the turn's first one also ends its wait."""
        stages = self.stages
        if is_cached:
            self._note(cache_hits=stages.cache_hits + 1)
        else:
            self._note(cache_misses=stages.cache_misses + 1)
        if self._first_audio_s is None:
            self._first_audio_s = time.monotonic()
            self._note(synthesis_ms=_since_ms(asked_s))
            self._on_activity(SessionActivity.SPEAKING)

    async def _keep_lead(self) -> None:
        if self._first_audio_s is None:
            return
        played_s = time.monotonic() - self._first_audio_s
        await asyncio.sleep(max(0.0, self._sent_audio_s - played_s - LEAD_S))

    def _audio(self, text: str, audio: bytes, is_last: bool) -> SentenceAudio:
        return SentenceAudio(
            call_id=self._request.call_id,
            turn=self._request.turn,
            sentence=self._sentences,
            text=text,
            audio=audio,
            is_last=is_last,
            stages=self.stages,
        )

    def _call(self) -> DialogCall:
        """Return the call as its dialog sees it."""
        return DialogCall(
            call_id=self._request.call_id,
            extension=self._extension.name,
            language=self._extension.language,
            caller_number=self._started.caller_number,
            caller_name=self._started.caller_name,
            started_at=datetime.fromtimestamp(self._started.started_at_s, UTC),
            history=self._request.history,
            state=self._request.state,
        )

    def _note(self, **stages: float) -> None:
        self.stages = self.stages.model_copy(update=stages)


def _transcribe(call_id: str, audio: bytes, extension: Extension, pool: SpeechPool) -> Transcribe:
    return Transcribe(call_id, audio, extension.language, may_retry=pool.decision.allows_retry)


@asynccontextmanager
async def _closing(iterator: AsyncIterator[T]) -> AsyncIterator[AsyncIterator[T]]:
    """Close the iterator, if it can be closed, whatever happens."""
    try:
        yield iterator
    finally:
        if isinstance(iterator, AsyncGenerator):
            await iterator.aclose()


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "an unknown place"


def _since_ms(start_s: float) -> float:
    return (time.monotonic() - start_s) * 1000.0
