"""One conversation as the media worker keeps it: pure, no socket, no clock, no Ray.

What must survive a restart of the gateway lives here: the history, the turn under way, what has been
played. Turns are taken one at a time: a turn is asked of the gateway (greeting, utterance or digit), its
sentences arrive as audio and are played, and when the last frame has left the turn is over and the next
one, if the caller has already spoken again, is asked. Messages for the gateway collect in `outbox`.

When the gateway comes back, a turn of which nothing was heard yet is asked again; one that broke off in
mid-answer is closed, because repeating half an answer is worse than its loss.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from actors.messages import audio_duration_ms
from ingress.link_messages import (
    CallStarted,
    Digit,
    Greet,
    HangUp,
    Heard,
    HistoryEntry,
    Message,
    PlayTone,
    SentenceAudio,
    TurnDone,
    TurnFinished,
    Utterance,
)
from ingress.metrics import StageTimes, TurnRecord
from ingress.pacing import FRAME_MS
from ingress.playout import SILENCE_FRAME, Playout
from ingress.tones import endless_tone, failure_tone, waiting_beep
from ingress.utterance import HeardUtterance

MAXIMUM_HISTORY = 64
"""Entries that travel with each request; the oldest are dropped."""
MAXIMUM_WAITING_TURNS = 4
"""Utterances and digits not yet asked for; beyond it the oldest is dropped: it has been overtaken."""
TURN_DEADLINE_S = 30.0
"""Without a word from the gateway for this long a turn has failed."""
WAITING_TONE_AFTER_S = 1.0
"""A shorter absence of the gateway is not worth a beep in the middle of a call."""
MAXIMUM_TURN_RECORDS = 500
"""Kept per call for its summary; beyond it only the newest."""


@dataclass(slots=True)
class Turn:
    """A turn and what is known of it so far."""

    number: int
    kind: str
    created_s: float
    speech_ended_s: float
    """End of the caller's speech; of the event itself for a greeting or a digit."""
    endpoint_wait_ms: float | None = None
    audio: bytes | None = None
    digit: str = ""
    is_asked: bool = False
    is_done: bool = False
    progress_s: float = 0.0
    first_audio_s: float | None = None
    first_frame_s: float | None = None
    stages: StageTimes = field(default_factory=StageTimes)
    failure: str | None = None
    heard: str | None = None
    answered: str = ""
    frames_before: int = 0
    underruns_before: int = 0


