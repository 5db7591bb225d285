"""What becomes of the turns of one leg: what the caller does, what the gateway says, the other leg. Pure.

Each turn's way is in `ingress.media.turn_sequence`.

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
| the dialog wants the next answer listened to in its way (`Listen`) | that goes with the answer, once |
| a turn of another leg has something said here | an announcement: a turn that asks for nothing |
| the gateway works on a turn of another leg | a turn here waits until that has its answer, heard or not |
| the leg goes | its turns go on, unheard; the last of them tells the dialog that it is gone |
"""

from __future__ import annotations

from math import inf

from ingress.configuration.extensions import Phrase
from ingress.link import messages as link
from ingress.link.messages import MAXIMUM_KEYS
from ingress.media.hearing.events import HeardUtterance
from ingress.media.keys import KeyCollection
from ingress.media.tones import busy_tone, prompt_tone
from ingress.media.turn import AS_USUAL, RUNNING, Turn, TurnEnding, TurnState
from ingress.media.turn_sequence import TurnSequence


class LegTurns(TurnSequence):
    """What happens on one leg of a call, and to its turns."""

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

    def _take_key(self, digit: str, now: float) -> None:
        if self._is_ending:
            return
        if self._keys is None:
            self._add_digit(digit, now)
        elif self._keys.press(digit, now):
            self._end_collection(now)

    def listen(self, options: link.ListenOptions, now: float) -> None:
        """Listen to the next answer in this way; how long nobody need say anything holds at once."""
        self.listening = options
        self._settle(now)

    def collect_keys(self, wanted: link.KeysWanted, now: float) -> None:
        """Take the next keys together, after those that wait to be asked for."""
        digits = self._waiting.take_keys() + (self._keys.digits if self._keys else "")
        self._keys = KeyCollection(wanted.count, wanted.terminator, wanted.gap_s)
        for digit in digits:
            self._take_key(digit, now)
        self._settle(now)

    def _add_digit(self, digit: str, now: float) -> None:
        """Take a key into the last turn if that has keys and has not been asked for; else into a new one."""
        last = self._waiting.newest or self.turn
        if not last.takes_keys:
            self._add(Turn("digit", now, digits=digit), now)
        elif len(last.digits) < MAXIMUM_KEYS:
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
                    asked.listen(message.options, now)
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

    def other_changed(self, other: TurnSequence, now: float) -> None:
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
