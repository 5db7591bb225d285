"""The turns of one leg of a call, one at a time: asked for, played, ended. No socket, no clock, no Ray.

`ingress.media.turn` has a turn's states, `ingress.media.leg_turns` what happens to them.

| event | effect |
|---|---|
| no message of the gateway for `turn_deadline_s` | the turn fails, with an apology |
| a turn has waited for `waiting_limit_s`, in all, for a gateway that can serve it | the call is refused |
| the dialog hangs up | its words play, then 0.2 s of silence: a phone's buffer plays them to the end |
| nobody has said anything for `no_input_s` | a turn of that kind; if nothing is said in it, a phrase asks |
| ... `no_input_times` in a row, or another limit is reached | what plays, then a phrase, then the end |
| ... and nothing plays | the turn under way is given up |

What a dialog remembers counts once something of the turn's answer was heard, or the turn is over without
having been given up or failed: so it never remembers what the caller did not hear. While a phrase has not
been rendered, a tone takes its place.

`next_frame` runs 50 times a second for each leg. So what plays when there is nothing to say is chosen
beforehand, whenever something happens (`_settle`).
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from actors.telephone import BYTES_PER_MS, FRAME_BYTES
from ingress.configuration.extensions import Phrase
from ingress.configuration.settings import BargeInSettings
from ingress.link import messages as link
from ingress.link.live import Activity
from ingress.link.records import TurnRecord
from ingress.media.call_limits import PHRASES, CallLimits, LimitReached
from ingress.media.idle_sound import IdleSound, PhraseSource
from ingress.media.keys import KeyCollection
from ingress.media.no_input import NoInput
from ingress.media.tones import failure_tone
from ingress.media.turn import AS_USUAL, NEEDS_GATEWAY, RUNNING, Turn, TurnEnding, TurnState
from ingress.media.turn_queue import TurnQueue

if TYPE_CHECKING:
    from ingress.media.call import Call

TURN_DEADLINE_S = 30.0
"""Without a message of the gateway for this long a turn has failed, unless its dialog may think longer."""
WAITING_LIMIT_S = 20.0
CLOSING_SILENCE_S = 0.2
"""Between the last word and the hangup: more than a phone's jitter buffer holds."""
FADE_BYTES = 5 * BYTES_PER_MS
"""Of an interrupted answer: enough not to click."""