class Call:
    """The conversation of one caller."""

    def __init__(self, call_id: str, extension: str, keeps_text: bool = False) -> None:
        self.call_id = call_id
        self.extension = extension
        self.outbox: list[Message] = []
        self.playout = Playout()
        self.turn_records: deque[TurnRecord] = deque(maxlen=MAXIMUM_TURN_RECORDS)
        self.dropped_turns = 0
        self._keeps_text = keeps_text
        self._history: deque[HistoryEntry] = deque(maxlen=MAXIMUM_HISTORY)
        self._waiting: deque[Turn] = deque(maxlen=MAXIMUM_WAITING_TURNS)
        self._current: Turn | None = None
        self._turns = 0
        self._gateway_is_ready = False
        self._tone: bytes | None = None
        """The dialog's continuous tone: one second that repeats while nothing else plays."""
        self._loop = b""
        """What is being repeated now: the tone or the waiting beep."""
        self._loop_offset = 0
        self._hangs_up = False

    @property
    def history(self) -> tuple[HistoryEntry, ...]:
        """What was said so far and was heard."""
        return tuple(self._history)

    @property
    def wants_to_end(self) -> bool:
        """Whether the dialog asked to hang up and everything before it has been played."""
        return self._hangs_up and self._current is None and self.playout.is_empty

    # What happens to the call

    def begin(self, now: float) -> None:
        """The caller is identified: the first turn is ours."""
        self._add(Turn(self._next_number(), "greeting", now, now), now)

    def hear(self, utterance: HeardUtterance, now: float) -> None:
        """The caller has finished an utterance."""
        wait_ms = (utterance.decided_s - utterance.last_speech_s) * 1000.0
        turn = Turn(
            self._next_number(),
            "utterance",
            now,
            utterance.last_speech_s,
            endpoint_wait_ms=wait_ms,
            audio=utterance.audio,
        )
        self._add(turn, now)

    def press(self, digit: str, now: float) -> None:
        """The caller has pressed a key."""
        self._add(Turn(self._next_number(), "digit", now, now, digit=digit), now)

    def gateway_ready(self, now: float) -> None:
        """The gateway can serve turns (again): make the call known and ask what is owed."""
        self._gateway_is_ready = True
        self.outbox.append(CallStarted(call_id=self.call_id, extension=self.extension))
        turn = self._current
        if turn is not None and turn.is_asked and not turn.is_done:
            if turn.first_audio_s is None:
                turn.is_asked = False
            else:
                self._fail(turn, "the gateway was replaced in mid-answer", now)
        self._ask(now)

    def gateway_gone(self, now: float) -> None:
        """The gateway cannot serve turns for now."""
        self._gateway_is_ready = False
        if self._current is not None:
            self._current.progress_s = now

    def receive(self, message: Message, now: float) -> None:
        """Take a message of the gateway; those of turns that are over are ignored."""
        turn = self._current
        match message:
            case Heard(turn=number, text=text) if turn and number == turn.number:
                turn.progress_s = now
                turn.heard = text
                if text:
                    self._history.append(HistoryEntry(speaker="caller", text=text))
            case SentenceAudio(turn=number) if turn and number == turn.number:
                self._take_audio(turn, message, now)
            case PlayTone(turn=number, frequency_hz=frequency_hz) if turn and number == turn.number:
                turn.progress_s = now
                self._tone = endless_tone(frequency_hz)
            case HangUp(turn=number) if turn and number == turn.number:
                self._hangs_up = True
            case TurnDone(turn=number, stages=stages, failure=failure) if turn and number == turn.number:
                turn.stages = stages
                if failure is not None:
                    self._fail(turn, failure, now)
                turn.is_done = True
                self.playout.abandon_sentence()
                self._finish_if_played(now)
            case _:
                pass

    # What leaves on the clock

    def next_frame(self, now: float) -> bytes:
        """Return the 320 bytes to send now: speech, a tone, the waiting beep or silence."""
        frame = self.playout.next_frame()
        turn = self._current
        if frame is None:
            if turn is None:
                return SILENCE_FRAME if self._tone is None else self._loop_frame(self._tone)
            return self._idle_frame(turn, now)
        if turn is not None and turn.first_frame_s is None and turn.first_audio_s is not None:
            turn.first_frame_s = now
        if self.playout.has_heard:
            self._note_heard()
        if self.playout.is_empty:
            self._finish_if_played(now)
        return frame

    # Inside

    def _idle_frame(self, turn: Turn, now: float) -> bytes:
        """A turn is under way and nothing is there to play."""
        silent_s = now - turn.progress_s
        if turn.is_asked and self._gateway_is_ready:
            if silent_s >= TURN_DEADLINE_S:
                self._fail(turn, f"no answer from the gateway for {TURN_DEADLINE_S:.0f} s", now)
        elif turn.number == 1 or silent_s >= WAITING_TONE_AFTER_S:
            return self._loop_frame(waiting_beep())
        return SILENCE_FRAME if self._tone is None else self._loop_frame(self._tone)

    def _loop_frame(self, loop: bytes) -> bytes:
        if self._loop is not loop:
            self._loop, self._loop_offset = loop, 0
        start = self._loop_offset
        end = start + len(SILENCE_FRAME)
        self._loop_offset = end if end < len(loop) else 0
        return loop[start:end]

    def _next_number(self) -> int:
        self._turns += 1
        return self._turns

    def _add(self, turn: Turn, now: float) -> None:
        turn.progress_s = now
        if len(self._waiting) == MAXIMUM_WAITING_TURNS:
            self.dropped_turns += 1
        self._waiting.append(turn)
        self._ask(now)

    def _ask(self, now: float) -> None:
        """Ask the gateway for the turn under way, or for the next one, unless it has been asked."""
        if self._current is None and self._waiting:
            self._current = self._waiting.popleft()
            self._current.frames_before = self.playout.played_frames
            self._current.underruns_before = self.playout.underruns
        turn = self._current
        if turn is None or turn.is_asked or not self._gateway_is_ready:
            return
        turn.is_asked = True
        turn.progress_s = now
        self.outbox.append(self._request(turn))

    def _request(self, turn: Turn) -> Greet | Utterance | Digit:
        if turn.audio is not None:
            return Utterance(call_id=self.call_id, turn=turn.number, history=self.history, audio=turn.audio)
        if turn.digit:
            return Digit(call_id=self.call_id, turn=turn.number, history=self.history, digit=turn.digit)
        return Greet(call_id=self.call_id, turn=turn.number, history=self.history)

    def _take_audio(self, turn: Turn, message: SentenceAudio, now: float) -> None:
        turn.progress_s = now
        turn.stages = message.stages
        if message.audio:
            if turn.first_audio_s is None:
                turn.first_audio_s = now
            if not self.playout.push(message.audio, message.text, ends_sentence=False):
                turn.failure = "the answer was longer than the playout queue; its rest was dropped"
        if message.is_last:
            turn.answered = f"{turn.answered} {message.text}".strip()
            self.playout.end_sentence(message.text)
            self._note_heard()

    def _fail(self, turn: Turn, failure: str, now: float) -> None:
        turn.failure = failure
        turn.is_done = True
        self.playout.abandon_sentence()
        self.playout.push(failure_tone(), "", ends_sentence=True)
        self._finish_if_played(now)

    def _note_heard(self) -> None:
        for text in self.playout.take_heard():
            if text:
                self._history.append(HistoryEntry(speaker="server", text=text))

    def _finish_if_played(self, now: float) -> None:
        turn = self._current
        if turn is None or not turn.is_done or not self.playout.is_empty:
            return
        self._current = None
        record = self._record(turn)
        self.turn_records.append(record)
        self.outbox.append(TurnFinished(call_id=self.call_id, record=record))
        self._ask(now)

    def _record(self, turn: Turn) -> TurnRecord:
        first_answer_ms = playout_wait_ms = link_ms = None
        if turn.first_frame_s is not None and turn.first_audio_s is not None:
            first_answer_ms = (turn.first_frame_s - turn.speech_ended_s) * 1000.0
            playout_wait_ms = (turn.first_frame_s - turn.first_audio_s) * 1000.0
            stages = turn.stages
            named = (
                turn.endpoint_wait_ms,
                stages.lease_wait_ms,
                stages.transcription_ms,
                stages.dialog_ms,
                stages.synthesis_ms,
                playout_wait_ms,
            )
            link_ms = max(0.0, first_answer_ms - sum(stage or 0.0 for stage in named))
        return TurnRecord(
            turn=turn.number,
            kind=turn.kind,
            speech_ms=None if turn.audio is None else audio_duration_ms(turn.audio),
            endpoint_wait_ms=turn.endpoint_wait_ms,
            stages=turn.stages,
            link_ms=link_ms,
            playout_wait_ms=playout_wait_ms,
            first_answer_ms=first_answer_ms,
            answer_ms=float((self.playout.played_frames - turn.frames_before) * FRAME_MS),
            underruns=self.playout.underruns - turn.underruns_before,
            failure=turn.failure,
            heard=turn.heard if self._keeps_text else None,
            answered=turn.answered if self._keeps_text else None,
        )
