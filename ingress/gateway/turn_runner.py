"""One turn in the gateway: words from audio, an answer from the dialog, audio from the answer.

History and dialog state come with the request, so that any gateway can run a turn. What the manager's
decision forbids (work ahead of time, a second decoding, long answers) is looked up each time where it
applies.

| what fails | then |
|---|---|
| a transcription | the dialog gets "not understood", never words |
| a synthesis, or a slot in time | the turn ends with the reason, and the caller hears an apology |
| the dialog | the same; the reason names the place in its code and quotes nothing |
| the dialog's next action within `dialog.deadline_s` | the same |

Sentences are sent as they are made: the caller hears the first while the next is synthesised. One that takes
long to say is made in pieces, one that takes long to make in clauses (`ingress.gateway.early_speech`). The
gateway makes no further piece while it is `LEAD_S` ahead of what has been played on that leg, so that a long
answer fills no memory. Engines get speakable text; the history has the written one.

A transcription may have been begun ahead of its turn, at a pause that then became the end. Until its turn
comes it gets a slot only if another one stays free; from then on it is final work. The stages of the turn
count from its request on: what the caller waits for, so little or nothing in that case.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

from actors.errors import (
    CapacityError,
    DialogError,
    EngineError,
    LinkError,
    MessageTooLargeError,
    RaymalError,
    WorkerLostError,
    described,
)
from actors.messages import Doubt, SessionActivity, Transcribe
from actors.pool.speech_pool import SpeechPool, Transcription
from actors.sentences import split_sentences
from actors.settings import SpeechSettings
from actors.speakable import speakable_pieces
from actors.telephone import BYTES_PER_SAMPLE, TELEPHONE_RATE_HZ, audio_duration_ms
from ingress.configuration.extensions import Extension
from ingress.dialogs.actions import checked_action
from ingress.dialogs.base import (
    CallBegan,
    CallerNotUnderstood,
    CallerPressed,
    CallerSaid,
    CollectKeys,
    Dialog,
    DialogAction,
    DialogCall,
    DialogEvent,
    EndCall,
    Interrupted,
    LegJoined,
    LegLeft,
    Listen,
    NothingHeard,
    PlayContinuousTone,
    PlayFile,
    Say,
    SetVariable,
    Transfer,
)
from ingress.dialogs.matching.expected import match_expected
from ingress.dialogs.run import DialogRun, failure_of
from ingress.dialogs.state import encoded_state
from ingress.gateway.audio_files import AudioFiles
from ingress.gateway.call_language import confidence_of, found_language
from ingress.gateway.key_stop import KeyStop
from ingress.gateway.lead import Lead
from ingress.gateway.sentence_speech import LEAD_S, SentenceSpeech
from ingress.link.messages import (
    CallStarted,
    Digits,
    Greet,
    HangUp,
    Heard,
    KeysWanted,
    LegChanged,
    LegName,
    ListenOptions,
    ListenTo,
    Message,
    NoInput,
    PlayTone,
    SentenceAudio,
    StateChanged,
    TranscribeAhead,
    TurnDone,
    TurnRequest,
    Utterance,
    VariableSet,
)
from ingress.link.records import StageTimes
from ingress.phrases.speaker import Speaker

PIECE_BYTES = TELEPHONE_RATE_HZ * BYTES_PER_SAMPLE
"""Of a file: a second."""
MAXIMUM_EXPECTED = 1_000
"""Characters of words that a model is told to expect; whisper has room for 223 tokens."""

log = logging.getLogger(__name__)


class TurnCall(Protocol):
    """The call that a turn belongs to."""

    started: CallStarted
    extension: Extension

    async def send(self, message: Message) -> None:
        """Send to the call's media worker, as fast as that reads. Raises LinkError."""

    def turn_to(self, activity: SessionActivity) -> None:
        """Called when the call begins to be transcribed, thought about or spoken to."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """A transcription begun at a pause. Cancel the task when it is not needed."""

    turn: int
    """The turn that may use it."""
    began_s: float
    """On the event loop's clock."""
    task: asyncio.Task[Transcription | None]
    """None: it failed, and the turn has to transcribe by itself."""


