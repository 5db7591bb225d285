"""The turns of one leg of a call: pure, no socket, no clock, no Ray.

Turns are taken one at a time (`ingress.media.turn` has their states).

| event | effect |
|---|---|
| the caller speaks, the answer can be heard | it stops: the turn is interrupted |
| ... and speech may not stop what plays (`Say(may_interrupt=False)`) | it stops where that part ends |
| the caller speaks, the answer cannot be heard yet | it does not begin while the caller speaks |
| ... and the turn is that of the leg that joined | "yes?" of who answers the telephone answers nothing |
| ... and the turn is an utterance | it is given up once its words are known; the next turn answers both |
| a key is pressed, the answer can be heard | it stops, whatever `barge_in.enabled` says |
| ... or cannot be heard yet | nothing of it is heard; what its dialog remembers counts |
| ... and the gateway works on the turn | its dialog goes on for a moment: it may ask for these keys |
| the dialog asks for keys (`CollectKeys`) | those that wait and those that come are one turn |
| speech after the first of them | is not listened to until they are together |
| keys are pressed while they cannot be asked for yet | they are one turn, together and in order |
| the gateway is back, nothing of the answer has come | the turn is asked again |
| ... some of it has come | the turn ends with an apology: half an answer repeated is worse than its loss |
| the same gateway is ready again | the turn goes on: it was not lost, only its speech workers were away |
| no message of the gateway for `turn_deadline_s` | the turn fails, with an apology |
| a turn has waited for `waiting_limit_s`, in all, for a gateway that can serve it | the call is refused |
| the dialog hangs up | its words play, then 0.2 s of silence: a phone's buffer plays them to the end |
| the dialog wants the next answer listened to in its way (`Listen`) | that goes with the answer, once |
| nobody has said anything for `no_input_s` | a turn of that kind; if nothing is said in it, a phrase asks |
| ... `no_input_times` in a row, or another limit is reached | what plays, then a phrase, then the end |
| ... and nothing plays | the turn under way is given up |
| a turn of another leg has something said here | an announcement: a turn that asks for nothing |
| the gateway works on a turn of another leg | a turn here waits until that has its answer, heard or not |
| the leg goes | its turns go on, unheard; the last of them tells the dialog that it is gone |

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
from ingress.media.hearing.events import HeardUtterance
from ingress.media.idle_sound import IdleSound, PhraseSource
from ingress.media.keys import MAXIMUM_DIGITS, KeyCollection
from ingress.media.no_input import NoInput
from ingress.media.tones import busy_tone, failure_tone, prompt_tone
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

    def begin(self, now: float) -> None:
        """Take the first turn, the greeting."""
        self.limits.began_s = now
        self._add(Turn("greeting", now), now)

    def join(self, now: float) -> None:
        """Somebody is on the leg."""
        self.is_there, self._hangs_up, self._silent_since_s = True, False, None
        self._forget_answer()
        self._idle.clear()
        self._add(Turn("leg", now), now)

    def leave(self, now: float) -> None:
        """Nobody is on the leg any more."""
        self.is_there, self._hangs_up, self._speaking_s = False, False, None
        self.limits.came_s = inf
        self._forget_answer()
        self.caller_resumed()
        for turn in self._waiting:
            if turn.kind == "announcement":
                self._waiting.drop(turn)
        self._note_heard()
        self.playout.drop()
        if self.turn.state is TurnState.ANNOUNCING:
            self._give_up(self.turn, now)
        self._finish_if_played(now)
        self._add(Turn("leg", now, leg_is_there=False), now)
        for turn in (self.turn, *self._waiting):
            turn.is_unheard = True

    def _forget_answer(self) -> None:
        """Another one is on the leg, or nobody: what was asked of who was there is over."""
        self.limit_reached, self._keys, self.listening, self._interrupted = None, None, AS_USUAL, None
        self._no_input.came()

    def call_ended(self, is_planned: bool, now: float) -> None:
        """The call is over: play what is queued if that was planned, else the phrase for it, then end."""
        if not is_planned:
            self.play_farewell(now)
            return
        turn = self.turn
        self._hangs_up, self._announcement, self._speaking_s, self._keys = True, None, None, None
        self._waiting.forget(but_announcements=True)
        if turn.state is TurnState.WAITING:
            self._change_turn(Turn.none())
        elif turn.state in (*RUNNING, TurnState.ANNOUNCING):
            turn.complete()
        self._finish_if_played(now)
        self._ask(now)
        self._settle(now)

    def play_refusal(self, now: float) -> None:
        """Give up all turns, play the busy phrase, then end."""
        self._end_with(Phrase.BUSY, now)

    def play_farewell(self, now: float) -> None:
        """Give up all turns, say that the caller is gone, then end."""
        self._end_with(Phrase.CALLER_LEFT, now)

    def _end_with(self, phrase: Phrase, now: float) -> None:
        """Give up all turns, play a phrase, then end."""
        self._silent_since_s = None  # a dialog may have hung up: the phrase plays to its end all the same
        self.ahead_turn = self._speaking_s = self._keys = None
        self._waiting.forget()
        self._idle.clear()
        self._play_last(phrase, busy_tone())
        self._settle(now)

    def _play_last(self, phrase: Phrase, otherwise: bytes) -> None:
        """Play a phrase, or a tone, and end after it."""
        self._idle.stop_tone()
        self._change_turn(Turn.none())
        self.playout.push(self._phrases(phrase) or otherwise, "")
        self._hangs_up = True

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

    def caller_speaking(self, now: float) -> None:
        """The caller speaks, that is sure: stop the answer; do not begin another."""
        if self._is_typing:
            return
        self._speaking_s = now
        self._no_input.came()
        if self._barge_in.enabled:
            self._speak_over(now)
        self._settle(now)

    def _speak_over(self, now: float) -> None:
        for waiting in self._waiting:
            if waiting.kind == "utterance":
                waiting.ending = waiting.ending or TurnEnding.OVERTAKEN
                self.listening = waiting.listening
        turn = self.turn
        if turn.is_stopped or not self._may_be_interrupted(turn):
            return
        if turn.is_audible:
            turn.is_spoken_over = True
            self._stop_where_spoken_over(now)
        elif turn.kind in ("utterance", "silence"):
            turn.ending = TurnEnding.OVERTAKEN
            if turn.kind == "utterance" and not self._waiting:
                self.listening = turn.listening  # the answer goes on
            is_known = turn.heard is not None or turn.state in (TurnState.ANSWERING, TurnState.DONE)
            if is_known or turn.kind == "silence":
                self._give_up(turn, now)

    def _stop_where_spoken_over(self, now: float) -> None:
        """Stop an answer that was spoken over, unless what plays, or played last, may not be stopped."""
        turn = self.turn
        if turn.is_spoken_over and not turn.is_stopped and not turn.playout.is_protected:
            turn.ending = TurnEnding.INTERRUPTED
            self.interruptions += 1
            self._give_up(turn, now)

    def caller_paused(self, utterance: HeardUtterance) -> None:
        """The utterance may be over: have it transcribed meanwhile, if it would be the next turn."""
        is_next = self._call.gateway_is_ready and not self._waiting
        is_next &= not self._is_ending and not self._is_typing
        if is_next and not self._call.is_transcribed_ahead:
            self.ahead_turn = self._call.turns + 1
            self._call.outbox.append(
                link.TranscribeAhead(
                    call_id=self._call.call_id,
                    turn=self.ahead_turn,
                    audio=utterance.audio,
                    language=self._call.language,
                    listening=self.listening,
                )
            )

    def caller_resumed(self) -> None:
        """The utterance was not over."""
        if self.ahead_turn is not None:
            self._call.outbox.append(link.DropAhead(call_id=self._call.call_id, turn=self.ahead_turn))
            self.ahead_turn = None

    def hear(self, utterance: HeardUtterance, now: float) -> None:
        """The caller has finished an utterance."""
        if self.turn.kind == "leg" and self.turn.state is not TurnState.OVER and not self.turn.is_audible:
            self.caller_resumed()
            self._speaking_s = None
            self._settle(now)
            return
        self._speaking_s = self.ahead_turn = None
        self._no_input.came()
        if self._is_typing:
            return
        self._keys = None  # this is the answer
        last_s = utterance.last_speech_s
        wait_ms = (utterance.decided_s - last_s) * 1000.0
        self._add(Turn("utterance", last_s, audio=utterance.audio, endpoint_wait_ms=wait_ms), now)

    def press(self, digit: str, now: float) -> None:
        """The caller has pressed a key. An utterance under way has been heard before, or is none."""
        self.caller_resumed()  # the number goes to the digit
        self._no_input.came()
        self.limits.came_s = now
        before = (self.turn, *self._waiting)
        self._take_key(digit, now)
        for turn in before:
            if turn.kind != "digit" or turn.state is not TurnState.WAITING:
                self._press_over(turn, now)
        self._settle(now)

    @property
    def _is_typing(self) -> bool:
        """Whether keys that belong together have begun to come."""
        return self._keys is not None and self._keys.has_begun

    def _take_key(self, digit: str, now: float) -> None:
        if self._is_ending:
            return
        if self._keys is None:
            self._add_digit(digit, now)
        elif self._keys.press(digit, now):
            self._end_collection(now)

    def collect_keys(self, wanted: link.KeysWanted, now: float) -> None:
        """Take the next keys together, after those that wait to be asked for."""
        digits = self._waiting.take_keys() + (self._keys.digits if self._keys else "")
        self._keys = KeyCollection(wanted.count, wanted.terminator, wanted.gap_s)
        for digit in digits:
            self._take_key(digit, now)
        self._settle(now)

    def _end_collection(self, now: float) -> None:
        """The keys are together, or no more come: they are a turn."""
        keys, self._keys = self._keys, None
        if keys is not None:
            turn = Turn("digit", now, digits=keys.digits, is_collected=True, is_complete=keys.is_complete)
            self._add(turn, now)

    def _add_digit(self, digit: str, now: float) -> None:
        """Take a key into the last turn if that has keys and has not been asked for; else into a new one."""
        last = self._waiting.newest or self.turn
        if not last.takes_keys:
            self._add(Turn("digit", now, digits=digit), now)
        elif len(last.digits) < MAXIMUM_DIGITS:
            last.digits += digit
            last.speech_ended_s = now
        else:
            self._waiting.dropped += 1

    def _press_over(self, turn: Turn, now: float) -> None:
        """A key was pressed after this turn began."""
        if not self._may_be_interrupted(turn):
            return
        if turn.is_stopped:
            return
        if turn.is_audible:
            turn.ending = TurnEnding.INTERRUPTED
            self.interruptions += 1
        elif turn.kind == "silence":
            turn.ending = TurnEnding.OVERTAKEN
            self._give_up(turn, now)
        else:
            turn.ending = turn.ending or TurnEnding.PRESSED_OVER
        if turn.state in (TurnState.ANNOUNCING, TurnState.DONE):
            self._give_up(turn, now)
        elif turn.state in RUNNING and turn.ending is not TurnEnding.OVERTAKEN:
            self._stop_saying(turn)

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
        """The answer stops here: the next turn is told what was heard of it."""
        self._interrupted = turn.answered
        self._idle.fade_out(self.playout.rest(FADE_BYTES))

    def gateway_replaced(self, now: float) -> None:
        """What the gateway was asked is lost; `gateway_ready` comes next."""
        turn = self.turn
        if turn.state is TurnState.ASKED:
            turn.enter(TurnState.WAITING)
            if turn.heard:  # they will be transcribed again
                self._call.forget_heard(self.leg)
            turn.heard = turn.dialog_state = None
            turn.is_stopped = False
        elif turn.state is TurnState.ANSWERING:
            self._fail(turn, "the gateway was replaced in mid-answer")
            self._finish_if_played(now)

    def gateway_ready(self, now: float) -> None:
        """The gateway can serve turns (again): ask what is owed."""
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
            case link.SentenceAudio() | link.HangUp() if message.leg != self.leg:
                self._pass_to_other(turn, message, now)
            case link.SentenceAudio() if turn.is_unheard:
                turn.stages = message.stages
            case link.SentenceAudio():
                turn.take_audio(message, now)
                self._note_heard()
                self._stop_where_spoken_over(now)
            case link.PlayTone() if not turn.is_unheard:
                self._idle.set_tone(message.frequency_hz)
            case link.HangUp():
                turn.hang_up = message
            case link.ListenTo() if turn.ending is not TurnEnding.OVERTAKEN:
                if (asked := self._call.on_leg(message.leg)) is not None:
                    asked.listening = message.options
            case link.KeysWanted() if turn.ending is not TurnEnding.OVERTAKEN:
                if (asked := self._call.on_leg(message.leg)) is not None:
                    asked.collect_keys(message, now)
            case link.VariableSet(name=name, value=value):
                self._call.set_variable(name, value)
            case link.StateChanged():
                turn.dialog_state = message.state
                if turn.was_heard:
                    self._remember(turn)
            case link.TurnDone():
                turn.stages = message.stages
                turn.was_understood = message.was_understood
                turn.doubt = message.doubt
                turn.transcription_failure = message.transcription_failure
                if message.failure is None:
                    asks = turn.is_unanswered_silence
                    turn.complete()
                    if asks:
                        turn.playout.push(self._phrases(Phrase.STILL_THERE) or prompt_tone(), "")
                else:
                    self._fail(turn, message.failure)
        if turn.ending is TurnEnding.OVERTAKEN and turn.state in RUNNING:
            self._give_up(turn, now)  # its words are known, or that there are none
        else:
            self._finish_if_played(now)
        self._settle(now)

    # Between the legs of a call

    def _pass_to_other(self, turn: Turn, message: link.SentenceAudio | link.HangUp, now: float) -> None:
        """A turn of this leg does something on the other one: a part of its answer, as what plays here."""
        if turn.ending is TurnEnding.OVERTAKEN:
            return
        if isinstance(message, link.SentenceAudio) and turn.ending is not None:
            turn.was_dropped |= bool(message.audio)
        elif self._call.announce(message, now) and isinstance(message, link.SentenceAudio):
            turn.enter(TurnState.ANSWERING)

    def announce(self, message: link.SentenceAudio | link.HangUp, now: float) -> bool:
        """Take what a turn of another leg does here; False: nobody is there."""
        if not self.is_there or self._is_ending:
            return False
        turn = self._announcement
        if turn is None or turn.source != message.turn:
            turn = self._announcement = Turn("announcement", now, source=message.turn)
            self._add(turn, now)
        if turn.state is TurnState.OVER:  # the caller has stopped it
            return True
        if isinstance(message, link.HangUp):
            turn.hang_up = message
        else:
            turn.take_audio(message, now)
            self._note_heard()
        self._settle(now)
        return True

    def withdraw(self, source: int, now: float) -> None:
        """A turn of another leg is given up unheard: what it says here as well, unless that was heard."""
        turn = self._announcement
        if turn is None or turn.source != source or turn.state is TurnState.OVER or turn.is_audible:
            return
        if turn is self.turn:
            turn.ending = TurnEnding.OVERTAKEN
            self._give_up(turn, now)
            self._settle(now)
        else:
            self._waiting.drop(turn)

    def was_announced(self, source: int) -> None:
        """Something that a turn says on another leg was heard."""
        if self.turn.number == source:
            self.turn.was_announced = True
            self._remember(self.turn)

    def other_changed(self, other: LegTurns, now: float) -> None:
        """Something happened on the other leg: what it says here may be complete, or a turn here is next."""
        running = other.turn.number if other.turn.state in RUNNING else None
        turn = self._announcement
        is_complete = turn is not None and turn.source != running
        if turn is not None and is_complete:
            self._announcement = None
            if turn.state is TurnState.ANNOUNCING:
                turn.complete()
                self._finish_if_played(now)
        is_next = running is None and self.turn.state is TurnState.WAITING and self._call.gateway_is_ready
        if is_complete or is_next:
            self._ask(now)
            self._settle(now)

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