class TurnSequence:
    """The turns of one leg, and what it hears."""

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
        self.is_there = True
        """Whether somebody can hear it; if not, its turns go on unheard."""
        self.interruptions = 0
        self._call = call
        self._barge_in = barge_in
        self._phrases = phrases
        self._waiting = TurnQueue()
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
        self.limits = CallLimits(call.limits)
        self.limit_reached: LimitReached | None = None
        """It is to end for that, unless the dialog hangs up in the turn that plays."""
        self._no_input = NoInput(call.limits)
        self._silent_since_s: float | None = None
        """When the last word before the hangup had been played."""
        self._speaking_s: float | None = None
        """Since when the caller speaks; None: does not."""
        self.listening = AS_USUAL
        """How the dialog wants the next answer listened to."""
        self._keys: KeyCollection | None = None
        """What the dialog has asked for."""
        self._interrupted: str | None = None
        """What was heard of the answer that was interrupted last: the next turn's dialog gets it."""
        self.ahead_turn: int | None = None
        """The turn whose transcription was begun at the pause that lasts."""
        self._announcement: Turn | None = None
        """Of a turn of another leg that the gateway works on: what it says here."""
        self._idle = IdleSound(phrases)
        self._holds = False
        """What is queued does not play now: found out by `_settle`, as the next."""
        self._settled_until_s = inf

    @property
    def dropped_turns(self) -> int:
        """Turns, and keys, that were never asked for."""
        return self._waiting.dropped

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
            is_speaking = self._idle.has_tone or not self.playout.is_empty
            return Activity.SPEAKING if is_speaking else Activity.LISTENING
        is_unserved = not self._call.gateway_is_ready or self._call.awaits_verdict
        if is_unserved and turn.state in NEEDS_GATEWAY:
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

    def end_for(self, limit: LimitReached, now: float) -> None:
        """A limit is reached: end with its phrase, after what plays now; idempotent."""
        if self._hangs_up or self.limit_reached is not None:
            return
        self.limit_reached, self._keys = limit, None
        self.caller_resumed()  # what was begun ahead is of no use
        self._waiting.drop_all()
        turn = self.turn
        if turn.state is TurnState.OVER:
            self._ask(now)
        elif turn.is_audible:
            if turn.state in RUNNING:
                self._call.outbox.append(link.CancelTurn(call_id=self._call.call_id, turn=turn.number))
            if turn.state is not TurnState.DONE:
                turn.complete()
            self._finish_if_played(now)
        else:
            turn.ending = turn.ending or TurnEnding.OVERTAKEN
            self._give_up(turn, now)
        self._settle(now)

    def _play_last(self, phrase: Phrase, otherwise: bytes) -> None:
        """Play a phrase, or a tone, and end after it."""
        self._idle.stop_tone()
        self._change_turn(Turn.none())
        self.playout.push(self._phrases(phrase) or otherwise, "")
        self._hangs_up = True

    def caller_resumed(self) -> None:
        """The utterance was not over."""
        if self.ahead_turn is not None:
            self._call.outbox.append(link.DropAhead(call_id=self._call.call_id, turn=self.ahead_turn))
            self.ahead_turn = None

    @property
    def _is_typing(self) -> bool:
        """Whether keys that belong together have begun to come."""
        return self._keys is not None and self._keys.has_begun

    def _end_collection(self, now: float) -> None:
        """The keys are together, or no more come: they are a turn."""
        keys, self._keys = self._keys, None
        if keys is not None:
            turn = Turn("digit", now, digits=keys.digits, is_collected=True, is_complete=keys.is_complete)
            self._add(turn, now)

    def _stop_saying(self, turn: Turn) -> None:
        """Nothing more of the turn under way is heard; its dialog goes on for a moment."""
        turn.is_stopped = True
        self._call.outbox.append(link.StopSaying(call_id=self._call.call_id, turn=turn.number))
        self._note_heard()
        if turn.is_audible:
            self._leave_answer(turn)
        turn.was_dropped |= not self.playout.is_empty
        self.playout.drop()

    def _leave_answer(self, turn: Turn) -> None:
        """The answer stops here: the next turn gets what was heard of it."""
        self._interrupted = turn.answered
        self._idle.fade_out(self.playout.rest(FADE_BYTES))

    def check_deadlines(self, now: float) -> None:
        """Do what the clock does for a leg that is there."""
        if not self.is_there and now >= self._settled_until_s:
            self._act_on_deadlines(now)

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
        until_s, waits_since_s = self.limits.until_s, None
        if self._is_ending:
            until_s = inf
        if turn.state in RUNNING and not self._call.gateway_is_lost:
            until_s = min(until_s, turn.progress_s + self._turn_deadline_s)
        if turn.state in NEEDS_GATEWAY and not self._call.gateway_is_ready:
            waits_since_s = turn.progress_s
            if self.waits_since_s is None:
                self.waits_since_s = now
            until_s = min(until_s, self.waits_since_s + self._waiting_limit_s)
        until_s = min(until_s, self._idle.settle(now, waits_since_s, turn.kind == "greeting"))
        self._holds = bool(self._idle.first)
        if self._speaking_s is not None:
            if self._barge_in.enabled and self._may_be_interrupted(turn):
                self._holds |= not turn.is_audible
            until_s = min(until_s, self._speaking_s + TURN_DEADLINE_S)
        if self._keys is not None:
            until_s = min(until_s, self._keys.over_s)
        no_input_s = self.listening.no_input_s
        until_s = min(until_s, self._no_input.settle(self._awaits_input, no_input_s, now))
        self._settled_until_s = until_s
        self._call.leg_changed(self, now)

    @property
    def _is_ending(self) -> bool:
        """Whether no turn is begun any more."""
        return self._hangs_up or self.limit_reached is not None

    @property
    def _awaits_input(self) -> bool:
        """Whether the dialog waits for the caller, and nothing happens."""
        is_idle = self.turn.state is TurnState.OVER and self._speaking_s is None and not self._is_ending
        has_question = self._call.needs_speech or self._keys is not None
        can_answer = self.is_there and not self._is_typing
        return is_idle and self._call.gateway_is_ready and has_question and can_answer

    def _act_on_deadlines(self, now: float) -> None:
        """The gateway's next message or the caller's utterance may have taken too long, or all of it."""
        if not self._is_ending and (limit := self.limits.reached(now)) is not None:
            self.end_for(limit, now)
            return
        if self._speaking_s is not None and now >= self._speaking_s + TURN_DEADLINE_S:
            self._speaking_s = None
        if self._keys is not None and now >= self._keys.over_s:
            self._end_collection(now)
        turn = self.turn
        is_late = not self._call.gateway_is_lost and now >= turn.progress_s + self._turn_deadline_s
        since_s, limit_s = self.waits_since_s, self._waiting_limit_s
        if not self._call.gateway_is_ready and since_s is not None and now >= since_s + limit_s:
            self._stop_waiting(now)  # first: else the next turn would begin to wait, if both are over
        elif is_late and turn.state in RUNNING:
            self._call.outbox.append(link.CancelTurn(call_id=self._call.call_id, turn=turn.number))
            self._fail(turn, f"no answer from the gateway for {self._turn_deadline_s:.0f} s")
            self._finish_if_played(now)
        elif self._awaits_input and self._no_input.is_over(self.listening.no_input_s, now):
            if self._no_input.is_last:
                self.end_for(self.limits.no_input(), now)
            else:
                self._add(Turn("silence", now, times=self._no_input.times), now)
        self._settle(now)

    def _stop_waiting(self, now: float) -> None:
        """The turn under way has waited too long: the dialplan goes on."""
        turn, reason = self.turn, f"nothing could answer within {self._waiting_limit_s:g} s"
        if turn.state in RUNNING:
            self._call.outbox.append(link.CancelTurn(call_id=self._call.call_id, turn=turn.number))
        self.caller_resumed()  # what was begun ahead is of no use
        turn.failure = reason
        self._call.write_record(turn)
        self._change_turn(Turn.none())
        self._call.send_back(f"{reason} (server.waiting_limit_s)", now)

    def _take_news(self, now: float) -> None:
        """Audio began or ended with this frame."""
        self.playout.has_news = False
        turn = self.turn
        if turn.first_frame_s is None and turn.first_audio_s is not None:
            turn.first_frame_s = now
            self._remember(turn)
            if turn.kind == "announcement":
                self._call.announcement_heard(self, turn.source)
        self._note_heard()
        self._finish_if_played(now)
        self._stop_where_spoken_over(now)
        self._settle(now)
        if now >= self.limits.until_s and not self._is_ending:
            self._act_on_deadlines(now)  # an answer without an end leaves no frame that asks for them

    def _note_heard(self) -> None:
        for text in self.playout.take_heard():
            if text:
                self._call.note("server", text, self.leg)
                self.turn.answered = f"{self.turn.answered} {text}".strip()

    def _may_be_interrupted(self, turn: Turn) -> bool:
        is_protected = turn.kind == "greeting" and not self._barge_in.in_greeting
        return turn.state is not TurnState.OVER and not is_protected

    def _stop_where_spoken_over(self, now: float) -> None:
        """Stop an answer that was spoken over, unless what plays, or played last, may not be stopped."""
        turn = self.turn
        if turn.is_spoken_over and not turn.is_stopped and not turn.playout.is_protected:
            turn.ending = TurnEnding.INTERRUPTED
            self.interruptions += 1
            self._give_up(turn, now)

    def _add(self, turn: Turn, now: float) -> None:
        if self._is_ending:
            return
        turn.number, turn.progress_s, turn.leg = self._call.next_turn(), now, self.leg
        if turn.kind in ("utterance", "digit"):  # an answer
            turn.listening, self.listening = self.listening, AS_USUAL
        self._waiting.append(turn)
        self._ask(now)
        self._settle(now)

    def _ask(self, now: float) -> None:
        """Ask the gateway for the turn under way, or the next one, unless it has been asked."""
        if self.turn.state is TurnState.OVER:
            if self._waiting:
                self._change_turn(self._waiting.popleft())
            elif self.limit_reached is not None and not self._hangs_up:
                self._play_last(PHRASES[self.limit_reached.ending], failure_tone())
        turn = self.turn
        if turn.state is not TurnState.WAITING:
            return
        if turn.kind == "announcement":
            self._begin_announcement(turn, now)
        elif self._call.gateway_is_ready and self._call.may_ask(self):
            turn.enter(TurnState.ASKED)
            turn.progress_s = now
            if turn.interrupted is None:
                turn.interrupted, self._interrupted = self._interrupted, None
            self._call.ask(turn)
            if turn.ending is TurnEnding.PRESSED_OVER:
                self._stop_saying(turn)

    def _begin_announcement(self, turn: Turn, now: float) -> None:
        turn.enter(TurnState.ANNOUNCING)
        if turn.ending is not None:  # a key was pressed since it came
            self._give_up(turn, now)
        elif turn is not self._announcement:  # all of it has come
            turn.complete()
            self._finish_if_played(now)

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
        if turn.is_unheard:
            turn.playout.drop()

    def _give_up(self, turn: Turn, now: float) -> None:
        """End the turn under way without (the rest of) its answer."""
        if turn.state in RUNNING:
            self._call.outbox.append(link.CancelTurn(call_id=self._call.call_id, turn=turn.number))
        self._note_heard()
        if turn.ending is TurnEnding.PRESSED_OVER:
            self._remember(turn)
        if turn.ending is TurnEnding.OVERTAKEN:
            self._call.withdraw(self, turn.number, now)
        if turn.ending is TurnEnding.INTERRUPTED:
            self._leave_answer(turn)
        elif turn.ending is TurnEnding.OVERTAKEN and turn.interrupted is not None:
            self._interrupted = turn.interrupted  # what its dialog did about it is undone
        turn.hang_up = None
        self._finish(turn, now)

    def _finish_if_played(self, now: float) -> None:
        turn = self.turn
        if turn.state is TurnState.DONE and self.playout.is_empty:
            if turn.ending in (None, TurnEnding.PRESSED_OVER):
                self._remember(turn)
            if turn.ending is TurnEnding.INTERRUPTED or turn.was_dropped:
                turn.hang_up = None
            self._finish(turn, now)

    def _finish(self, turn: Turn, now: float) -> None:
        turn.enter(TurnState.OVER)
        self._change_turn(Turn.none())
        if turn.hang_up is not None and not turn.is_unheard:
            self._hangs_up, self.limit_reached, self._keys = True, None, None
            if self.leg == "caller":
                self._call.hang_up = turn.hang_up
            self._waiting.drop_all()
        self._call.write_record(turn)
        self._ask(now)
