"""A call under any events in any order, on one leg or two."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from actors.telephone import FRAME_BYTES
from ingress.configuration.extensions import Phrase, default_extension
from ingress.configuration.settings import Settings
from ingress.link.messages import (
    Admitted,
    CallStarted,
    CancelTurn,
    Digits,
    DropAhead,
    Greet,
    HangUp,
    Heard,
    KeysWanted,
    LegChanged,
    LegName,
    NoInput,
    Readiness,
    SentenceAudio,
    StateChanged,
    StopSaying,
    TranscribeAhead,
    TurnDone,
    TurnFinished,
    Utterance,
)
from ingress.link.records import StageTimes, TurnRecord
from ingress.media.call import Call, Verdict
from ingress.media.hearing.events import HeardUtterance
from ingress.media.leg_turns import LegTurns
from ingress.media.playout import LONG_FRAME_BYTES
from ingress.media.turn import TurnState
from ingress.media.turn_sequence import CLOSING_SILENCE_S, FADE_BYTES, TURN_DEADLINE_S

PHRASES = {phrase: bytes((index + 3, 0)) * 400 for index, phrase in enumerate(Phrase)}
LEGS = st.sampled_from(["caller", "caller", "return"])
UTTERANCE = HeardUtterance(b"\1\0" * 800, 0.0, 0.0)
LIMITS = {"no_input_s": 5.0, "no_input_times": 3, "longest_s": 600.0, "no_audio_s": 300.0}
EXTENSION = default_extension(Settings.model_validate({"call_limits": LIMITS})).model_copy(
    update={"needs_speech": True}
)
SILENCE_S = 3 * 5.0 + 2 * TURN_DEADLINE_S + 30.0
"""So long a call may last in which nobody says anything: three silences, a caller who was last heard speaking
and a gateway that was last heard thinking, and what is still to be played."""


class CallMachine(RuleBasedStateMachine):
    """Any events in any order: every turn ends exactly once, on each leg in order; frames always come.

    The return leg comes and goes; what happens on it while it is away happens on the caller's.

    The gateway's side keeps what it was asked; its messages may be late, for turns that are over.
    """

    def __init__(self) -> None:
        super().__init__()
        self.call = Call("c1", "default", phrases=PHRASES.get, settings=EXTENSION)
        self.call.caller.limits.came_s = 0.0
        self.call.caller.begin(0.0)
        self.now = 0.0
        self.ready = False
        self.pressed_over: set[int] = set()
        """Turns that were under way when a key was pressed."""
        self.pressed = {"caller": "", "return": ""}
        self.typed: dict[int, tuple[LegName, str]] = {}
        """The leg and the keys of each turn that was asked for."""
        self.has_lost_keys = {"caller": False, "return": False}
        """Whether the dialog has hung up on that leg."""
        self.announced: set[int] = set()
        """Turns that had something said on their other leg."""
        self.is_away = False
        """The gateway is there, its speech workers are not."""
        self.asked_anew = 0
        self.asked: dict[int, LegName] = {}
        self.finished: list[int] = []
        self.running: int | None = None
        """The gateway's turn, neither done nor cancelled."""
        self.ahead: int | None = None
        self.heard_texts: set[str] = set()
        self.sentences = 0
        self.records: dict[int, TurnRecord] = {}

    @property
    def added(self) -> int:
        """How many turns there have been; keys that wait are one."""
        return self.call.turns

    def leg(self, name: LegName) -> LegTurns:
        """Return that leg, or the caller's if the other is not there."""
        has_other = name == "return" and self.call.has_return_leg
        return self.call.return_leg if has_other and self.call.return_leg else self.call.caller

    def collect(self) -> None:
        """Take what the call says, as a gateway would."""
        messages, self.call.outbox = self.call.outbox, []
        for message in messages:
            assert self.call.verdict is not Verdict.REFUSED
            match message:
                case CallStarted():
                    assert message.is_admitted == (self.call.verdict is Verdict.ADMITTED)
                case Greet() | Utterance() | Digits() | NoInput() | LegChanged():
                    turn = message.turn
                    assert self.ready
                    assert self.running is None
                    self.running = turn
                    self.asked_anew += turn in self.asked
                    assert not self.is_away
                    self.asked[turn] = message.leg
                    if isinstance(message, Digits):
                        self.typed[turn] = message.leg, message.digits
                    record = self.records.get(message.state.get("turn"))  # type: ignore[arg-type]
                    if record is not None and record.turn not in self.announced:
                        assert not record.was_overtaken or record.turn in self.pressed_over
                        assert record.failure is None or record.first_answer_ms is not None
                    if isinstance(message, Utterance) and self.ahead == turn:
                        self.ahead = None
                case CancelTurn(turn=turn):
                    assert turn in self.asked
                    if self.running == turn:
                        self.running = None
                case StopSaying(turn=turn):
                    assert turn == self.running or not self.ready
                case TurnFinished(record=record):
                    assert record.turn != self.running
                    self.finished.append(record.turn)
                    self.records[record.turn] = record
                case TranscribeAhead(turn=turn):
                    assert self.ready
                    assert self.ahead is None
                    assert turn == self.added + 1
                    self.ahead = turn
                case DropAhead(turn=turn):
                    assert turn == self.ahead or not self.ready or self.ahead is None
                    self.ahead = None

    @rule(sizes=st.lists(st.sampled_from([FRAME_BYTES, LONG_FRAME_BYTES]), min_size=1, max_size=100))
    def time_passes(self, sizes: list[int]) -> None:
        """The clock takes frames of both lengths."""
        for size in sizes:
            self.now += size / 16_000
            for leg in self.call.legs:
                if leg.is_there:
                    assert len(leg.next_frame(self.now, size)) == size
        self.collect()

    @rule()
    def a_long_time_passes(self) -> None:
        """Deadlines run out: a caller who waits for no answer at all goes back to the dialplan."""
        turns = self.call.caller
        waits = turns.waits_since_s is not None and not self.ready and turns.playout.is_empty
        self.now += TURN_DEADLINE_S
        self.call.caller.next_frame(self.now)
        self.leg("return").next_frame(self.now)
        self.call.check_deadlines(self.now)
        self.collect()
        if waits:
            assert self.call.caller.waits_since_s is None
            assert self.call.refusal is not None or self.records

    @rule()
    def gateway_comes(self) -> None:
        """A new gateway is ready; the old one, if any, is no more."""
        self.call.gateway_gone(self.now)
        self.ready, self.is_away = True, False
        self.running = self.ahead = None
        self.call.gateway_ready(self.now)
        self.collect()

    @precondition(lambda self: self.ready)
    @rule()
    def speech_workers_go(self) -> None:
        """The gateway stays, and goes on with what it was asked."""
        self.ready, self.is_away = False, True
        self.call.receive(Readiness(is_ready=False, detail=""), self.now)
        self.collect()

    @precondition(lambda self: self.is_away)
    @rule()
    def speech_workers_return(self) -> None:
        """The same gateway is ready again: nothing is asked twice, nothing fails."""
        self.ready, self.is_away = True, False
        anew, records = self.asked_anew, dict(self.records)
        self.call.receive(Readiness(is_ready=True, detail=""), self.now)
        self.collect()
        assert (self.asked_anew, self.records) == (anew, records)

    @rule()
    def gateway_goes(self) -> None:
        """The gateway is gone."""
        self.ready = self.is_away = False
        self.running = self.ahead = None
        self.call.gateway_gone(self.now)
        self.collect()

    @precondition(lambda self: self.ready)
    @rule()
    def call_is_admitted(self) -> None:
        """The verdict, perhaps once more."""
        self.call.receive(Admitted(call_id="c1"), self.now)
        self.collect()

    @precondition(lambda self: self.ready and self.call.verdict is Verdict.NONE and not self.call.refusal)
    @rule()
    def call_is_refused(self) -> None:
        """The other verdict: from now on the phrase plays and nothing else happens."""
        self.call.refuse("full", self.now)
        self.running = self.ahead = None
        frames = [self.call.caller.next_frame(self.now) for _ in range(3)]
        assert b"".join(frames).startswith(PHRASES[Phrase.BUSY])
        assert not self.call.caller.is_at_end(self.now)
        self.now += CLOSING_SILENCE_S
        assert self.call.caller.is_at_end(self.now)

    @precondition(lambda self: self.call.refusal is None)
    @rule()
    def return_leg_changes(self) -> None:
        """Somebody comes to the return leg, or leaves it."""
        if self.call.return_leg is not None and self.call.has_return_leg:
            self.has_lost_keys["return"] |= self.call.return_leg._is_typing
            self.call.leave(self.now)
        else:
            self.call.join(self.now).limits.came_s = self.now
        self.collect()

    @rule(name=LEGS)
    def caller_speaks(self, name: LegName) -> None:
        """Nothing that could be heard is left, but the fade, or what another leg's turn says after it."""
        leg = self.leg(name)
        before = leg.interruptions
        leg.caller_speaking(self.now)
        self.collect()
        if leg.interruptions > before:
            goes_on = leg.turn.kind == "announcement" or leg.limit_reached is not None
            assert leg.playout.is_empty or goes_on
            frame = leg.next_frame(self.now)
            waits = not self.ready  # then the waiting beep may begin
            assert not any(frame[FADE_BYTES:]) or waits or goes_on

    @rule(name=LEGS)
    def caller_pauses(self, name: LegName) -> None:
        """Perhaps the end."""
        self.leg(name).caller_paused(UTTERANCE)
        self.collect()

    @rule(name=LEGS)
    def caller_goes_on(self, name: LegName) -> None:
        """It was not; what was begun for an utterance that is over, and waits, stays."""
        leg = self.leg(name)
        leg.caller_resumed()
        self.collect()
        assert leg.ahead_turn is None

    @rule(name=LEGS)
    def caller_finishes(self, name: LegName) -> None:
        """The caller has said something."""
        self.leg(name).hear(UTTERANCE, self.now)
        self.collect()

    @rule(name=LEGS, digit=st.sampled_from("0123456789*#"))
    def caller_presses(self, name: LegName, digit: str) -> None:
        """A key: nothing that could be heard is left, but a greeting that may not be interrupted."""
        leg = self.leg(name)
        for turn in (leg.turn, *leg._waiting):
            if turn.kind != "digit" or turn.state is not TurnState.WAITING:
                self.pressed_over.add(turn.number)
        if not leg._is_ending or leg.turn.hang_up is not None:
            self.pressed[leg.leg] += digit
        leg.press(digit, self.now)
        self.collect()
        assert leg.playout.is_empty or self.call.refusal is not None or leg.limit_reached is not None

    @rule(name=LEGS)
    def something_comes(self, name: LegName) -> None:
        """A frame of audio, some time or other."""
        self.leg(name).limits.came_s = self.now

    @rule(seconds=st.floats(0.5, 6.0))
    def nothing_happens(self, seconds: float) -> None:
        """Time passes, and the clock finds nothing to play: silences and gaps between keys run out."""
        self.now += seconds
        for leg in self.call.legs:
            if leg.is_there:
                leg.next_frame(self.now)
        self.call.check_deadlines(self.now)
        self.collect()

    @precondition(lambda self: self.asked)
    @rule(
        data=st.data(),
        name=st.sampled_from(["caller", "return"]),
        count=st.none() | st.integers(1, 4),
        terminator=st.sampled_from([None, "A"]),
    )
    def keys_are_wanted(
        self, data: st.DataObject, name: LegName, count: int | None, terminator: str | None
    ) -> None:
        """The dialog takes keys of a leg together; nobody has an A on the phone."""
        keys = {"leg": name, "count": count, "terminator": terminator, "gap_s": 3.0}
        wanted = KeysWanted.model_validate({"call_id": "c1", "turn": self.some_turn(data), **keys})
        self.call.receive(wanted, self.now)
        self.collect()

    def some_turn(self, data: st.DataObject) -> int:
        """Return the running turn, or any that was asked before: messages may be late."""
        turns = list(self.asked)
        return data.draw(st.sampled_from([*turns, *([self.running] * 4 if self.running else [])]))

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def words_come(self, data: st.DataObject) -> None:
        """The transcription."""
        self.call.receive(Heard(call_id="c1", turn=self.some_turn(data), text="words"), self.now)
        self.collect()

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def dialog_remembers(self, data: st.DataObject) -> None:
        """The dialog sets its state."""
        turn = self.some_turn(data)
        self.call.receive(StateChanged(call_id="c1", turn=turn, state={"turn": turn}), self.now)
        self.collect()

    @precondition(lambda self: self.asked)
    @rule(
        data=st.data(),
        frames=st.integers(min_value=0, max_value=20),
        is_last=st.booleans(),
        goes_over=st.booleans(),
    )
    def answer_comes(self, data: st.DataObject, frames: int, is_last: bool, goes_over: bool) -> None:
        """A piece of the answer, or of what is said on the other leg."""
        text = f"sentence {self.sentences}"
        self.sentences += is_last
        if is_last:
            self.heard_texts.add(text)
        turn = self.some_turn(data)
        leg = ("return" if self.asked[turn] == "caller" else "caller") if goes_over else self.asked[turn]
        if goes_over:
            self.announced.add(turn)
        name = {"call_id": "c1", "turn": turn, "leg": leg, "stages": StageTimes()}
        words = {"sentence": 1, "text": text, "audio": b"\2\0" * 160 * frames, "is_last": is_last}
        self.call.receive(SentenceAudio.model_validate({**name, **words}), self.now)
        self.collect()

    @precondition(lambda self: self.asked)
    @rule(
        data=st.data(),
        failure=st.sampled_from([None, "broken"]),
        hangs_up=st.sampled_from([None, None, "caller", "return"]),
    )
    def turn_is_done(self, data: st.DataObject, failure: str | None, hangs_up: LegName | None) -> None:
        """The gateway has nothing more."""
        turn = self.some_turn(data)
        if hangs_up is not None:
            self.has_lost_keys[hangs_up] = True
            self.call.receive(HangUp(call_id="c1", turn=turn, leg=hangs_up), self.now)
        if self.running == turn:
            self.running = None
        self.call.receive(TurnDone(call_id="c1", turn=turn, stages=StageTimes(), failure=failure), self.now)
        self.collect()

    @invariant()
    def turns_end_once_and_in_order(self) -> None:
        """On each leg one turn at a time; each that was asked ends in one record, unless it is dropped."""
        assert len(self.finished) == len(set(self.finished))
        assert len(self.finished) + self.call.dropped_turns <= self.added
        for leg in self.call.legs:
            finished = [turn for turn in self.finished if self.records[turn].leg == leg.leg]
            assert finished == sorted(finished)
            asked = {turn for turn, name in self.asked.items() if name == leg.leg}
            open_turns = asked - set(finished) if self.call.refusal is None else set()
            assert len(open_turns) <= 1
            assert not open_turns or max(open_turns) >= max(finished, default=0)
            is_quiet = leg.playout.is_empty or leg.turn.kind == "announcement"
            is_quiet |= leg.limit_reached is not None
            assert open_turns or is_quiet or self.call.refusal is not None

    @invariant()
    def no_turn_waits_for_nothing(self) -> None:
        """The gateway is asked for one turn of the call unless there is none, or it is not known yet whether
        what the dialog remembers counts."""
        if self.ready and self.call.refusal is None:
            waiting = [leg for leg in self.call.legs if leg.turn.state is TurnState.WAITING]
            held = any(leg.turn.dialog_state is not None for leg in self.call.legs)
            assert not waiting or held or self.running is not None

    @invariant()
    def no_key_is_lost(self) -> None:
        """All keys are asked for or wait, in order and once, until the call is to end."""
        for leg in self.call.legs:
            turns = (leg.turn, *leg._waiting)
            waiting = "".join(turn.digits for turn in turns if turn.number not in self.typed)
            typed = "".join(digits for name, digits in self.typed.values() if name == leg.leg)
            self.has_lost_keys[leg.leg] |= leg._is_ending
            if self.has_lost_keys[leg.leg]:
                continue
            collected = "" if leg._keys is None else leg._keys.digits
            assert typed + waiting + collected == self.pressed[leg.leg]

    @invariant()
    def history_holds_whole_sentences_only(self) -> None:
        """A sentence without its end was not heard to its end."""
        said = {entry.text for entry in self.call.history if entry.speaker == "server"}
        assert said <= self.heard_texts

    def teardown(self) -> None:
        """Nobody says anything any more, and the gateway has nothing to say: the caller's leg ends, the other
        one plays what is left for it, then ends as well."""
        leg = self.call.return_leg
        self.gateway_comes()
        until_s = self.now + SILENCE_S
        while not self.call.caller.is_at_end(self.now):
            assert self.now < until_s
            plays = any(not turns.playout.is_empty for turns in self.call.legs)
            self.now += 0.02 if plays else 0.5
            for turns in self.call.legs:
                if turns.is_there:
                    turns.next_frame(self.now)
            self.call.check_deadlines(self.now)
            self.collect()
            if self.running is not None:
                done, self.running = self.running, None
                self.call.receive(TurnDone(call_id="c1", turn=done, stages=StageTimes()), self.now)
                self.collect()
        self.call.end(self.now)
        turns = self.call.turns_taken
        if leg is None or not leg.is_there:
            return
        for _ in range(3_000):
            self.now += 0.02
            leg.next_frame(self.now)
            if leg.is_at_end(self.now):
                break
        assert leg.is_at_end(self.now)
        assert self.call.turns_taken == turns


TestCallMachine = CallMachine.TestCase
TestCallMachine.settings = settings(max_examples=100, stateful_step_count=40)
