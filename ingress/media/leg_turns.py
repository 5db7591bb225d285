"""The turns of one leg of a call: pure, no socket, no clock, no Ray.

Turns are taken one at a time (`ingress.media.turn` has their states).

| event | effect |
|---|---|
| the caller speaks, the answer can be heard | it stops: the turn is interrupted |
| the caller speaks, the answer cannot be heard yet | it does not begin while the caller speaks |
| ... and the turn is an utterance | it is given up once its words are known; the next turn answers both |
| a key is pressed, the answer can be heard | it stops, whatever `barge_in.enabled` says |
| ... the answer cannot be heard yet | its dialog goes on up to the first sound; what it remembers counts |
| keys are pressed while they cannot be asked for yet | they are one turn, together and in order |
| the gateway is back, nothing of the answer has come | the turn is asked again |
| ... some of it has come | the turn ends with an apology: half an answer repeated is worse than its loss |
| the same gateway is ready again | the turn goes on: it was not lost, only its speech workers were away |
| no message of the gateway for `turn_deadline_s` | the turn fails, with an apology |
| a turn has waited for `waiting_limit_s`, in all, for a gateway that can serve it | the call is refused |
| the dialog hangs up | its words play, then 0.2 s of silence: a phone's buffer plays them to the end |

What a dialog remembers counts once something of the turn's answer was heard, or the turn is over without
having been given up or failed: so it never remembers what the caller did not hear. While a phrase has not
been rendered, a tone takes its place.

`next_frame` runs 50 times a second for each leg. So what plays when there is nothing to say is chosen
beforehand, whenever something happens (`_settle`).
"""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING

from actors.telephone import BYTES_PER_MS, FRAME_BYTES
from ingress.configuration.extensions import Phrase
from ingress.configuration.settings import BargeInSettings
from ingress.link import messages as link
from ingress.link.live import Activity
from ingress.link.records import TurnRecord
from ingress.media.hearing.events import HeardUtterance
from ingress.media.idle_sound import IdleSound, PhraseSource
from ingress.media.tones import busy_tone, failure_tone
from ingress.media.turn import RUNNING, Turn, TurnEnding, TurnState

if TYPE_CHECKING:
    from ingress.media.call import Call

MAXIMUM_WAITING_TURNS = 4
"""Not yet asked for; beyond it the oldest utterance is dropped: it has been overtaken."""
MAXIMUM_DIGITS = 128
"""Keys of one turn; further ones are dropped. A Brazilian bill has 47."""
TURN_DEADLINE_S = 30.0
"""Without a message of the gateway for this long a turn has failed, unless its dialog may think longer."""
WAITING_LIMIT_S = 20.0
CLOSING_SILENCE_S = 0.2
"""Between the last word and the hangup: more than a phone's jitter buffer holds."""
FADE_BYTES = 5 * BYTES_PER_MS
"""Of an interrupted answer: enough not to click."""


