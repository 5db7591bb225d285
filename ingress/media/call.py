"""One conversation as the media worker keeps it: pure, no socket, no clock, no Ray.

What must survive a restart of the gateway lives here: the history, the turn under way, what has been
played. Turns are taken one at a time: a turn is asked of the gateway (greeting, utterance or digit), its
sentences arrive as audio and are played, and when the last frame has left the turn is over and the next
one, if the caller has already spoken again, is asked. Messages for the gateway collect in `outbox`.

A caller who speaks is listened to. An answer that can be heard stops; one that cannot be heard yet does
not begin, and if the caller's words are what it would answer, it is given up as soon as they are known:
the next turn's dialog reads them in the history and answers both. Nothing that the caller said is lost.

When the gateway comes back, a turn of which nothing was heard yet is asked again; one that broke off in
mid-answer is closed, because repeating half an answer is worse than its loss. That the call was admitted is
remembered here, so that no new gateway refuses a caller who is already talking. A refused call gives up its
turns, says so and wants to end.

What a call says by itself (busy, sorry, please wait) comes from phrases rendered before; while there are
none, from tones.

`next_frame` runs 50 times a second for each call. So what plays when there is nothing to say is not
found out there, but once, whenever something happens (`_settle`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import inf

from actors.telephone import BYTES_PER_MS, FRAME_BYTES
from ingress.configuration.extensions import Phrase
from ingress.configuration.settings import BargeInSettings
from ingress.link.messages import (
    Admitted,
    CallStarted,
    CancelTurn,
    Digit,
    DropAhead,
    Greet,
    HangUp,
    Heard,
    HistoryEntry,
    Message,
    PlayTone,
    SentenceAudio,
    TranscribeAhead,
    TurnDone,
    TurnFinished,
    Utterance,
)
from ingress.link.records import TurnRecord
from ingress.media.hearing.events import HeardUtterance
from ingress.media.playout import SILENCE, Playout
from ingress.media.tones import Loop, busy_tone, endless_tone, faded_out, failure_tone, waiting_beep
from ingress.media.turn import Turn

MAXIMUM_HISTORY = 64
"""Entries that travel with each request; the oldest are dropped."""
MAXIMUM_WAITING_TURNS = 4
"""Utterances and digits not yet asked for; beyond it the oldest is dropped: it has been overtaken."""
TURN_DEADLINE_S = 30.0
"""Without a word from the gateway for this long a turn has failed."""
WAITING_TONE_AFTER_S = 1.0
"""A shorter absence of the gateway is not worth a beep in the middle of a call, nor a word at its start."""
MAXIMUM_TURN_RECORDS = 32
"""Kept per call for its summary, the newest; each was told when its turn was over, and takes 1.6 KB."""
FADE_BYTES = 5 * BYTES_PER_MS
"""Of an interrupted answer: enough not to click."""

NOTHING = memoryview(b"")

PhraseSource = Callable[[Phrase], bytes | None]
"""Returns a phrase as 8 kHz int16, at once; None if it has not been rendered."""


def no_phrases(phrase: Phrase) -> bytes | None:
    """Return None: a source that has nothing."""
    return None


class Call:
    """The conversation of one caller."""

    def __init__(
        self,
        call_id: str,
        extension: str,
        barge_in: BargeInSettings | None = None,
        keeps_text: bool = False,
        phrases: PhraseSource = no_phrases,
    ) -> None:
        """`barge_in` defaults to the settings' defaults; `keeps_text` puts words into the records."""
        self.call_id = call_id
        self.extension = extension
        self.outbox: list[Message] = []
        self.playout = Playout()
        self.turn_records: deque[TurnRecord] = deque(maxlen=MAXIMUM_TURN_RECORDS)
        self.turns_taken = 0
        self.dropped_turns = 0
        self.interruptions = 0
        """Answers that the caller stopped by speaking."""
        self.is_admitted = False
        self.was_refused = False
        self._barge_in = barge_in or BargeInSettings()
        self._keeps_text = keeps_text
        self._phrases = phrases
        self._has_asked_for_patience = False
        self._history: deque[HistoryEntry] = deque(maxlen=MAXIMUM_HISTORY)
        self._waiting: deque[Turn] = deque(maxlen=MAXIMUM_WAITING_TURNS)
        self._current: Turn | None = None
        self._turns = 0
        self._gateway_is_ready = False
        self._hangs_up = False
        self._speaking_s: float | None = None
        """Since when the caller speaks; None: does not, or barge-in is off."""
        self._ahead_turn: int | None = None
        """The turn whose transcription was begun at the pause that lasts."""
        self._tone: bytes | None = None
        """The dialog's continuous tone: one second that repeats while nothing else plays."""
        # While there is nothing to say; see `_settle`.
        self._loop: Loop | None = None
        """What is repeated; None: silence."""
        self._settled_until_s = inf
        self._holds = False
        """What is queued does not begin while the caller speaks."""
        self._first = NOTHING
        """Comes before all else, to its end: of an interrupted answer, or the phrase for those who wait."""

    @property
    def history(self) -> tuple[HistoryEntry, ...]:
        """What was said so far and was heard."""
        return tuple(self._history)

    @property
    def wants_to_end(self) -> bool:
        """Whether the dialog asked to hang up, or the call was refused, and everything has been played."""
        return self._hangs_up and self._current is None and self.playout.is_empty

    # What happens to the call

    def begin(self, now: float) -> None:
        """The caller is identified: the first turn is ours."""
        self._add(Turn(self._next_number(), "greeting", now), now)

    def refuse(self, now: float) -> None:
        """The call is not taken: whatever was under way is given up, the caller is told, then it ends."""
        self.was_refused = True
        self._gateway_is_ready = False
        self._current = self._ahead_turn = self._speaking_s = self._tone = None
        self._waiting.clear()
        self._first = NOTHING
        self.playout.cut(0)
        self.playout.push(self._phrases(Phrase.BUSY) or busy_tone(), "", ends_sentence=True)
        self._hangs_up = True
        self._settle(now)

    def caller_speaking(self, now: float) -> None:
        """The caller speaks, that is sure: stop what is being said; do not begin anything else."""
        if not self._barge_in.enabled:
            return
        self._speaking_s = now
        for waiting in self._waiting:
            waiting.is_overtaken = waiting.audio is not None
        turn = self._current
        if turn is not None and self._may_be_interrupted(turn):
            if self._is_audible(turn):
                turn.was_interrupted = True
                self.interruptions += 1
                self._cancel(turn, now)
            elif turn.audio is not None:
                turn.is_overtaken = True
                if turn.heard is not None or turn.first_audio_s is not None or turn.is_done:
                    self._cancel(turn, now)
        self._settle(now)

    def caller_paused(self, utterance: HeardUtterance, now: float) -> None:
        """The utterance may be over: have it transcribed meanwhile, if it would be the next turn."""
        if self._ahead_turn is None and self._gateway_is_ready and not self._waiting:
            self._ahead_turn = self._turns + 1
            self.outbox.append(
                TranscribeAhead(call_id=self.call_id, turn=self._ahead_turn, audio=utterance.audio)
            )

    def caller_resumed(self, now: float) -> None:
        """The utterance was not over."""
        if self._ahead_turn is not None:
            self.outbox.append(DropAhead(call_id=self.call_id, turn=self._ahead_turn))
            self._ahead_turn = None

    def hear(self, utterance: HeardUtterance, now: float) -> None:
        """The caller has finished an utterance."""
        self._speaking_s = None
        self._ahead_turn = None
        wait_ms = (utterance.decided_s - utterance.last_speech_s) * 1000.0
        turn = Turn(
            self._next_number(),
            "utterance",
            utterance.last_speech_s,
            endpoint_wait_ms=wait_ms,
            audio=utterance.audio,
        )
        self._add(turn, now)

    def press(self, digit: str, now: float) -> None:
        """The caller has pressed a key. An utterance under way has been heard before, or is none."""
        self.caller_resumed(now)  # the number goes to the digit
        self._add(Turn(self._next_number(), "digit", now, digit=digit), now)

    def gateway_ready(self, now: float) -> None:
        """The gateway can serve turns (again): make the call known and ask what is owed."""
        if self.was_refused:
            return
        self._gateway_is_ready = True
        self.outbox.append(
            CallStarted(call_id=self.call_id, extension=self.extension, is_admitted=self.is_admitted)
        )
        turn = self._current
        if turn is not None and turn.is_asked and not turn.is_done:
            if turn.first_audio_s is None:
                self._forget_words(turn)
                turn.is_asked = False
            else:
                self._fail(turn, "the gateway was replaced in mid-answer")
        self._ask(now)
        self._settle(now)

    def gateway_gone(self, now: float) -> None:
        """The gateway cannot serve turns for now."""
        self._gateway_is_ready = False
        if self._current is not None:
            self._current.progress_s = now
        self._settle(now)

    def receive(self, message: Message, now: float) -> None:
        """Take a message of the gateway; those of turns that are over are ignored."""
        if isinstance(message, Admitted):
            self.is_admitted = True
        turn = self._current
        if turn is None or getattr(message, "turn", None) != turn.number or turn.is_done:
            return
        turn.progress_s = now
        match message:
            case Heard(text=text):
                turn.heard = text
                turn.was_ahead = message.was_ahead
                if text:
                    self._history.append(HistoryEntry(speaker="caller", text=text))
            case SentenceAudio():
                self._take_audio(turn, message, now)
            case PlayTone(frequency_hz=frequency_hz):
                self._tone = endless_tone(frequency_hz)
            case HangUp():
                turn.hangs_up = True
            case TurnDone(stages=stages, failure=failure):
                turn.stages = stages
                turn.is_done = True
                self.playout.abandon_sentence()
                if failure is not None:
                    self._fail(turn, failure)
        if turn.is_overtaken and not turn.is_done:
            self._cancel(turn, now)  # its words are known, or that there are none
        else:
            self._finish_if_played(now)
        self._settle(now)

    # What leaves on the clock

    def next_frame(self, now: float, frame_bytes: int = FRAME_BYTES) -> bytes:
        """Return the `frame_bytes` (20 or 30 ms) to send now: speech, a tone, the waiting beep or silence."""
        playout = self.playout
        frame = None if self._holds else playout.next_frame(frame_bytes)
        if frame is not None:
            if playout.has_news:
                self._take_news(now)
            return frame
        if now >= self._settled_until_s:
            self._resettle(now)
        if self._first:
            return self._first_frame(now, frame_bytes)
        return SILENCE[frame_bytes] if self._loop is None else self._loop.next_frame(frame_bytes)

    # Inside: the frames

    def _first_frame(self, now: float, frame_bytes: int) -> bytes:
        """Return the next of what comes before all else, padded at its end."""
        frame = bytes(self._first[:frame_bytes])
        self._first = self._first[frame_bytes:]
        if not self._first:
            self._settle(now)
        return frame.ljust(frame_bytes, b"\0")

    def _settle(self, now: float) -> None:
        """Find out what plays while there is nothing to say, and until when that holds."""
        turn, audio = self._current, self._tone
        self._settled_until_s = inf
        if turn is not None and not turn.is_done:
            if turn.is_asked and self._gateway_is_ready:
                self._settled_until_s = turn.progress_s + TURN_DEADLINE_S
            else:
                patient_until_s = turn.progress_s + WAITING_TONE_AFTER_S
                if turn.number == 1 or now >= patient_until_s:
                    audio = waiting_beep()
                if now < patient_until_s:
                    self._settled_until_s = patient_until_s
                elif turn.number == 1:
                    self._ask_for_patience()
        self._holds = bool(self._first)
        if turn is not None and self._speaking_s is not None and self._may_be_interrupted(turn):
            self._holds |= not self._is_audible(turn)
            self._settled_until_s = min(self._settled_until_s, self._speaking_s + TURN_DEADLINE_S)
        if audio is None:
            self._loop = None
        elif self._loop is None or self._loop.audio is not audio:
            self._loop = Loop(audio)

    def _ask_for_patience(self) -> None:
        """Say the phrase for those who wait: once, and without one, the beep goes on."""
        if not self._has_asked_for_patience:
            self._has_asked_for_patience = True
            self._first = memoryview(self._phrases(Phrase.WAITING) or b"")

    def _resettle(self, now: float) -> None:
        """Something took too long: the gateway's next word, or the caller's utterance."""
        turn = self._current
        if self._speaking_s is not None and now >= self._speaking_s + TURN_DEADLINE_S:
            self._speaking_s = None
        if (
            turn is not None
            and turn.is_asked
            and not turn.is_done
            and self._gateway_is_ready
            and now >= turn.progress_s + TURN_DEADLINE_S
        ):
            self.outbox.append(CancelTurn(call_id=self.call_id, turn=turn.number))
            self._fail(turn, f"no answer from the gateway for {TURN_DEADLINE_S:.0f} s")
            self._finish_if_played(now)
        self._settle(now)

    def _take_news(self, now: float) -> None:
        """Audio began or ended with this frame."""
        self.playout.has_news = False
        turn = self._current
        if turn is not None and turn.first_frame_s is None and turn.first_audio_s is not None:
            turn.first_frame_s = now
        self._note_heard()
        if self.playout.is_empty:
            self._finish_if_played(now)
        self._settle(now)

    def _note_heard(self) -> None:
        for text in self.playout.take_heard():
            if text:
                self._history.append(HistoryEntry(speaker="server", text=text))
                if self._current is not None:
                    self._current.answered = f"{self._current.answered} {text}".strip()

    def _is_audible(self, turn: Turn) -> bool:
        """Whether the caller has heard anything of the turn under way."""
        return self.playout.played_bytes > turn.played_bytes_before

    def _may_be_interrupted(self, turn: Turn) -> bool:
        return self._barge_in.in_greeting or turn.kind != "greeting"

    # Inside: the turns

    def _next_number(self) -> int:
        self._turns += 1
        return self._turns

    def _add(self, turn: Turn, now: float) -> None:
        if self.was_refused:
            return
        turn.progress_s = now
        if len(self._waiting) == MAXIMUM_WAITING_TURNS:
            self.dropped_turns += 1
        self._waiting.append(turn)
        self._ask(now)
        self._settle(now)

    def _ask(self, now: float) -> None:
        """Ask the gateway for the turn under way, or for the next one, unless it has been asked."""
        if self._current is None and self._waiting:
            self._current = self._waiting.popleft()
            self._current.begin(self.playout)
        turn = self._current
        if turn is None or turn.is_asked or turn.is_done or not self._gateway_is_ready:
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

    def _forget_words(self, turn: Turn) -> None:
        """Take the turn's words back out of the history: they will be transcribed again."""
        if turn.heard and self._history[-1].speaker == "caller":  # nothing was heard of the answer
            self._history.pop()
        turn.heard = None

    def _take_audio(self, turn: Turn, message: SentenceAudio, now: float) -> None:
        turn.stages = message.stages
        if turn.is_overtaken:
            return
        if message.audio:
            if turn.first_audio_s is None:
                turn.first_audio_s = now
            if not self.playout.push(message.audio, message.text, ends_sentence=False):
                turn.failure = "the answer was longer than the playout queue; its rest was dropped"
        if message.is_last:
            self.playout.end_sentence(message.text)
            self._note_heard()

    def _fail(self, turn: Turn, failure: str) -> None:
        """Let the turn end with an apology, unless nobody waits for its answer any more."""
        turn.failure = failure
        turn.is_done = True
        self.playout.abandon_sentence()
        if not turn.is_overtaken:
            self.playout.push(self._phrases(Phrase.APOLOGY) or failure_tone(), "", ends_sentence=True)

    def _cancel(self, turn: Turn, now: float) -> None:
        """End the turn under way without (the rest of) its answer."""
        if turn.is_asked and not turn.is_done:
            self.outbox.append(CancelTurn(call_id=self.call_id, turn=turn.number))
        self._note_heard()
        rest = self.playout.cut(FADE_BYTES)
        if turn.was_interrupted:
            self._first = memoryview(faded_out(rest))
        turn.hangs_up = False
        self._finish(turn, now)

    def _finish_if_played(self, now: float) -> None:
        turn = self._current
        if turn is not None and turn.is_done and self.playout.is_empty:
            self._finish(turn, now)

    def _finish(self, turn: Turn, now: float) -> None:
        self._current = None
        self._hangs_up |= turn.hangs_up
        record = turn.record(self.playout, self._keeps_text)
        self.turns_taken += 1
        self.turn_records.append(record)
        self.outbox.append(TurnFinished(call_id=self.call_id, record=record))
        self._ask(now)
