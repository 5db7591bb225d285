"""A call with a return leg: no socket, no clock, no gateway."""

from __future__ import annotations

from typing import TypeVar

import pytest
from one_call import extension

from actors.telephone import FRAME_BYTES, FRAME_S
from ingress.configuration.extensions import Extension, Phrase
from ingress.link.messages import (
    CancelTurn,
    Digits,
    DropAhead,
    HangUp,
    Heard,
    HistoryEntry,
    KeysWanted,
    LegChanged,
    LegName,
    ListenOptions,
    ListenTo,
    Message,
    NoInput,
    SentenceAudio,
    StateChanged,
    TranscribeAhead,
    TurnDone,
    Utterance,
)
from ingress.link.records import CallResult, StageTimes
from ingress.media.call import Call
from ingress.media.endings import Ending
from ingress.media.hearing.events import HeardUtterance
from ingress.media.leg_turns import LegTurns
from ingress.media.turn import TurnState
from ingress.media.turn_sequence import CLOSING_SILENCE_S, TURN_DEADLINE_S

M = TypeVar("M", bound=Message)
PHRASES = {phrase: bytes((index + 3, 0)) * (FRAME_BYTES // 2) for index, phrase in enumerate(Phrase)}
UTTERANCE = HeardUtterance(b"\1\0" * 8_000, 1.0, 1.5)


class TwoLegs:
    """A call whose greeting (1) and whose joining (2) were answered with nothing."""

    def __init__(self, settings: Extension | None = None) -> None:
        self.now = 0.0
        self.call = Call("c1", "default", phrases=PHRASES.get, keeps_text=True, settings=settings)
        self.call.caller.begin(0.0)
        self.call.gateway_ready(0.0)
        self.done(1)
        self.back = self.call.join(0.0)
        self.done(2)
        self.call.outbox.clear()

    def done(self, turn: int, failure: str | None = None) -> None:
        """The gateway has nothing more for a turn."""
        self.call.receive(
            TurnDone(call_id="c1", turn=turn, stages=StageTimes(cache_hits=1), failure=failure), self.now
        )

    def say(self, turn: int, leg: LegName, text: str, frames: int = 2) -> None:
        """A turn says something on a leg."""
        audio = bytes((turn, 1)) * (FRAME_BYTES // 2 * frames)
        message = SentenceAudio(
            call_id="c1",
            turn=turn,
            leg=leg,
            sentence=1,
            text=text,
            audio=audio,
            is_last=True,
            stages=StageTimes(cache_hits=1),
        )
        self.call.receive(message, self.now)

    def hang_up(self, turn: int, leg: LegName) -> None:
        """A turn ends a leg."""
        self.call.receive(HangUp(call_id="c1", turn=turn, leg=leg, reason="why"), self.now)

    def state(self, turn: int, **state: str) -> None:
        """The dialog remembers something."""
        self.call.receive(StateChanged(call_id="c1", turn=turn, state=dict(state)), self.now)

    def hears(self, leg: LegTurns, frames: int = 1) -> set[int]:
        """Take frames of a leg; return which turns were in them, 0 for silence."""
        heard = [leg.next_frame(self.now) for _ in range(frames)]
        return {frame[0] for frame in heard}

    def play(self, seconds: float) -> None:
        """Let time pass on both legs."""
        for _ in range(round(seconds / FRAME_S)):
            self.now += FRAME_S
            for leg in (self.call.caller, self.back):
                leg.next_frame(self.now)

    def take(self, kind: type[M]) -> list[M]:
        """Return the messages of one type since the last call, whatever else came."""
        messages, self.call.outbox = self.call.outbox, []
        return [message for message in messages if isinstance(message, kind)]

    def asked(self) -> list[tuple[int, LegName]]:
        """Return what the gateway was asked since the last call."""
        kinds = (Utterance, Digits, LegChanged)
        return [(message.turn, message.leg) for message in self.take(Message) if isinstance(message, kinds)]


@pytest.fixture
def two() -> TwoLegs:
    """A call with both legs, listening."""
    return TwoLegs()


def test_the_dialog_is_asked_when_the_return_leg_joins_and_leaves() -> None:
    """Each is a turn of that leg; the request tells whether the leg is there."""
    call = Call("c1", "default")
    call.caller.begin(0.0)
    call.gateway_ready(0.0)
    call.receive(TurnDone(call_id="c1", turn=1, stages=StageTimes()), 0.0)
    call.join(1.0)
    call.receive(TurnDone(call_id="c1", turn=2, stages=StageTimes()), 1.0)
    call.leave(2.0)
    changes = [message for message in call.outbox if isinstance(message, LegChanged)]
    seen = [(it.turn, it.leg, it.is_there, it.has_return_leg) for it in changes]
    assert seen == [(2, "return", True, True), (3, "return", False, False)]
    assert [(record.kind, record.leg) for record in call.turn_records] == [
        ("greeting", "caller"),
        ("leg", "return"),
    ]


@pytest.mark.parametrize("is_done", [False, True])
def test_who_joins_and_speaks_before_anything_was_said_to_them_answers_nothing(is_done: bool) -> None:
    """Many answer the telephone with a "yes": it must not be taken for an answer to what is asked then."""
    two = TwoLegs()
    back = two.call.join(1.0)
    assert two.asked() == [(3, "return")]
    back.caller_speaking(1.1)
    two.say(3, "return", "Do you open?")
    if is_done:
        two.done(3)
    assert two.hears(back) == {0}
    back.caller_paused(UTTERANCE)
    back.hear(UTTERANCE, 1.5)
    messages = two.take(Message)
    assert [type(message) for message in messages] == [TranscribeAhead, DropAhead]
    if not is_done:
        two.done(3)
    assert two.hears(back, 2) == {3}
    assert two.asked() == []
    back.caller_speaking(2.0)
    back.hear(UTTERANCE, 2.5)
    assert two.asked() == [(4, "return")]


def test_the_gateway_works_on_one_turn_of_a_call_at_a_time(two: TwoLegs) -> None:
    """The older one first; an answer that only plays holds nobody up."""
    two.call.caller.hear(UTTERANCE, 1.0)
    two.back.hear(UTTERANCE, 1.1)
    two.call.caller.press("5", 1.2)
    assert two.asked() == [(3, "caller")]
    two.say(3, "caller", "one", frames=50)
    assert two.hears(two.call.caller) == {0}  # a key was pressed before it was heard
    two.done(3)
    assert two.asked() == [(4, "return")]
    two.say(4, "return", "two", frames=50)
    assert two.asked() == []
    two.done(4)
    assert two.asked() == [(5, "caller")]
    assert two.hears(two.back) == {4}


def test_a_turn_waits_until_it_is_known_what_the_dialog_remembers(two: TwoLegs) -> None:
    """Else the older turn's notes would be lost to those of the newer one."""
    two.call.caller.press("5", 1.0)
    two.back.press("1", 1.0)
    two.state(3, pressed="5")
    two.say(3, "caller", "one")
    two.done(3)
    assert two.asked() == [(3, "caller")]
    two.hears(two.call.caller)
    (request,) = two.take(Digits)
    assert (request.turn, request.state) == (4, {"pressed": "5"})


def test_what_a_turn_says_on_the_other_leg_is_a_turn_there(two: TwoLegs) -> None:
    """After what plays there; its record has its own number; the history has the leg."""
    two.back.press("1", 1.0)
    two.say(3, "return", "wait")
    two.done(3)
    two.call.caller.hear(UTTERANCE, 2.0)
    two.call.receive(Heard(call_id="c1", turn=4, text="hello"), 2.0)
    two.say(4, "return", "a visitor")
    two.say(4, "caller", "one moment")
    two.done(4)
    assert two.hears(two.back, 5) == {3, 4, 0}
    assert two.hears(two.call.caller, 3) == {4, 0}
    assert two.call.history == (
        HistoryEntry(speaker="caller", text="hello"),
        HistoryEntry(speaker="server", text="wait", leg="return"),
        HistoryEntry(speaker="server", text="a visitor", leg="return"),
        HistoryEntry(speaker="server", text="one moment"),
    )
    records = {record.turn: record for record in two.call.turn_records}
    assert (records[5].kind, records[5].leg, records[5].answered) == ("announcement", "return", "a visitor")
    assert (records[5].stages.cache_hits, records[4].stages.cache_hits) == (0, 1)


def test_what_is_said_to_nobody_is_dropped() -> None:
    """It is not in the history, and costs the other leg nothing."""
    two = TwoLegs()
    two.call.leave(1.0)
    two.done(3)
    two.call.caller.press("5", 1.0)
    two.say(4, "return", "a visitor")
    two.say(4, "caller", "one moment")
    two.done(4)
    two.hears(two.call.caller, 5)
    assert [entry.text for entry in two.call.history] == ["one moment"]


@pytest.mark.parametrize("is_heard", [True, False])
def test_a_key_stops_an_announcement_and_is_a_turn_of_that_leg(two: TwoLegs, is_heard: bool) -> None:
    """Heard or not; the turn that it comes from goes on."""
    two.call.caller.press("5", 1.0)
    two.say(3, "return", "a visitor", frames=50)
    if is_heard:
        two.hears(two.back, 3)
    two.back.press("1", 1.1)
    two.say(3, "return", "he waits")
    two.say(3, "caller", "one moment")
    assert two.take(CancelTurn) == []
    two.done(3)
    assert two.asked() == [(5, "return")]
    assert two.hears(two.back, 5) == ({0, 3} if is_heard else {0})  # a short fade
    announcement = two.call.turn_records[-1]
    assert (announcement.turn, announcement.kind) == (4, "announcement")
    assert (announcement.was_interrupted, announcement.was_overtaken) == (is_heard, not is_heard)
    assert two.hears(two.call.caller, 3) == {3, 0}


def test_an_overtaken_turn_says_nothing_on_the_other_leg(two: TwoLegs) -> None:
    """Unless it was heard there: then what the dialog remembers of it counts."""
    for is_heard in (False, True):
        two.call.caller.hear(UTTERANCE, 1.0)
        turn = two.call.turns
        two.call.receive(Heard(call_id="c1", turn=turn, text="hello"), 1.0)
        two.state(turn, asked=str(turn))
        two.say(turn, "return", "a visitor")
        if is_heard:
            assert two.hears(two.back) == {turn}
        two.call.caller.caller_speaking(1.1)
        assert [message.turn for message in two.take(CancelTurn)] == [turn]
        assert two.hears(two.back, 3) == ({0, turn} if is_heard else {0})
        assert two.call.dialog_state == ({"asked": str(turn)} if is_heard else {})
        two.call.caller.hear(UTTERANCE, 1.2)
        two.done(two.call.turns)


def test_an_announcement_that_was_made_is_not_made_twice(two: TwoLegs) -> None:
    """The gateway is lost in mid-turn: half an answer repeated is worse than its loss."""
    two.call.caller.hear(UTTERANCE, 1.0)
    two.take(Message)
    two.say(3, "return", "a visitor")
    two.call.gateway_gone(1.1)
    two.call.gateway_ready(1.2)
    assert two.asked() == []
    assert two.hears(two.call.caller) == {PHRASES[Phrase.APOLOGY][0]}


def test_a_transcription_begun_ahead_is_never_another_legs(two: TwoLegs) -> None:
    """One at a time, and dropped when its number goes to another turn."""
    two.call.caller.caller_paused(UTTERANCE)
    two.back.caller_paused(UTTERANCE)
    assert [message.turn for message in two.take(TranscribeAhead)] == [3]
    two.back.hear(UTTERANCE, 1.0)
    assert [type(message) for message in two.call.outbox] == [DropAhead, Utterance]
    two.take(Message)
    two.call.caller.hear(UTTERANCE, 1.1)
    two.done(3)
    assert two.asked() == [(4, "caller")]


def test_what_was_said_before_a_leg_left_is_answered(two: TwoLegs) -> None:
    """A "yes", and then the hangup: nobody hears the answer, and what it does counts."""
    two.back.hear(UTTERANCE, 1.0)
    two.back.hear(UTTERANCE, 1.1)
    two.call.leave(1.2)
    assert two.asked() == [(3, "return")]
    two.call.receive(Heard(call_id="c1", turn=3, text="yes"), 1.2)
    two.state(3, opened="yes")
    two.say(3, "return", "thank you", frames=50)
    two.say(3, "caller", "come in")
    two.done(3)
    assert (two.call.dialog_state, two.asked()) == ({"opened": "yes"}, [(4, "return")])
    two.done(4)
    (change,) = two.take(LegChanged)
    assert (change.turn, change.is_there) == (5, False)
    assert two.hears(two.call.caller, 3) == {3, 0}
    assert [entry.text for entry in two.call.history] == ["yes", "come in"]


@pytest.mark.parametrize("is_playing", [True, False])
def test_a_leg_may_leave_at_any_time_and_come_again(two: TwoLegs, is_playing: bool) -> None:
    """What plays there ends; the dialog hears of both, in order."""
    two.back.press("1", 1.0)
    two.say(3, "return", "wait", frames=50)
    two.done(3)
    if is_playing:
        two.hears(two.back, 2)
    two.call.leave(1.1)
    assert two.call.join(1.2) is two.back
    two.done(4)
    changes = two.take(LegChanged)
    assert [(message.turn, message.is_there) for message in changes] == [(4, False), (5, True)]
    assert two.hears(two.back) == {0}


def test_who_joins_hears_no_answer_to_who_left(two: TwoLegs) -> None:
    """Nor is the leg ended for what was said before."""
    two.back.hear(UTTERANCE, 1.0)
    two.call.leave(1.1)
    two.call.join(1.2)
    two.say(3, "return", "thank you")
    two.hang_up(3, "return")
    two.done(3)
    two.done(4)
    two.say(5, "return", "hello")
    two.done(5)
    assert two.hears(two.back, 3) == {5, 0}
    assert not two.back.was_played_out


def test_a_turn_of_a_leg_that_is_gone_has_a_deadline(two: TwoLegs) -> None:
    """Else a gateway that hangs would keep the caller waiting for ever."""
    two.back.press("1", 1.0)
    two.call.leave(1.1)
    two.call.caller.press("5", 1.2)
    two.take(Message)
    two.call.check_deadlines(1.0 + TURN_DEADLINE_S)
    assert two.asked() == [(4, "return")]
    assert two.call.turn_records[-1].failure is not None
    two.done(4)
    assert two.asked() == [(5, "caller")]


def test_a_lost_gateway_is_asked_again_for_a_leg_that_is_gone(two: TwoLegs) -> None:
    """Its turns go on with the next one; a failed one holds nobody up."""
    two.back.press("1", 1.0)
    two.say(3, "caller", "hm", frames=50)
    two.call.leave(1.1)
    two.take(Message)
    two.call.gateway_gone(1.2)
    two.call.gateway_ready(1.3)
    assert two.call.turn_records[-1].failure == "the gateway was replaced in mid-answer"
    assert two.asked() == [(5, "return")]


def test_the_return_leg_is_ended_alone(two: TwoLegs) -> None:
    """By a turn of either leg, once what was said before has been played; then it may join again."""
    two.call.caller.press("5", 1.0)
    two.say(3, "return", "goodbye")
    two.hang_up(3, "return")
    two.say(3, "caller", "nobody is there", frames=50)
    two.done(3)
    assert two.hears(two.back, 3) == {3, 0}
    assert two.back.is_at_end(CLOSING_SILENCE_S)
    two.call.leave(2.0)
    two.done(5)
    two.call.join(3.0)
    two.done(6)
    two.back.press("1", 3.0)
    two.hang_up(7, "return")
    two.done(7)
    assert two.back.was_played_out
    assert not two.call.caller.was_played_out
    assert two.call.hang_up is None


def test_a_turn_of_the_return_leg_ends_the_call(two: TwoLegs) -> None:
    """Once the caller has heard what it says; the return leg hears its own answer to the end."""
    two.back.press("1", 1.0)
    two.say(3, "return", "thank you", frames=20)
    two.say(3, "caller", "come in")
    two.hang_up(3, "caller")
    two.done(3)
    two.hears(two.call.caller, 3)
    assert two.call.caller.was_played_out
    outcome = two.call.outcome(CallResult.ENDED, "the dialog hung up")
    assert (outcome.result, outcome.reason) == (CallResult.ENDED, "why")
    two.call.end(2.0)
    assert two.hears(two.back, 20) == {3}
    two.hears(two.back)
    assert two.back.is_at_end(CLOSING_SILENCE_S)
    assert two.call.turn_records[-1].leg == "return"  # as far as it was heard when the call ended


def test_a_caller_who_hangs_up_leaves_a_phrase(two: TwoLegs) -> None:
    """The return leg hears that, whatever was planned for it, and ends."""
    two.call.caller.press("5", 1.0)
    two.say(3, "return", "a visitor", frames=50)
    two.hears(two.back, 2)
    two.call.end(2.0)
    taken = two.call.turns_taken
    assert two.hears(two.back, 2) == {PHRASES[Phrase.CALLER_LEFT][0], 0}
    two.now = CLOSING_SILENCE_S
    assert two.back.is_at_end(2.0 + CLOSING_SILENCE_S)
    two.back.press("1", 2.0)
    two.call.leave(3.0)
    assert two.call.turns_taken == taken
    assert two.asked() == [(3, "caller")]


@pytest.mark.parametrize("is_planned", [False, True])
def test_nothing_is_asked_when_the_call_is_over(two: TwoLegs, is_planned: bool) -> None:
    """Not for a turn of the caller that has waited for one of the return leg."""
    if is_planned:
        two.back.press("1", 1.0)
        two.hang_up(3, "caller")
        two.done(3)
        two.hears(two.call.caller)
    two.back.press("2", 1.0)
    two.call.caller.press("5", 1.0)
    two.take(Message)
    two.call.end(2.0)
    assert two.asked() == []


def test_a_key_leaves_the_end_of_the_other_leg_as_it_is(two: TwoLegs) -> None:
    """It stops what would be heard; an end without a word is none of that."""
    two.call.caller.press("5", 1.0)
    two.call.caller.press("6", 1.0)
    two.hang_up(3, "return")
    two.done(3)
    assert two.asked() == [(3, "caller"), (4, "caller")]
    assert two.back.was_played_out


def test_a_refused_call_refuses_both_legs(two: TwoLegs) -> None:
    """The caller hears that all lines are busy, the other that the caller is gone."""
    two.back.press("1", 1.0)
    two.call.refuse("full", 1.1)
    assert two.hears(two.call.caller) == {PHRASES[Phrase.BUSY][0]}
    assert two.hears(two.back) == {PHRASES[Phrase.CALLER_LEFT][0]}
    assert two.back.turn.state is TurnState.OVER


def test_a_silent_return_leg_is_asked_again_and_ends_alone() -> None:
    """However long the caller, who waits for its answer, may be silent."""
    two = TwoLegs(extension(no_input_s=10, no_input_times=3))
    two.call.caller.press("5", two.now)
    two.say(3, "return", "Shall I open?", frames=50)
    two.call.receive(ListenTo(call_id="c1", turn=3, leg="caller", options=ListenOptions(no_input_s=300)), 0.0)
    two.done(3)
    for times, turn in ((1, 5), (2, 6)):
        two.take(Message)
        two.play(11.1)
        assert [(silence.leg, silence.times) for silence in two.take(NoInput)] == [("return", times)]
        two.say(turn, "return", "Shall I open?", frames=50)
        two.done(turn)
    two.play(11.5)
    assert two.back.is_at_end(two.now)
    limit = two.back.limit_reached
    assert limit is not None
    assert limit.ending is Ending.NO_INPUT
    assert two.call.caller.limit_reached is None
    assert two.take(NoInput) == []


def test_how_long_another_leg_may_be_silent_holds_at_once() -> None:
    """Also if nothing is said there, and it might have been silent for longer before."""
    two = TwoLegs(extension(no_input_s=10))
    for turn, no_input_s, seconds in ((3, 300.0, 15.0), (4, 20.0, 4.9)):
        two.call.caller.press("5", two.now)
        for leg, silence_s in (("return", no_input_s), ("caller", 0.0)):
            options = ListenOptions(no_input_s=silence_s)
            message = ListenTo.model_validate({"call_id": "c1", "turn": turn, "leg": leg, "options": options})
            two.call.receive(message, two.now)
        two.done(turn)
        two.play(seconds)
    assert two.take(NoInput) == []
    two.play(0.2)
    assert [silence.leg for silence in two.take(NoInput)] == ["return"]


def test_who_joins_is_not_taken_for_who_has_left(two: TwoLegs) -> None:
    """Keys of one person are no part of those that are asked of the next one."""
    two.call.caller.press("5", two.now)
    two.back.hear(UTTERANCE, two.now)
    two.back.press("1", two.now)
    two.call.leave(two.now)
    two.call.join(two.now)
    wanted = KeysWanted(call_id="c1", turn=3, leg="return", count=2, terminator="#", gap_s=3.0)
    two.call.receive(wanted, two.now)
    two.take(Digits)
    for turn in range(3, 8):
        two.done(turn)
    assert [keys.digits for keys in two.take(Digits)] == ["1"]
    for key in "23":
        two.back.press(key, two.now)
    assert [keys.digits for keys in two.take(Digits)] == ["23"]