@dataclass(eq=False)
class TurnRunner:
    """Runs turns for all calls of a gateway; holds no state of one."""

    pool: SpeechPool | None
    """None, as the speaker: no extension may need speech."""
    speaker: Speaker | None
    speech: SpeechSettings
    dialog_of: Callable[[Extension], Dialog]
    files: AudioFiles = field(default_factory=AudioFiles)
    ahead_begun: int = 0
    ahead_used: int = 0
    """Those whose words became a turn's; the rest was dropped, or failed."""

    def begin_ahead(self, request: TranscribeAhead, extension: Extension) -> Ahead | None:
        """Begin to transcribe what may be a whole utterance; None if that is not to be done (now)."""
        pool = self.pool
        if pool is None or not extension.needs_speech or not pool.decision.allows_ahead:
            return None
        self.ahead_begun += 1
        spoken = extension.spoken_in(request.language)
        task = asyncio.create_task(self._transcribe_ahead(pool, request, spoken))
        return Ahead(request.turn, _now_s(), task)

    async def run(
        self,
        request: TurnRequest,
        call: TurnCall,
        ahead: Ahead | None = None,
        key_stop: KeyStop | None = None,
    ) -> None:
        """Run one turn to its `TurnDone`. Raises LinkError.

        `ahead` is what was begun for this turn's utterance; it is cancelled with the turn.
        `key_stop`: how a key stops what it says.
        """
        turn = _Turn(self, request, call, ahead, key_stop or KeyStop())
        failure: str | None = None
        try:
            await turn.run()
        except MessageTooLargeError as error:  # the link itself is there: the caller hears the apology
            failure = str(error)
        except LinkError:
            raise
        except CapacityError as error:
            failure = f"no free slot in time: {described(error)}"
        except RaymalError as error:
            failure = described(error)
        except (Exception, SystemExit, KeyboardInterrupt, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and _is_cancelled():
                raise
            failure = failure_of(error)  # a dialog may be anyone's code
        if failure is not None:
            log.warning("call %s turn %d: %s", request.call_id, request.turn, failure)
        self.ahead_used += turn.was_ahead
        await call.send(
            TurnDone(
                call_id=request.call_id,
                turn=request.turn,
                stages=turn.stages,
                failure=failure,
                was_understood=turn.was_understood,
                doubt=turn.doubt,
                transcription_failure=turn.transcription_failure,
            )
        )

    async def transcribe(
        self,
        pool: SpeechPool,
        utterance: Utterance | TranscribeAhead,
        extension: Extension,
        is_ahead: bool = False,
    ) -> Transcription:
        """Have an utterance transcribed. Raises as `SpeechPool.transcribe` does.

        `extension` is in the call's language, if that is known.
        """
        listening = utterance.listening
        spoken = extension.spoken_in(listening.language)
        work = Transcribe(
            utterance.call_id,
            utterance.audio,
            spoken.language,
            may_retry=pool.decision.allows_retry,
            languages=spoken.languages,
            hot_words=words_to_expect(listening, extension.dialog.hot_words),
        )
        return await pool.transcribe(work, self.speech.transcription_deadline_s, is_ahead)

    async def _transcribe_ahead(
        self, pool: SpeechPool, request: TranscribeAhead, extension: Extension
    ) -> Transcription | None:
        try:
            return await self.transcribe(pool, request, extension, is_ahead=True)
        except RaymalError as error:
            log.debug("call %s: ahead of time: %s", request.call_id, error)
            return None


class _Turn:
    """One turn while it runs."""

    def __init__(
        self,
        runner: TurnRunner,
        request: TurnRequest,
        call: TurnCall,
        ahead: Ahead | None,
        key_stop: KeyStop,
    ) -> None:
        self.stages = StageTimes()
        self.was_ahead = False
        self.was_understood = True
        self.doubt: Doubt | None = None
        self.transcription_failure: str | None = None
        self._runner = runner
        self._request = request
        self._call = call
        self._extension = call.extension.spoken_in(request.language)
        """In the language that is spoken in this turn, as far as that is known."""
        self._ahead = ahead
        self._key_stop = key_stop
        self._pool = runner.pool if call.extension.needs_speech else None
        self._speaker = runner.speaker if call.extension.needs_speech else None
        self._sent_state = b""
        """As the media worker has it."""
        self._sentences = 0
        self._may_interrupt = True
        """Whether speech may stop what is being said."""
        self._has_spoken = False
        self._asked_to_speak_s = 0.0
        self._leads: dict[LegName, Lead] = {}
        self._leg: LegName = request.leg
        """Who hears what the dialog does not address: who the event came from, if somebody is there."""
        if isinstance(request, LegChanged) and not request.is_there:
            self._leg = "caller"

    async def run(self) -> None:
        """Find out what happened, and do what the dialog says about it."""
        match self._request:
            case Greet():
                await self._answer(CallBegan())
            case Digits(digits=digits, is_complete=is_complete, leg=leg):
                await self._answer(CallerPressed(digits, is_complete, leg))
            case NoInput(times=times, leg=leg):
                await self._answer(NothingHeard(times, leg))
            case LegChanged(is_there=is_there):
                await self._answer(LegJoined() if is_there else LegLeft())
            case Utterance() as utterance:
                if self._pool is not None:  # else the dialog does not listen
                    await self._answer(await self._transcribe(utterance, self._pool))

    # What was said

    async def _transcribe(self, utterance: Utterance, pool: SpeechPool) -> DialogEvent:
        self._call.turn_to(SessionActivity.TRANSCRIBING)
        asked_s = _now_s()
        try:
            result, granted_s = await self._transcription(utterance, pool)
        except (WorkerLostError, EngineError) as error:
            log.warning("call %s turn %d: %s", self._request.call_id, self._request.turn, described(error))
            self.was_understood, self.transcription_failure = False, described(error)
            return CallerNotUnderstood(utterance.leg)
        # Only what was waited for in this turn: ahead of time, the lease may be older than its request.
        lease_wait_ms = max(0.0, (granted_s - asked_s) * 1000.0)
        self._note(lease_wait_ms=lease_wait_ms, transcription_ms=_since_ms(asked_s) - lease_wait_ms)
        transcript = result.transcript
        text, self.doubt = transcript.text, transcript.doubt
        language = found_language(transcript) if self._extension.languages else None
        self._extension = self._extension.spoken_in(language)
        await self._call.send(
            Heard(
                call_id=self._request.call_id,
                turn=self._request.turn,
                text=text,
                was_ahead=self.was_ahead,
                language=language,
            )
        )
        self.was_understood = bool(text)
        if not text:
            return CallerNotUnderstood(utterance.leg)
        return CallerSaid(
            text,
            confidence_of(transcript),
            transcript.language or None,
            transcript.language_probability,
            match_expected(text, utterance.listening.expected_words, transcript.language),
            utterance.leg,
        )

    async def _transcription(self, utterance: Utterance, pool: SpeechPool) -> tuple[Transcription, float]:
        """Return the transcription, begun ahead if it was, and when it got its slot."""
        ahead = self._ahead
        if ahead is not None:
            if not ahead.task.done():
                pool.promote(utterance.call_id)
            result = await ahead.task
            if result is not None:
                self.was_ahead = True
                return result, ahead.began_s + result.lease_wait_ms / 1000.0
        began_s = _now_s()
        result = await self._runner.transcribe(pool, utterance, self._extension)
        return result, began_s + result.lease_wait_ms / 1000.0

    # What is answered

    async def _answer(self, event: DialogEvent) -> None:
        """Have the dialog respond, first to the interruption that this turn began with, if it did."""
        self._call.turn_to(SessionActivity.THINKING)
        self._sent_state = encoded_state(self._request.state)
        call, asked_s = self._dialog_call(), _now_s()
        if self._request.interrupted is not None:
            await self._note_interruption(Interrupted(self._request.interrupted, self._request.leg), call)
        await self._key_stop.run(self._respond(event, call, asked_s))

    async def _note_interruption(self, event: Interrupted, call: DialogCall) -> None:
        """Let the dialog take note: what it remembers counts, and nothing that it yields is done.

        Else a dialog that does the same about every event would answer twice.
        """
        run = self._begin(event, call)
        try:
            await run.next()
            await self._send_state(call)
        finally:
            await run.close()

    def _begin(self, event: DialogEvent, call: DialogCall) -> DialogRun:
        dialog = self._runner.dialog_of(self._call.extension)
        return DialogRun.of(dialog, event, call, self._call.extension.dialog.deadline_s)

    async def _respond(self, event: DialogEvent, call: DialogCall, asked_s: float) -> None:
        """Do each action as it is yielded."""
        run = self._begin(event, call)
        try:
            while (action := await run.next()) is not None:
                if self.stages.dialog_ms is None:
                    self._note(dialog_ms=_since_ms(asked_s))
                await self._send_state(call)
                await self._do(action)
            await self._send_state(call)
        finally:
            await run.close()

    def _dialog_call(self) -> DialogCall:
        started, extension = self._call.started, self._extension
        return DialogCall(
            call_id=started.call_id,
            extension=extension.name,
            language=self._request.language or extension.language,
            caller_number=started.caller_number,
            caller_name=started.caller_name,
            started_at=datetime.fromtimestamp(started.started_at_s, UTC),
            has_return_leg=self._request.has_return_leg,
            history=self._request.history,
            state=json.loads(self._sent_state),  # a copy: the dialog changes it in place
        )

    async def _send_state(self, call: DialogCall) -> None:
        """Send the dialog's state if it has changed: before the messages of the action that goes with it."""
        state = encoded_state(call.state)
        if state != self._sent_state:
            self._sent_state = state
            await self._call.send(
                StateChanged(call_id=call.call_id, turn=self._request.turn, state=json.loads(state))
            )

    async def _do(self, action: DialogAction) -> None:
        call_id, turn = self._request.call_id, self._request.turn
        match checked_action(action):
            case Say() as say:
                self._may_interrupt = say.may_interrupt
                await self._key_stop.say(self._say(say))
            case PlayFile() as file:
                self._may_interrupt = file.may_interrupt
                await self._key_stop.say(self._play(file))
            case CollectKeys() as keys:
                await self._call.send(self._keys_wanted(keys))
            case Listen() as listen:
                await self._call.send(self._listen_to(listen))
            case PlayContinuousTone(frequency_hz):
                await self._call.send(PlayTone(call_id=call_id, turn=turn, frequency_hz=frequency_hz))
            case EndCall() | Transfer() if self._key_stop.cut_something:
                pass  # the key is answered instead
            case EndCall(reason, leg):
                await self._call.send(HangUp(call_id=call_id, turn=turn, leg=leg, reason=reason))
            case Transfer(target, reason):
                await self._call.send(HangUp(call_id=call_id, turn=turn, transfer_to=target, reason=reason))
            case SetVariable(name, value):
                await self._call.send(VariableSet(call_id=call_id, turn=turn, name=name, value=value))
            case _:
                raise DialogError(f"the dialog yielded a {type(action).__name__}, which is no action")

    def _keys_wanted(self, collect: CollectKeys) -> KeysWanted:
        return KeysWanted(
            call_id=self._request.call_id,
            turn=self._request.turn,
            leg=collect.leg or self._request.leg,
            count=collect.count,
            terminator=collect.terminator,
            gap_s=collect.gap_s,
        )

    def _listen_to(self, listen: Listen) -> ListenTo:
        options = ListenOptions(
            end_silence_ms=listen.end_silence_ms,
            hot_words=tuple(listen.hot_words),
            expected_words=tuple(listen.expected_words),
            language=listen.language,
            no_input_s=listen.no_input_s,
        )
        leg = listen.leg or self._request.leg
        return ListenTo(call_id=self._request.call_id, turn=self._request.turn, leg=leg, options=options)

    async def _say(self, say: Say) -> None:
        if self._speaker is None:
            raise DialogError("the dialog was declared to need no speech, and asked to speak")
        leg = say.leg or self._leg
        if not self._has_spoken:
            self._asked_to_speak_s = _now_s()
        deadline_s = self._runner.speech.synthesis_deadline_s
        lead = self._leads.setdefault(leg, Lead())
        speech = SentenceSpeech(self._speaker, lead, self._request.call_id, deadline_s, self._count_part)
        for sentence in split_sentences(self._wording(say, self._speaker)):
            pieces = speakable_pieces(sentence, self._extension.language)
            if pieces:  # else there is nothing to say, and nothing to remember as heard
                self._sentences += 1
                send = partial(self._send_audio, sentence, leg=leg)
                await speech.speak(pieces, self._extension, say.is_fixed, send)
                await self._send_audio(sentence, b"", leg, is_last=True)

    async def _play(self, file: PlayFile) -> None:
        """Play a file; it counts as heard by its name."""
        leg = file.leg or self._leg
        if not self._has_spoken:
            self._asked_to_speak_s = _now_s()
        audio = await self._runner.files.audio(self._extension.dialog.audio_folder, file.path)
        self._sentences += 1
        lead = self._leads.setdefault(leg, Lead())
        for start in range(0, len(audio), PIECE_BYTES):
            await asyncio.sleep(lead.ahead_s(_now_s()) - LEAD_S)
            await self._send_audio(file.path, audio[start : start + PIECE_BYTES], leg)
        await self._send_audio(file.path, b"", leg, is_last=True)

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
        if is_cached:
            self._note(cache_hits=self.stages.cache_hits + 1)
        else:
            self._note(cache_misses=self.stages.cache_misses + 1)

    def _begin_audio(self) -> None:
        """The first audio ends the wait of the turn."""
        if not self._has_spoken:
            self._has_spoken = True
            self._note(synthesis_ms=_since_ms(self._asked_to_speak_s))
            self._call.turn_to(SessionActivity.SPEAKING)

    async def _send_audio(self, text: str, audio: bytes, leg: LegName, is_last: bool = False) -> None:
        if audio:
            self._leads.setdefault(leg, Lead()).add(audio_duration_ms(audio) / 1000.0, _now_s())
            self._begin_audio()
        await self._call.send(
            SentenceAudio(
                call_id=self._request.call_id,
                turn=self._request.turn,
                leg=leg,
                sentence=self._sentences,
                text=text,
                audio=audio,
                is_last=is_last,
                may_interrupt=self._may_interrupt,
                stages=self.stages,
            )
        )

    def _note(self, **stages: float) -> None:
        self.stages = self.stages.model_copy(update=stages)


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


def _is_cancelled() -> bool:
    """Whether this task is cancelled, and not only something that its dialog waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _now_s() -> float:
    return asyncio.get_running_loop().time()


def _since_ms(start_s: float) -> float:
    return (_now_s() - start_s) * 1000.0
