"""The conversation's state machine: no socket, no clock, no gateway."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ingress.call import MAXIMUM_WAITING_TURNS, TURN_DEADLINE_S, Call
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
from ingress.metrics import StageTimes
from ingress.playout import FRAME_BYTES, SILENCE_FRAME
from ingress.tones import endless_tone, failure_tone, waiting_beep
from ingress.utterance import EndReason, HeardUtterance

STAGES = StageTimes(lease_wait_ms=1.0, transcription_ms=200.0, dialog_ms=2.0, synthesis_ms=50.0)


def begun(keeps_text: bool = False) -> Call:
    """Return a call that has been greeted with nothing and listens."""
    call = Call("c1", "default", keeps_text)
    call.begin(0.0)
    call.gateway_ready(0.0)
    call.receive(TurnDone(call_id="c1", turn=1, stages=StageTimes()), 0.0)
    call.outbox.clear()
    return call


def utterance(last_speech_s: float = 1.0, decided_s: float = 1.5) -> HeardUtterance:
    """Return an utterance of one second."""
    return HeardUtterance(b"\1\0" * 8_000, last_speech_s, decided_s, EndReason.SILENCE)


def audio(turn: int, frames: int, text: str = "yes", is_last: bool = True) -> SentenceAudio:
    """Return a sentence of so many frames."""
    return SentenceAudio(
        call_id="c1",
        turn=turn,
        sentence=1,
        text=text,
        audio=b"\2\0" * (FRAME_BYTES // 2 * frames),
        is_last=is_last,
        stages=STAGES,
    )


def sent(call: Call, kind: type) -> list[Message]:
    """Return the messages of one type in the outbox."""
    return [message for message in call.outbox if isinstance(message, kind)]


def play(call: Call, frames: int, now: float) -> bytes:
    """Take frames at one instant."""
    return b"".join(call.next_frame(now) for _ in range(frames))


def test_a_call_greets_first() -> None:
    """The call makes itself known, then asks for the greeting."""
    call = Call("c1", "default")
    call.begin(0.0)
    assert call.outbox == []
    call.gateway_ready(0.5)
    assert [type(message) for message in call.outbox] == [CallStarted, Greet]


def test_a_turn_is_timed_in_stages_that_sum_up_to_the_whole() -> None:
    """Endpoint wait, the gateway's stages, link and playout wait are the first answer's time."""
    call = begun(keeps_text=True)
    call.hear(utterance(last_speech_s=1.0, decided_s=1.5), 1.5)
    call.receive(Heard(call_id="c1", turn=2, text="hello"), 1.72)
    call.receive(audio(2, frames=2), 1.80)
    call.receive(TurnDone(call_id="c1", turn=2, stages=STAGES), 1.80)
    call.next_frame(1.81)
    call.next_frame(1.83)
    (finished,) = sent(call, TurnFinished)
    assert isinstance(finished, TurnFinished)
    record = finished.record
    assert record.first_answer_ms is not None
    assert abs(record.first_answer_ms - 810.0) < 1e-6
    assert abs(sum(value for _, value in record.stage_times_ms()) - 810.0) < 1e-6
    assert (record.heard, record.answered, record.answer_ms) == ("hello", "yes", 40.0)
    assert "answer after 810 ms" in record.describe()


def test_history_holds_what_was_heard_in_order() -> None:
    """A sentence enters the history when its last frame has been played."""
    call = begun()
    call.hear(utterance(), 1.5)
    call.receive(Heard(call_id="c1", turn=2, text="hello"), 1.6)
    call.receive(audio(2, frames=2, text="one"), 1.7)
    call.receive(audio(2, frames=2, text="two"), 1.7)
    play(call, 3, 1.8)
    assert call.history == (
        HistoryEntry(speaker="caller", text="hello"),
        HistoryEntry(speaker="server", text="one"),
    )


def test_texts_are_kept_out_of_the_record_unless_wanted() -> None:
    """Privacy is the default."""
    call = begun()
    call.hear(utterance(), 1.5)
    call.receive(Heard(call_id="c1", turn=2, text="secret"), 1.6)
    call.receive(TurnDone(call_id="c1", turn=2, stages=STAGES), 1.6)
    (finished,) = sent(call, TurnFinished)
    assert "secret" not in finished.model_dump_json()


def test_a_second_utterance_waits_for_the_first_answer() -> None:
    """One turn at a time; what the caller said meanwhile is asked next, with the newer history."""
    call = begun()
    call.hear(utterance(), 1.5)
    call.hear(utterance(), 3.0)
    assert len(sent(call, Utterance)) == 1
    call.receive(audio(2, frames=1, text="first"), 3.1)
    call.receive(TurnDone(call_id="c1", turn=2, stages=STAGES), 3.1)
    call.next_frame(3.2)
    asked = sent(call, Utterance)
    assert len(asked) == 2
    assert isinstance(asked[1], Utterance)
    assert asked[1].history == (HistoryEntry(speaker="server", text="first"),)


def test_waiting_turns_are_bounded_and_the_oldest_goes() -> None:
    """A caller who talks on and on is answered on what is recent."""
    call = begun()
    for index in range(MAXIMUM_WAITING_TURNS + 3):
        call.press(str(index), 1.0)
    assert call.dropped_turns == 2


def test_before_the_gateway_is_ready_the_caller_hears_the_waiting_beep() -> None:
    """From the first frame on; silence once the turn has been asked."""
    call = Call("c1", "default")
    call.begin(0.0)
    assert play(call, 60, 0.1) == (waiting_beep() * 2)[: 60 * FRAME_BYTES]
    call.gateway_ready(1.0)
    assert call.next_frame(1.0) == SILENCE_FRAME


def test_a_lost_gateway_is_asked_again_if_nothing_was_heard_of_the_answer() -> None:
    """The same request, once more."""
    call = begun()
    call.hear(utterance(), 1.5)
    call.gateway_gone(1.6)
    assert call.next_frame(1.7) == SILENCE_FRAME
    assert call.next_frame(3.0) == waiting_beep()[:FRAME_BYTES]
    call.gateway_ready(3.1)
    first, second = sent(call, Utterance)
    assert first == second


def test_a_gateway_lost_in_mid_answer_closes_the_turn() -> None:
    """What arrived is played, then the failure tone; the next turn is asked as usual."""
    call = begun()
    call.hear(utterance(), 1.5)
    call.receive(audio(2, frames=3, is_last=False), 1.6)
    call.next_frame(1.7)
    call.gateway_gone(1.7)
    call.gateway_ready(2.0)
    rest = play(call, 60, 2.1)
    assert failure_tone() in rest
    (finished,) = sent(call, TurnFinished)
    assert isinstance(finished, TurnFinished)
    assert finished.record.failure == "the gateway was replaced in mid-answer"
    assert finished.record.underruns == 0
    call.press("1", 5.0)
    assert len(sent(call, Digit)) == 1


def test_a_failed_turn_sounds_the_failure_tone() -> None:
    """The caller hears that something went wrong, never nothing."""
    call = begun()
    call.hear(utterance(), 1.5)
    call.receive(TurnDone(call_id="c1", turn=2, stages=STAGES, failure="no free slot"), 2.0)
    assert failure_tone() in play(call, 60, 2.1)
    (finished,) = sent(call, TurnFinished)
    assert isinstance(finished, TurnFinished)
    assert (finished.record.failure, finished.record.first_answer_ms) == ("no free slot", None)


def test_a_gateway_that_says_nothing_fails_the_turn_at_its_deadline() -> None:
    """A hung gateway does not hang the call."""
    call = begun()
    call.hear(utterance(), 1.5)
    call.next_frame(1.5 + TURN_DEADLINE_S - 0.1)
    assert not sent(call, TurnFinished)
    call.next_frame(1.5 + TURN_DEADLINE_S)
    play(call, 60, 1.6 + TURN_DEADLINE_S)
    assert len(sent(call, TurnFinished)) == 1


def test_messages_of_a_turn_that_is_over_are_ignored() -> None:
    """A late piece of audio of an old turn is not played into the next."""
    call = begun()
    call.receive(audio(1, frames=5), 1.0)
    assert call.next_frame(1.0) == SILENCE_FRAME


def test_a_continuous_tone_plays_between_everything_else() -> None:
    """Until the call ends, without a seam."""
    call = begun()
    call.press("1", 0.0)
    call.receive(PlayTone(call_id="c1", turn=2, frequency_hz=440.0), 0.1)
    call.receive(TurnDone(call_id="c1", turn=2, stages=STAGES), 0.1)
    assert play(call, 100, 0.2) == endless_tone(440.0) * 2


def test_hanging_up_waits_for_the_last_word() -> None:
    """The goodbye is heard."""
    call = begun()
    call.hear(utterance(), 1.5)
    call.receive(audio(2, frames=2), 1.6)
    call.receive(HangUp(call_id="c1", turn=2), 1.6)
    call.receive(TurnDone(call_id="c1", turn=2, stages=STAGES), 1.6)
    assert not call.wants_to_end
    play(call, 2, 1.7)
    assert call.wants_to_end


class CallMachine(RuleBasedStateMachine):
    """Whatever happens in whatever order: every turn ends exactly once, in order; frames always come."""

    def __init__(self) -> None:
        super().__init__()
        self.call = Call("c1", "default")
        self.call.begin(0.0)
        self.now = 0.0
        self.ready = False
        self.added = 1
        self.open_turn: int | None = None

    def collect(self) -> None:
        """Play the gateway's part of bookkeeping: which turn was asked."""
        for message in self.call.outbox:
            if isinstance(message, (Greet, Utterance, Digit)):
                assert self.ready
                self.open_turn = message.turn
        self.call.outbox = [message for message in self.call.outbox if isinstance(message, TurnFinished)]

    @rule(frames=st.integers(min_value=1, max_value=100))
    def time_passes(self, frames: int) -> None:
        """The clock takes frames."""
        for _ in range(frames):
            self.now += 0.02
            assert len(self.call.next_frame(self.now)) == FRAME_BYTES
        self.collect()

    @rule()
    def gateway_comes(self) -> None:
        """The gateway is ready."""
        self.ready = True
        self.call.gateway_ready(self.now)
        self.collect()

    @rule()
    def gateway_goes(self) -> None:
        """The gateway is gone."""
        self.ready = False
        self.open_turn = None
        self.call.gateway_gone(self.now)
        self.collect()

    @rule()
    def caller_speaks(self) -> None:
        """The caller has said something."""
        self.added += 1
        self.call.hear(utterance(self.now, self.now), self.now)
        self.collect()

    @precondition(lambda self: self.open_turn is not None)
    @rule(frames=st.integers(min_value=0, max_value=20), is_last=st.booleans())
    def answer_comes(self, frames: int, is_last: bool) -> None:
        """A piece of the answer."""
        assert self.open_turn is not None
        self.call.receive(audio(self.open_turn, frames, is_last=is_last), self.now)
        self.collect()

    @precondition(lambda self: self.open_turn is not None)
    @rule(failure=st.sampled_from([None, "broken"]))
    def turn_is_done(self, failure: str | None) -> None:
        """The gateway has nothing more."""
        assert self.open_turn is not None
        done = TurnDone(call_id="c1", turn=self.open_turn, stages=STAGES, failure=failure)
        self.open_turn = None
        self.call.receive(done, self.now)
        self.collect()

    @invariant()
    def turns_end_once_and_in_order(self) -> None:
        """Records are strictly ascending and no more than there were turns."""
        numbers = [record.turn for record in self.call.turn_records]
        assert numbers == sorted(set(numbers))
        assert len(numbers) + self.call.dropped_turns <= self.added


TestCallMachine = CallMachine.TestCase
TestCallMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