class LegTurns:
    """What one leg of a call hears, and what was said on it."""

    def __init__(
        self,
        call: Call,
        leg: link.LegName,
        barge_in: BargeInSettings,
        phrases: PhraseSource,
        waiting_limit_s: float,
        turn_deadline_s: float,
    ) -> None:
        self.leg = leg
        self.dropped_turns = 0
        self.interruptions = 0
        self._call = call
        self._barge_in = barge_in
        self._phrases = phrases
        self._waiting: deque[Turn] = deque()
        self.turn = Turn.none()
        """The turn under way."""
        self.playout = self.turn.playout
        self._underruns_before = 0
        self._waiting_limit_s = waiting_limit_s
        self._turn_deadline_s = turn_deadline_s
        self.waits_since_s: float | None = None
        """Since when the turn under way has waited for a gateway that can serve it."""
        self._hangs_up = False
        """For good: no turn is begun any more."""
        self._silent_since_s: float | None = None
        """When the last word before the hangup had been played."""
        self._speaking_s: float | None = None
        """Since when the caller speaks; None: does not, or barge-in is off."""
        self._ahead_turn: int | None = None
        """The turn whose transcription was begun at the pause that lasts."""
        self._idle = IdleSound(phrases)
        self._holds = False
        """What is queued does not play now: found out by `_settle`, as the next."""
        self._settled_until_s = inf

    @property
    def underruns(self) -> int:
        """Frames of all answers that were due and not there."""
        return self._underruns_before + self.playout.underruns

    @property
    def was_played_out(self) -> bool:
        """Whether it is to end, and everything before has been played."""
        return self._silent_since_s is not None

    def is_at_end(self, now: float) -> bool:
        """Whether it is to end, and everything and the closing silence have been played."""
        return self._silent_since_s is not None and now >= self._silent_since_s + CLOSING_SILENCE_S

    @property
    def activity(self) -> Activity:
        """What the call does, unless the caller speaks: the leg knows that."""
        turn = self.turn
        if self._call.refusal is not None:
            return Activity.REFUSED
        if turn.state is TurnState.OVER:
            return Activity.SPEAKING if self._idle.has_tone else Activity.LISTENING
        is_unserved = not self._call.gateway_is_ready or self._call.awaits_verdict
        if is_unserved and turn.state is not TurnState.DONE:
            return Activity.WAITING
        return Activity.SPEAKING if turn.is_audible else Activity.ANSWERING

    @property
    def unfinished(self) -> TurnRecord | None:
        """What is known of the turn under way."""
        return None if self.turn.state is TurnState.OVER else self.turn.record(self._call.keeps_text)

    def leave_turn(self) -> None:
        """The call is over: the turn under way goes where finished ones go."""
        if self._call.on_turn is not None and self.turn.state is not TurnState.OVER:
            self._call.on_turn(self.turn)

    def begin(self, now: float) -> None:
        """Take the first turn, the greeting."""
        self._add(Turn("greeting", now), now)

    def play_refusal(self, now: float) -> None:
        """Give up all turns, play the busy phrase, then end."""
        self._silent_since_s = None  # a dialog may have hung up: the phrase plays to its end all the same
        self._ahead_turn = self._speaking_s = None
        self._waiting.clear()
        self._idle.clear()
        self._change_turn(Turn.none())
        self.playout.push(self._phrases(Phrase.BUSY) or busy_tone(), "")
        self._hangs_up = True
        self._settle(now)

    def caller_speaking(self, now: float) -> None:
        """The caller speaks, that is sure: stop the answer; do not begin another."""
        if not self._barge_in.enabled:
            return
        self._speaking_s = now
        for waiting in self._waiting:
            if waiting.kind == "utterance":
                waiting.ending = waiting.ending or TurnEnding.OVERTAKEN
        turn = self.turn
        if self._may_be_interrupted(turn):
            if turn.is_audible:
                turn.ending = TurnEnding.INTERRUPTED
                self.interruptions += 1
                self._give_up(turn, now)
            elif turn.kind == "utterance":
                turn.ending = TurnEnding.OVERTAKEN
                if turn.heard is not None or turn.state in (TurnState.ANSWERING, TurnState.DONE):
                    self._give_up(turn, now)
        self._settle(now)

    def caller_paused(self, utterance: HeardUtterance) -> None:
        """The utterance may be over: have it transcribed meanwhile, if it would be the next turn."""
        is_next = self._call.gateway_is_ready and not self._waiting and not self._hangs_up
        if self._ahead_turn is None and is_next:
            self._ahead_turn = self._call.turns + 1
            self._call.outbox.append(
                link.TranscribeAhead(call_id=self._call.call_id, turn=self._ahead_turn, audio=utterance.audio)
            )

    def caller_resumed(self) -> None:
        """The utterance was not over."""
        if self._ahead_turn is not None:
            self._call.outbox.append(link.DropAhead(call_id=self._call.call_id, turn=self._ahead_turn))
            self._ahead_turn = None

    def hear(self, utterance: HeardUtterance, now: float) -> None:
        """The caller has finished an utterance."""
        self._speaking_s = self._ahead_turn = None
        last_s = utterance.last_speech_s
        wait_ms = (utterance.decided_s - last_s) * 1000.0
        self._add(Turn("utterance", last_s, audio=utterance.audio, endpoint_wait_ms=wait_ms), now)

    def press(self, digit: str, now: float) -> None:
        """The caller has pressed a key. An utterance under way has been heard before, or is none."""
        self.caller_resumed()  # the number goes to the digit
        before = (self.turn, *self._waiting)
        self._add_digit(digit, now)
        for turn in before:
            if turn.kind != "digit" or turn.state is not TurnState.WAITING:
                self._press_over(turn, now)
        self._settle(now)

    def _add_digit(self, digit: str, now: float) -> None:
        """Take a key into the last turn if that has keys and has not been asked for; else into a new one."""
        last = self._waiting[-1] if self._waiting else self.turn
        if last.kind != "digit" or last.state is not TurnState.WAITING:
            self._add(Turn("digit", now, digits=digit), now)
        elif len(last.digits) < MAXIMUM_DIGITS:
            last.digits += digit
            last.speech_ended_s = now
        else:
            self.dropped_turns += 1

    def _press_over(self, turn: Turn, now: float) -> None:
        """A key was pressed after this turn began."""
        if not self._may_be_interrupted(turn):
            return
        if turn.is_audible:
            turn.ending = TurnEnding.INTERRUPTED
            self.interruptions += 1
        else:
            turn.ending = turn.ending or TurnEnding.PRESSED_OVER
        if turn.state in (TurnState.ANSWERING, TurnState.DONE):
            self._give_up(turn, now)

    def gateway_ready(self, was_lost: bool, now: float) -> None:
        """The gateway can serve turns (again): ask what is owed; `was_lost`: it is another one."""
        turn = self.turn
        if was_lost and turn.state is TurnState.ASKED:
            turn.enter(TurnState.WAITING)
            if turn.heard:  # they will be transcribed again
                self._call.forget_heard(self.leg)
            turn.heard = turn.dialog_state = None
        elif was_lost and turn.state is TurnState.ANSWERING:
            self._fail(turn, "the gateway was replaced in mid-answer")
        self._ask(now)
        self._settle(now)

    def gateway_left(self, is_lost: bool, now: float) -> None:
        """The gateway cannot serve turns; `is_lost`: what it was asked is lost as well."""
        if is_lost:
            self.turn.progress_s = now
        self._settle(now)

    def receive(self, message: link.TurnMessage, now: float) -> None:
        """Take a message of the gateway; one of a turn that it does not work on is ignored."""
        turn = self.turn
        if turn.state not in RUNNING or message.turn != turn.number:
            return
        turn.progress_s, self.waits_since_s = now, None
        match message:
            case link.Heard():
                turn.heard, turn.was_ahead = message.text, message.was_ahead
                turn.language = message.language
                self._call.language = message.language or self._call.language
                if message.text:
                    self._call.note("caller", message.text, self.leg)
            case link.SentenceAudio():
                turn.take_audio(message, now)
                self._note_heard()
            case link.PlayTone():
                self._idle.set_tone(message.frequency_hz)
            case link.HangUp():
                turn.hang_up = message
            case link.VariableSet(name=name, value=value):
                self._call.set_variable(name, value)
            case link.StateChanged():
                turn.dialog_state = message.state
                if turn.is_audible:
                    self._remember(turn)
            case link.TurnDone():
                turn.stages = message.stages
                turn.was_understood = message.was_understood
                turn.doubt = message.doubt
                turn.transcription_failure = message.transcription_failure
                if message.failure is None:
                    turn.complete()
                else:
                    self._fail(turn, message.failure)
        if turn.ending is TurnEnding.OVERTAKEN and turn.state in RUNNING:
            self._give_up(turn, now)  # its words are known, or that there are none
        elif turn.ending is TurnEnding.PRESSED_OVER and turn.state is TurnState.ANSWERING:
            self._give_up(turn, now)
        else:
            self._finish_if_played(now)
        self._settle(now)

    def next_frame(self, now: float, frame_bytes: int = FRAME_BYTES) -> bytes:
        """Return the `frame_bytes` (20 or 30 ms) to send now: speech, a tone, the waiting beep or silence."""
        playout = self.playout
        frame = None if self._holds else playout.next_frame(frame_bytes)
        if frame is not None:
            if playout.has_news:
                self._take_news(now)
            return frame
        if now >= self._settled_until_s:
            self._act_on_deadlines(now)
        idle = self._idle
        if not idle.first:
            return idle.next_frame(frame_bytes)
        frame = idle.next_first(frame_bytes)
        if not idle.first:
            self._settle(now)
        return frame

    def _settle(self, now: float) -> None:
        """Find out whether answers may play, what plays without one, and until when that holds."""
        turn = self.turn
        if self._hangs_up and self._silent_since_s is None and self.playout.is_empty:
            self._silent_since_s = now
        until_s, waits_since_s = inf, None
        if turn.state in RUNNING and not self._call.gateway_is_lost:
            until_s = turn.progress_s + self._turn_deadline_s
        if turn.state not in (TurnState.DONE, TurnState.OVER) and not self._call.gateway_is_ready:
            waits_since_s = turn.progress_s
            if self.waits_since_s is None:
                self.waits_since_s = now
            until_s = min(until_s, self.waits_since_s + self._waiting_limit_s)
        until_s = min(until_s, self._idle.settle(now, waits_since_s, turn.kind == "greeting"))
        self._holds = bool(self._idle.first)
        if self._speaking_s is not None and self._may_be_interrupted(turn):
            self._holds |= not turn.is_audible
            until_s = min(until_s, self._speaking_s + TURN_DEADLINE_S)
        self._settled_until_s = until_s

    def _act_on_deadlines(self, now: float) -> None:
        """The gateway's next message or the caller's utterance may have taken too long."""
        if self._speaking_s is not None and now >= self._speaking_s + TURN_DEADLINE_S:
            self._speaking_s = None
        turn = self.turn
        is_late = not self._call.gateway_is_lost and now >= turn.progress_s + self._turn_deadline_s
        since_s, limit_s = self.waits_since_s, self._waiting_limit_s
        if not self._call.gateway_is_ready and since_s is not None and now >= since_s + limit_s:
            self._stop_waiting(now)  # first: else the next turn would begin to wait, if both are over
        elif is_late and turn.state in RUNNING:
            self._call.outbox.append(link.CancelTurn(call_id=self._call.call_id, turn=turn.number))
            self._fail(turn, f"no answer from the gateway for {self._turn_deadline_s:.0f} s")
            self._finish_if_played(now)
        self._settle(now)

    def _stop_waiting(self, now: float) -> None:
        """The turn under way has waited too long: the dialplan goes on."""
        turn, reason = self.turn, f"nothing could answer within {self._waiting_limit_s:g} s"
        if turn.state in RUNNING:
            self._call.outbox.append(link.CancelTurn(call_id=self._call.call_id, turn=turn.number))
        self.caller_resumed()  # what was begun ahead is of no use
        turn.failure = reason
        self._call.write_record(turn)
        self._call.send_back(f"{reason} (server.waiting_limit_s)", now)

    def _take_news(self, now: float) -> None:
        """Audio began or ended with this frame."""
        self.playout.has_news = False
        turn = self.turn
        if turn.first_frame_s is None and turn.first_audio_s is not None:
            turn.first_frame_s = now
            self._remember(turn)
        self._note_heard()
        self._finish_if_played(now)
        self._settle(now)

    def _note_heard(self) -> None:
        for text in self.playout.take_heard():
            if text:
                self._call.note("server", text, self.leg)
                self.turn.answered = f"{self.turn.answered} {text}".strip()

    def _may_be_interrupted(self, turn: Turn) -> bool:
        is_protected = turn.kind == "greeting" and not self._barge_in.in_greeting
        return turn.state is not TurnState.OVER and not is_protected

    def _add(self, turn: Turn, now: float) -> None:
        if self._hangs_up:
            return
        turn.number, turn.progress_s = self._call.next_turn(), now
        if len(self._waiting) == MAXIMUM_WAITING_TURNS:
            self._drop_oldest_utterance()
        self._waiting.append(turn)
        self._ask(now)
        self._settle(now)

    def _drop_oldest_utterance(self) -> None:
        """Drop it; keys before and after it are one turn then. Of four waiting turns two are utterances."""
        self.dropped_turns += 1
        kept: deque[Turn] = deque()
        oldest = next(turn for turn in self._waiting if turn.kind != "digit")
        for turn in self._waiting:
            if turn is oldest:
                continue
            if kept and kept[-1].kind == turn.kind == "digit":
                turn.digits = kept.pop().digits + turn.digits
            kept.append(turn)
        self._waiting = kept

    def _ask(self, now: float) -> None:
        """Ask the gateway for the turn under way, or the next one, unless it has been asked."""
        if self.turn.state is TurnState.OVER and self._waiting:
            self._change_turn(self._waiting.popleft())
        turn = self.turn
        if turn.state is TurnState.WAITING and self._call.gateway_is_ready:
            turn.enter(TurnState.ASKED)
            turn.progress_s = now
            self._call.ask(turn)

    def _change_turn(self, turn: Turn) -> None:
        self._underruns_before = self.underruns
        self.waits_since_s = None
        self.turn, self.playout = turn, turn.playout

    def _remember(self, turn: Turn) -> None:
        """What the dialog has set in this turn is the call's state from now on."""
        if turn.dialog_state is not None:
            self._call.dialog_state, turn.dialog_state = turn.dialog_state, None

    def _fail(self, turn: Turn, failure: str) -> None:
        turn.fail(failure, self._phrases(Phrase.APOLOGY) or failure_tone())

    def _give_up(self, turn: Turn, now: float) -> None:
        """End the turn under way without (the rest of) its answer."""
        if turn.state in RUNNING:
            self._call.outbox.append(link.CancelTurn(call_id=self._call.call_id, turn=turn.number))
        self._note_heard()
        if turn.ending is TurnEnding.PRESSED_OVER:
            self._remember(turn)
        if turn.ending is TurnEnding.INTERRUPTED:
            self._idle.fade_out(self.playout.rest(FADE_BYTES))
        turn.hang_up = None
        self._finish(turn, now)

    def _finish_if_played(self, now: float) -> None:
        turn = self.turn
        if turn.state is TurnState.DONE and self.playout.is_empty:
            if turn.ending in (None, TurnEnding.PRESSED_OVER):
                self._remember(turn)
            self._finish(turn, now)

    def _finish(self, turn: Turn, now: float) -> None:
        turn.enter(TurnState.OVER)
        self._change_turn(Turn.none())
        if turn.hang_up is not None:
            self._hangs_up, self._call.hang_up = True, turn.hang_up
            self.dropped_turns += len(self._waiting)
            self._waiting.clear()
        self._call.write_record(turn)
        self._ask(now)
