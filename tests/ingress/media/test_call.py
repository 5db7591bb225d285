"""The conversation's state machine: no socket, no clock, no gateway."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest

from actors.telephone import FRAME_BYTES, SILENCE_FRAME
from ingress.configuration.extensions import Phrase
from ingress.configuration.settings import BargeInSettings
from ingress.link.messages import (
    MAXIMUM_KEYS,
    CallStarted,
    CancelTurn,
    Digits,
    DropAhead,
    Greet,
    HangUp,
    Heard,
    HistoryEntry,
    Message,
    PlayTone,
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
from ingress.media.idle_sound import WAITING_TONE_AFTER_S, PhraseSource
from ingress.media.playout import LONG_FRAME_BYTES
from ingress.media.tones import busy_tone, endless_tone, failure_tone, tone, waiting_beep
from ingress.media.turn_queue import MAXIMUM_WAITING_TURNS
from ingress.media.turn_sequence import CLOSING_SILENCE_S, FADE_BYTES, TURN_DEADLINE_S

M = TypeVar("M", bound=Message)
STAGES = StageTimes(lease_wait_ms=1.0, transcription_ms=200.0, dialog_ms=2.0, synthesis_ms=50.0)


NO_BARGE_IN = BargeInSettings(enabled=False)
PHRASES = {
    phrase: bytes((index + 3, 0)) * (FRAME_BYTES * 5 // 4)  # two frames and a half
    for index, phrase in enumerate(Phrase)
}


def no_phrase(phrase: Phrase) -> None:
    """Have no phrase."""


def new() -> Call:
    """Return a new call that has its phrases."""
    call = Call("c1", "default", phrases=PHRASES.get)
    call.caller.begin(0.0)
    return call


def begun(
    keeps_text: bool = False, barge_in: BargeInSettings | None = None, phrases: PhraseSource = no_phrase
) -> Call:
    """Return a call that has been greeted with nothing and listens."""
    call = Call("c1", "default", barge_in=barge_in, keeps_text=keeps_text, phrases=phrases)
    call.caller.begin(0.0)
    call.gateway_ready(0.0)
    call.receive(TurnDone(call_id="c1", turn=1, stages=StageTimes()), 0.0)
    call.outbox.clear()
    return call


def utterance(last_speech_s: float = 1.0, decided_s: float = 1.5) -> HeardUtterance:
    """Return an utterance of one second."""
    return HeardUtterance(b"\1\0" * 8_000, last_speech_s, decided_s)


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


def sent(call: Call, kind: type[M]) -> list[M]:
    """Return the messages of one type in the outbox."""
    return [message for message in call.outbox if isinstance(message, kind)]


def done(turn: int, failure: str | None = None) -> TurnDone:
    """Return the end of a turn."""
    return TurnDone(call_id="c1", turn=turn, stages=STAGES, failure=failure)


def records(call: Call) -> list[TurnRecord]:
    """Return the records of all turns that are over, the empty greeting's apart."""
    return [record for record in call.turn_records if record.turn > 1]


def answering(barge_in: BargeInSettings | None = None) -> Call:
    """Return a call in the middle of its answer: one sentence was heard, two frames of the next."""
    call = begun(keeps_text=True, barge_in=barge_in)
    call.caller.hear(utterance(), 1.5)
    call.receive(Heard(call_id="c1", turn=2, text="hello"), 1.6)
    call.receive(audio(2, frames=1, text="one"), 1.7)
    call.receive(audio(2, frames=100, text="two"), 1.7)
    play(call, 3, 1.8)
    call.outbox.clear()
    return call


def play(call: Call, frames: int, now: float) -> bytes:
    """Take frames at one instant."""
    return b"".join(call.caller.next_frame(now) for _ in range(frames))


def test_a_call_greets_first() -> None:
    """The call makes itself known, to each gateway in the same words, then asks for the greeting."""
    call = Call("c1", "default", started_at_s=1_790_000_000.0)
    call.caller.begin(0.0)
    assert call.outbox == []
    call.gateway_ready(0.5)
    started = CallStarted(call_id="c1", extension="default", started_at_s=1_790_000_000.0)
    greet = Greet(call_id="c1", turn=1, history=())
    assert call.outbox == [started, greet]
    call.gateway_gone(1.0)
    call.gateway_ready(2.0)
    assert call.outbox == [started, greet] * 2


@pytest.mark.parametrize("keeps_text", [True, False])
def test_a_turn_leaves_a_record(keeps_text: bool) -> None:
    """Stages that sum up to the whole, underruns as frames and as time; words only if they are kept."""
    call = begun(keeps_text)
    call.caller.hear(utterance(last_speech_s=1.0, decided_s=1.5), 1.5)
    call.receive(Heard(call_id="c1", turn=2, text="hello", was_ahead=True), 1.72)
    call.receive(audio(2, frames=1, is_last=False), 1.80)
    for frame_bytes in (FRAME_BYTES, FRAME_BYTES, LONG_FRAME_BYTES):
        call.caller.next_frame(1.81, frame_bytes)
    call.receive(audio(2, frames=1), 1.83)
    call.receive(done(2), 1.83)
    call.caller.next_frame(1.85)
    (record,) = records(call)
    assert sent(call, TurnFinished) == [TurnFinished(call_id="c1", record=record)]
    assert record.first_answer_ms == pytest.approx(810.0)
    assert sum(value for _, value in record.stage_times_ms()) == pytest.approx(810.0)
    assert (record.underruns, record.underrun_ms, record.answer_ms) == (2, 50.0, 40.0)
    assert (record.heard, record.answered) == (("hello", "yes") if keeps_text else (None, None))
    assert record.was_ahead
    assert "answer after 810 ms" in record.describe()


def test_a_second_utterance_waits_for_the_first_answer() -> None:
    """One turn at a time; what the caller said meanwhile is asked next, with the newer history."""
    call = begun()
    call.caller.hear(utterance(), 1.5)
    call.caller.hear(utterance(), 3.0)
    assert len(sent(call, Utterance)) == 1
    call.receive(audio(2, frames=1, text="first"), 3.1)
    call.receive(done(2), 3.1)
    call.caller.next_frame(3.2)
    asked = sent(call, Utterance)
    assert len(asked) == 2
    assert asked[1].history == (HistoryEntry(speaker="server", text="first"),)


def test_waiting_turns_are_bounded_and_the_oldest_goes() -> None:
    """A caller who talks on and on is answered on what is recent."""
    call = begun()
    for index in range(MAXIMUM_WAITING_TURNS + 3):
        call.caller.hear(utterance(), 1.0 + index)
    assert call.caller.dropped_turns == 2


def test_no_key_is_dropped_for_speech() -> None:
    """Speech and keys in turns, the gateway away: speech is dropped, and the keys around it come together."""
    call = Call("c1", "default")
    call.caller.begin(0.0)
    for digit in "123456":
        call.caller.press(digit, 1.0)
        call.caller.hear(utterance(), 1.0)
    call.gateway_ready(2.0)
    typed, turn = "", 0
    while turn < 20:
        turn += 1
        call.receive(done(turn), 2.0)
    typed = "".join(request.digits for request in sent(call, Digits))
    assert typed == "123456"


def test_keys_of_one_turn_are_bounded() -> None:
    """A peer that presses without end fills no memory."""
    call = Call("c1", "default")
    call.caller.begin(0.0)
    for _ in range(MAXIMUM_KEYS + 5):
        call.caller.press("1", 1.0)
    assert call.caller.dropped_turns == 5


def test_a_key_stops_a_long_answer_at_the_next_frame() -> None:
    """Also where speech may not interrupt."""
    call = begun(barge_in=BargeInSettings(enabled=False))
    call.caller.hear(utterance(), 1.5)
    call.receive(audio(2, frames=1_000, is_last=False), 1.6)
    play(call, 5, 1.7)
    call.caller.press("4", 1.8)
    assert sent(call, StopSaying) == [StopSaying(call_id="c1", turn=2)]
    assert not any(call.caller.next_frame(1.82)[FADE_BYTES:])
    call.receive(audio(2, frames=1_000), 1.83)
    call.receive(done(2), 1.83)
    assert [request.digits for request in sent(call, Digits)] == ["4"]
    (record,) = records(call)
    assert (record.was_interrupted, record.was_overtaken) == (True, False)


def test_keys_during_the_greeting_reach_the_dialog_in_order() -> None:
    """The first stops it; those that come until its dialog has ended arrive together; so do the others."""
    call = Call("c1", "default")
    call.caller.begin(0.0)
    call.gateway_ready(0.0)
    call.receive(audio(1, frames=100), 0.1)
    play(call, 5, 0.2)
    for digit in "12":
        call.caller.press(digit, 0.3)
    assert not any(call.caller.next_frame(0.32)[FADE_BYTES:])
    call.receive(done(1), 0.35)
    for digit in "3456":
        call.caller.press(digit, 0.35)
    call.receive(StateChanged(call_id="c1", turn=2, state={"menu": 1}), 0.4)
    call.receive(audio(2, frames=5), 0.4)
    assert not any(call.caller.next_frame(0.42))
    call.receive(done(2), 0.42)
    first, second = sent(call, Digits)
    assert (first.digits, second.digits, second.state) == ("12", "3456", {"menu": 1})
    call.receive(audio(3, frames=5), 0.5)
    assert any(call.caller.next_frame(0.52))
    assert [record.was_overtaken for record in call.turn_records] == [False, True]


def test_a_key_does_not_stop_a_greeting_that_may_not_be_interrupted() -> None:
    """Keys wait for its end, together."""
    call = Call("c1", "default", barge_in=BargeInSettings(in_greeting=False))
    call.caller.begin(0.0)
    call.gateway_ready(0.0)
    call.receive(audio(1, frames=3), 0.1)
    call.receive(done(1), 0.1)
    call.caller.next_frame(0.12)
    for digit in "12":
        call.caller.press(digit, 0.13)
    assert any(call.caller.next_frame(0.14))
    assert not sent(call, Digits)
    call.caller.next_frame(0.16)
    assert [request.digits for request in sent(call, Digits)] == ["12"]


def test_a_key_over_words_not_yet_answered_keeps_what_the_dialog_remembers() -> None:
    """The dialog has heard the words; its answer is not played, the key's is."""
    call = begun()
    call.caller.hear(utterance(), 1.5)
    call.caller.press("5", 1.6)
    call.receive(Heard(call_id="c1", turn=2, text="sales"), 1.7)
    call.receive(StateChanged(call_id="c1", turn=2, state={"queue": "sales"}), 1.7)
    assert not sent(call, Digits)
    call.receive(done(2), 1.8)
    (asked,) = sent(call, Digits)
    assert (asked.digits, asked.state) == ("5", {"queue": "sales"})
    assert [entry.text for entry in asked.history] == ["sales"]


def test_a_turn_that_fails_after_a_key_is_not_apologised_for() -> None:
    """The caller waits for the key's answer."""
    call = begun()
    call.caller.hear(utterance(), 1.5)
    call.caller.press("5", 1.6)
    call.receive(done(2, "no free slot"), 1.8)
    assert not any(play(call, 60, 1.9))
    assert len(sent(call, Digits)) == 1


@pytest.mark.parametrize("words_came", [False, True])
def test_a_new_gateway_is_asked_again_if_nothing_was_heard_of_the_answer(words_came: bool) -> None:
    """The same request once more; its words are in the history once. Until then the beep, and no phrase."""
    call = begun(phrases=PHRASES.get)
    call.caller.hear(utterance(), 1.5)
    if words_came:
        call.receive(Heard(call_id="c1", turn=2, text="hello"), 1.55)
    call.gateway_gone(1.6)
    assert call.caller.next_frame(1.7) == SILENCE_FRAME
    assert play(call, 50, 3.0) == waiting_beep()
    call.gateway_ready(3.1)
    first, second = sent(call, Utterance)
    assert first == second
    call.receive(Heard(call_id="c1", turn=2, text="hello"), 3.2)
    assert [entry.text for entry in call.history] == ["hello"]


def test_a_gateway_lost_in_mid_answer_closes_the_turn() -> None:
    """What arrived is played, then the failure tone; the next turn is asked as usual."""
    call = begun()
    call.caller.hear(utterance(), 1.5)
    call.receive(audio(2, frames=3, is_last=False), 1.6)
    call.caller.next_frame(1.7)
    call.gateway_gone(1.7)
    call.gateway_ready(2.0)
    assert failure_tone() in play(call, 60, 2.1)
    (record,) = records(call)
    assert (record.failure, record.underruns) == ("the gateway was replaced in mid-answer", 0)
    call.caller.press("1", 5.0)
    assert len(sent(call, Digits)) == 1


def test_a_gateway_that_sends_nothing_fails_the_turn_at_its_deadline() -> None:
    """A hung gateway does not hang the call: it is asked to stop, and what it still sends is not played."""
    call = begun()
    call.caller.hear(utterance(), 1.5)
    late_s = 1.5 + TURN_DEADLINE_S
    call.caller.next_frame(late_s - 0.1)
    assert not sent(call, CancelTurn)
    call.caller.next_frame(late_s)
    assert sent(call, CancelTurn) == [CancelTurn(call_id="c1", turn=2)]
    call.receive(audio(2, frames=200), late_s)
    assert play(call, 200, late_s).rstrip(b"\0") == failure_tone().rstrip(b"\0")
    assert len(sent(call, TurnFinished)) == 1


@pytest.mark.parametrize("phrases", [PHRASES.get, no_phrase])
@pytest.mark.parametrize("is_overtaken", [False, True])
def test_a_failed_turn_ends_with_an_apology(phrases: PhraseSource, is_overtaken: bool) -> None:
    """The phrase, else a tone; but not to a caller who has gone on and waits for another answer."""
    call = begun(phrases=phrases)
    call.caller.hear(utterance(), 1.5)
    if is_overtaken:
        call.caller.caller_speaking(1.6)
    call.receive(done(2, "no free slot"), 2.0)
    expected = b"" if is_overtaken else phrases(Phrase.APOLOGY) or failure_tone()
    assert play(call, 60, 2.0) == expected.ljust(60 * FRAME_BYTES, b"\0")
    (record,) = records(call)
    assert (record.failure, record.first_answer_ms) == ("no free slot", None)


def test_a_continuous_tone_plays_between_everything_else() -> None:
    """Until the call ends, without a seam; an interruption does not stop it."""
    call = answering()
    call.receive(PlayTone(call_id="c1", turn=2, frequency_hz=440.0), 1.8)
    call.caller.caller_speaking(1.85)
    call.caller.next_frame(1.86)
    assert play(call, 100, 1.9) == endless_tone(440.0) * 2


def test_who_waited_too_long_does_not_wait_for_the_next_turn_as_well() -> None:
    """A process that was stopped past both limits sends the caller back, and drops what was begun ahead."""
    call = new()
    call.caller.press("1", 0.0)
    call.gateway_ready(0.0)
    call.caller.caller_paused(utterance())
    call.receive(Readiness(is_ready=False, detail=""), 0.0)
    call.caller.next_frame(TURN_DEADLINE_S)
    assert call.refusal is not None
    assert call.caller.waits_since_s is None
    assert len(sent(call, TranscribeAhead)) == len(sent(call, DropAhead))


def test_a_call_that_is_refused_as_it_ends_hears_the_whole_phrase() -> None:
    """Whatever its dialog did before the verdict."""
    call = begun(phrases=PHRASES.get)
    call.caller.press("1", 0.0)
    call.receive(HangUp(call_id="c1", turn=2), 0.0)
    call.receive(TurnDone(call_id="c1", turn=2, stages=StageTimes()), 0.0)
    call.refuse("full", 1.0)
    assert not call.caller.is_at_end(1.0)
    assert play(call, 3, 1.0).startswith(PHRASES[Phrase.BUSY])


def test_hanging_up_waits_for_the_last_word() -> None:
    """The answer is heard to its end."""
    call = begun()
    call.caller.hear(utterance(), 1.5)
    call.receive(audio(2, frames=2), 1.6)
    call.receive(HangUp(call_id="c1", turn=2), 1.6)
    call.receive(done(2), 1.6)
    play(call, 2, 1.7)
    assert not call.caller.is_at_end(1.7 + CLOSING_SILENCE_S - 0.01)
    assert call.caller.is_at_end(1.7 + CLOSING_SILENCE_S)


def test_nothing_is_begun_once_the_call_is_to_end() -> None:
    """A key or words that wait are dropped with it, and none are taken; the call ends in time."""
    call = begun()
    call.caller.hear(utterance(), 1.5)
    call.caller.hear(utterance(), 1.5)
    call.receive(HangUp(call_id="c1", turn=2), 1.6)
    call.receive(done(2), 1.6)
    call.caller.press("1", 1.65)
    call.caller.hear(utterance(), 1.7)
    assert len(sent(call, Utterance)) == 1
    assert not sent(call, Digits)
    assert call.caller.dropped_turns == 1
    assert call.caller.is_at_end(1.6 + CLOSING_SILENCE_S)


# Barge-in


def test_speech_stops_the_answer_at_the_next_frame() -> None:
    """A fade of 5 ms, then silence; the gateway stops; only whole sentences are in the history."""
    call = answering()
    call.caller.caller_speaking(1.85)
    assert sent(call, CancelTurn) == [CancelTurn(call_id="c1", turn=2)]
    frame = call.caller.next_frame(1.86, LONG_FRAME_BYTES)
    assert frame[:2] == b"\2\0"
    assert frame[FADE_BYTES:] == bytes(LONG_FRAME_BYTES - FADE_BYTES)
    assert play(call, 50, 1.9) == SILENCE_FRAME * 50
    (record,) = records(call)
    assert (record.was_interrupted, record.was_overtaken, record.failure) == (True, False, None)
    assert (record.answer_ms, record.answered) == (60.0, "one")
    assert "interrupted" in record.describe()
    assert call.caller.interruptions == 1
    assert [entry.text for entry in call.history] == ["hello", "one"]


def test_what_still_comes_of_an_interrupted_turn_is_ignored() -> None:
    """Audio, words, hangup and end of the old turn change nothing."""
    call = answering()
    call.caller.caller_speaking(1.85)
    call.caller.next_frame(1.86)
    history = call.history
    for late in (
        audio(2, frames=50, text="late"),
        Heard(call_id="c1", turn=2, text="late"),
        HangUp(call_id="c1", turn=2),
        done(2, "late"),
    ):
        call.receive(late, 1.9)
    assert play(call, 10, 1.9) == SILENCE_FRAME * 10
    assert call.history == history
    assert not call.caller.is_at_end(1_000.0)
    assert len(records(call)) == 1


def test_an_interrupted_last_answer_does_not_end_the_call() -> None:
    """The dialog hung up after it, but it was not heard. The gateway is done: there is nothing to cancel."""
    call = answering()
    call.receive(HangUp(call_id="c1", turn=2), 1.8)
    call.receive(done(2), 1.8)
    call.caller.caller_speaking(1.85)
    play(call, 5, 1.9)
    assert not call.caller.is_at_end(1_000.0)
    assert sent(call, CancelTurn) == []


def test_speech_between_turns_stops_nothing() -> None:
    """The usual case: the caller answers after the last word."""
    call = begun()
    call.caller.caller_speaking(1.0)
    assert (call.outbox, call.caller.interruptions) == ([], 0)
    call.caller.hear(utterance(), 1.5)
    assert len(sent(call, Utterance)) == 1


def test_without_barge_in_everything_waits() -> None:
    """The answer plays to its end, then the caller is answered."""
    call = answering(barge_in=NO_BARGE_IN)
    call.receive(done(2), 1.8)
    call.caller.caller_speaking(1.85)
    call.caller.hear(utterance(2.0, 2.5), 2.5)
    assert call.outbox == []
    play(call, 98, 3.0)
    assert [type(message) for message in call.outbox] == [TurnFinished, Utterance]
    assert call.caller.interruptions == 0


@pytest.mark.parametrize("in_greeting", [True, False])
def test_the_greeting_can_be_kept_from_interruption(in_greeting: bool) -> None:
    """Legal notices are heard whole; later answers can be interrupted all the same."""
    call = Call("c1", "default", barge_in=BargeInSettings(in_greeting=in_greeting))
    call.caller.begin(0.0)
    call.gateway_ready(0.0)
    call.receive(audio(1, frames=10, text="welcome"), 0.1)
    call.receive(done(1), 0.1)
    play(call, 2, 0.2)
    call.caller.caller_speaking(0.3)
    play(call, 8, 0.4)
    assert [entry.text for entry in call.history] == ([] if in_greeting else ["welcome"])
    assert call.caller.interruptions == int(in_greeting)
    call.caller.hear(utterance(0.5, 1.0), 1.0)
    call.receive(audio(2, frames=10), 1.1)
    call.caller.next_frame(1.2)
    call.caller.caller_speaking(1.3)
    assert call.caller.interruptions == 1 + in_greeting


@pytest.mark.parametrize("words_first", [True, False])
def test_an_utterance_without_an_audible_answer_is_answered_with_the_next(words_first: bool) -> None:
    """ "A table on Friday" (a pause) "for four people": nothing is lost, and one answer comes to both."""
    call = begun()
    call.caller.hear(utterance(1.0, 1.5), 1.5)
    heard = Heard(call_id="c1", turn=2, text="a table on Friday")
    if words_first:
        call.receive(heard, 1.7)
        call.receive(audio(2, frames=10, text="for how many"), 1.8)
    call.caller.caller_speaking(1.8)
    assert bool(sent(call, CancelTurn)) is words_first
    call.receive(heard, 1.9)
    assert len(sent(call, CancelTurn)) == 1
    assert play(call, 10, 1.9) == SILENCE_FRAME * 10
    call.caller.hear(utterance(2.5, 3.0), 3.0)
    *_, asked = sent(call, Utterance)
    assert (asked.turn, asked.history) == (3, (HistoryEntry(speaker="caller", text="a table on Friday"),))
    (record,) = records(call)
    assert (record.was_overtaken, record.was_interrupted, record.first_answer_ms) == (True, False, None)
    assert "overtaken" in record.describe()
    assert call.caller.interruptions == 0


@pytest.mark.parametrize("failure", [None, "no free slot"])
def test_an_overtaken_utterance_without_words_ends_without_a_sound(failure: str | None) -> None:
    """Neither "I did not understand" nor the failure tone is played into the caller's speech."""
    call = begun()
    call.caller.hear(utterance(1.0, 1.5), 1.5)
    call.caller.caller_speaking(1.8)
    call.receive(done(2, failure) if failure else audio(2, frames=10, text="sorry?"), 1.9)
    assert play(call, 10, 2.0) == SILENCE_FRAME * 10
    (record,) = records(call)
    assert (record.was_overtaken, record.failure) == (True, failure)
    assert call.history == ()


def test_an_overtaken_utterance_survives_its_gateway() -> None:
    """Its words are asked for again, and then it is given up as usual."""
    call = begun()
    call.caller.hear(utterance(1.0, 1.5), 1.5)
    call.caller.caller_speaking(1.8)
    call.gateway_gone(1.9)
    call.caller.hear(utterance(2.0, 2.5), 2.5)
    call.gateway_ready(3.0)
    assert [message.turn for message in sent(call, Utterance)] == [2, 2]
    call.receive(Heard(call_id="c1", turn=2, text="first"), 3.1)
    *_, asked = sent(call, Utterance)
    assert (asked.turn, [entry.text for entry in asked.history]) == (3, ["first"])


def test_a_digits_answer_begins_when_the_caller_has_finished() -> None:
    """A key pressed is in no history: its answer is not given up, but not spoken over the caller either."""
    call = begun()
    call.caller.press("5", 1.0)
    call.caller.caller_speaking(1.1)
    call.receive(audio(2, frames=3), 1.2)
    call.receive(done(2), 1.2)
    assert play(call, 50, 1.3) == SILENCE_FRAME * 50
    call.caller.hear(utterance(2.0, 2.5), 2.5)
    assert play(call, 3, 2.5) == b"\2\0" * (3 * FRAME_BYTES // 2)
    assert [type(message) for message in call.outbox] == [Digits, TurnFinished, Utterance]
    assert records(call)[0].underruns == 0


def test_an_answer_is_not_held_back_for_ever() -> None:
    """The end of the speech may never be detected."""
    call = begun()
    call.caller.press("5", 1.0)
    call.caller.caller_speaking(1.1)
    call.receive(audio(2, frames=3), 1.2)
    call.receive(done(2), 1.2)
    late_s = 1.1 + TURN_DEADLINE_S
    assert call.caller.next_frame(late_s - 0.1) == SILENCE_FRAME
    assert call.caller.next_frame(late_s) == SILENCE_FRAME
    assert call.caller.next_frame(late_s) != SILENCE_FRAME


# What the dialog remembers


def remembers(call: Call, turn: int, count: int) -> None:
    """Let the dialog set its state within a turn."""
    call.receive(StateChanged(call_id="c1", turn=turn, state={"count": count}), 2.0)


def state_of(call: Call) -> object:
    """Return the state that goes out with the next turn, asked for by a key."""
    call.outbox.clear()
    call.gateway_ready(90.0)
    call.caller.press("9", 90.0)
    (asked,) = sent(call, Digits)
    return asked.state.get("count")


def asked_again() -> Call:
    """Return a call whose turn has set the state, and then the gateway was replaced."""
    call = begun()
    call.caller.hear(utterance(), 1.5)
    remembers(call, 2, 1)
    call.gateway_gone(2.1)
    call.gateway_ready(2.2)
    call.receive(done(2), 2.3)
    return call


def failed(frames: int, plays: int) -> Call:
    """Return a call whose turn has set the state and then failed, after so many frames of its answer."""
    call = begun()
    call.caller.hear(utterance(), 1.5)
    remembers(call, 2, 1)
    call.receive(audio(2, frames), 2.0)
    play(call, plays, 2.0)
    call.receive(done(2, "broken"), 2.1)
    play(call, 100, 2.2)
    return call


def overtaken(words_first: bool) -> Call:
    """Return a call whose turn has set the state, and whose caller went on before the answer."""
    call = begun()
    call.caller.hear(utterance(), 1.5)
    if words_first:
        call.receive(Heard(call_id="c1", turn=2, text="hello"), 1.6)
    remembers(call, 2, 1)
    call.caller.caller_speaking(2.1)
    call.receive(done(2), 2.2)
    return call


def interrupted() -> Call:
    """Return a call in whose answer the state was set and set again, and then the caller spoke."""
    call = begun()
    call.caller.hear(utterance(), 1.5)
    remembers(call, 2, 0)
    call.receive(audio(2, frames=10), 1.7)
    play(call, 1, 1.8)
    remembers(call, 2, 1)
    call.caller.caller_speaking(2.1)
    play(call, 1, 2.2)
    return call


def answered(frames: int) -> Call:
    """Return a call whose answer, which may be no audio at all, set the state and is over."""
    call = begun()
    call.caller.hear(utterance(), 1.5)
    call.receive(audio(2, frames), 1.7)
    remembers(call, 2, 1)
    call.receive(done(2), 2.1)
    play(call, frames + 1, 2.2)
    return call


@pytest.mark.parametrize(
    ("call", "count"),
    [
        pytest.param(lambda: answered(frames=3), 1, id="the answer was heard"),
        pytest.param(lambda: answered(frames=0), 1, id="the turn is over and had no audio"),
        pytest.param(interrupted, 1, id="set again while the answer was heard"),
        pytest.param(lambda: failed(frames=3, plays=1), 1, id="failed after something was heard"),
        pytest.param(lambda: failed(frames=3, plays=0), None, id="failed before anything was heard"),
        pytest.param(lambda: failed(frames=0, plays=0), None, id="failed without an answer"),
        pytest.param(lambda: overtaken(words_first=True), None, id="given up at the caller's next words"),
        pytest.param(lambda: overtaken(words_first=False), None, id="overtaken before its words were known"),
        pytest.param(asked_again, None, id="asked again of a new gateway"),
    ],
)
def test_the_dialogs_state_counts_once_its_answer_was_heard(call: Callable[[], Call], count: object) -> None:
    """So the dialog never remembers what the caller did not hear."""
    assert state_of(call()) == count


def test_the_dialogs_state_survives_the_gateway() -> None:
    """It travels with the turn that is asked again, as with every other."""
    call = answered(frames=1)
    call.outbox.clear()
    call.caller.hear(utterance(), 3.0)
    call.gateway_gone(3.1)
    call.gateway_ready(3.2)
    asked = sent(call, Utterance)
    assert [message.state for message in asked] == [{"count": 1}] * 2


# Transcription ahead of time


def test_a_pause_begins_the_transcription_once() -> None:
    """With the number that the utterance will have."""
    call = begun()
    call.caller.caller_paused(utterance())
    call.caller.caller_paused(utterance())
    (ahead,) = sent(call, TranscribeAhead)
    call.caller.hear(utterance(), 1.5)
    (asked,) = sent(call, Utterance)
    assert ahead.turn == asked.turn == 2
    assert not sent(call, DropAhead)


def test_going_on_drops_what_was_begun() -> None:
    """The next pause begins anew."""
    call = begun()
    call.caller.caller_resumed()
    call.caller.caller_paused(utterance())
    call.caller.caller_resumed()
    call.caller.caller_resumed()
    call.caller.caller_paused(utterance())
    assert [type(message) for message in call.outbox] == [TranscribeAhead, DropAhead, TranscribeAhead]


def test_nothing_is_transcribed_ahead_without_need() -> None:
    """Not without a gateway, not while others wait for their turn."""
    call = begun(barge_in=NO_BARGE_IN)
    call.gateway_gone(1.0)
    call.caller.caller_paused(utterance())
    call.gateway_ready(1.2)
    call.caller.press("1", 1.2)
    call.caller.press("2", 1.2)
    call.caller.caller_paused(utterance())
    assert not sent(call, TranscribeAhead)


def test_a_digit_takes_the_number_and_drops_what_was_begun() -> None:
    """So that the gateway never takes one utterance's words for another's."""
    call = begun()
    call.caller.caller_paused(utterance())
    call.caller.press("1", 1.3)
    assert [type(message) for message in call.outbox] == [TranscribeAhead, DropAhead, Digits]


# Admission, and what plays without the gateway


def test_a_refused_call_plays_the_busy_phrase_and_ends() -> None:
    """The phrase from the next frame on, whole; the greeting is given up, the caller not heard."""
    call = new()
    call.gateway_ready(0.1)
    call.receive(audio(1, frames=5), 0.2)
    call.caller.next_frame(0.2)
    call.outbox.clear()
    call.refuse("full", 0.3)
    assert not call.caller.is_at_end(1_000.0)
    call.caller.caller_speaking(0.3)
    call.caller.caller_paused(utterance())
    call.caller.press("1", 0.3)
    call.caller.hear(utterance(), 0.3)
    call.gateway_ready(0.3)
    call.receive(audio(1, frames=5), 0.3)
    call.receive(done(1), 0.3)
    assert play(call, 2, 0.3) == PHRASES[Phrase.BUSY][: 2 * FRAME_BYTES]
    assert not call.caller.is_at_end(1_000.0)
    assert call.caller.next_frame(0.4) == PHRASES[Phrase.BUSY][2 * FRAME_BYTES :].ljust(FRAME_BYTES, b"\0")
    assert not call.caller.is_at_end(0.4 + CLOSING_SILENCE_S - 0.01)
    assert call.caller.is_at_end(0.4 + CLOSING_SILENCE_S)
    assert call.outbox == []
    assert call.caller.next_frame(0.5) == SILENCE_FRAME


def test_without_the_phrase_a_refused_caller_hears_the_busy_tone() -> None:
    """Three beats, then the end."""
    call = Call("c1", "default")
    call.refuse("full", 0.0)
    heard = play(call, 150, 0.0)
    assert heard.count(tone(425.0, 0.5)) == 3
    assert call.caller.is_at_end(1_000.0)


def test_a_caller_who_waits_hears_the_phrase_once() -> None:
    """After a second; before and after it the beep, from the first frame on until the gateway is ready."""
    call = new()
    beeps = play(call, 20, 0.1)
    assert waiting_beep().startswith(beeps)
    phrase = play(call, 3, WAITING_TONE_AFTER_S)
    assert phrase == PHRASES[Phrase.WAITING].ljust(3 * FRAME_BYTES, b"\0")
    rest = b"".join(call.caller.next_frame(WAITING_TONE_AFTER_S + index / 50) for index in range(3, 200))
    assert rest in waiting_beep() * 6
    call.gateway_ready(6.0)
    assert call.caller.next_frame(6.0) == SILENCE_FRAME


def test_the_phrase_for_those_who_wait_is_not_cut_by_the_greeting() -> None:
    """Nor does it count as a part of it; and a refusal does cut it."""
    call = new()
    call.caller.next_frame(WAITING_TONE_AFTER_S)
    call.gateway_ready(1.1)
    call.receive(audio(1, frames=2), 1.1)
    call.receive(done(1), 1.1)
    assert play(call, 2, 1.2) == PHRASES[Phrase.WAITING][FRAME_BYTES:].ljust(2 * FRAME_BYTES, b"\0")
    assert play(call, 2, 1.2) == b"\2\0" * FRAME_BYTES
    assert call.turn_records[0].answer_ms == 40.0
    refused = new()
    refused.caller.next_frame(WAITING_TONE_AFTER_S)
    refused.refuse("full", 1.1)
    assert refused.caller.next_frame(1.1) == PHRASES[Phrase.BUSY][:FRAME_BYTES]


# Who waits, and for how long


def played_until(call: Call, begin_s: float, end_s: float) -> bytes:
    """Take 50 frames a second."""
    count = round((end_s - begin_s) * 50)
    return b"".join(call.caller.next_frame(begin_s + index / 50) for index in range(count))


@pytest.mark.parametrize("phrases", [PHRASES.get, no_phrase], ids=["phrase", "tone"])
def test_a_caller_who_waits_too_long_goes_back_to_the_dialplan(phrases: PhraseSource) -> None:
    """After the busy phrase, or the tone if there is no audio at all; the record says why."""
    call = Call("c1", "default", phrases=phrases, waiting_limit_s=5.0)
    call.caller.begin(0.0)
    played_until(call, 0.0, 4.9)
    assert (call.refusal, call.caller.waits_since_s) == (None, 0.0)
    expected = phrases(Phrase.BUSY) or busy_tone()
    assert expected in played_until(call, 4.9, 10.0)
    assert call.refusal is not None
    assert "server.waiting_limit_s" in call.refusal
    assert call.verdict is Verdict.NONE
    [record] = call.turn_records
    assert (record.kind, record.failure) == ("greeting", "nothing could answer within 5 s")
    call.outbox.clear()
    call.gateway_ready(10.0)  # too late
    call.caller.hear(utterance(), 10.0)
    assert call.outbox == []


def test_a_caller_who_listens_does_not_wait() -> None:
    """The gateway may be away for long; who then speaks waits from then on."""
    call = begun()
    call.gateway_gone(1.0)
    played_until(call, 1.0, 60.0)
    assert (call.caller.waits_since_s, call.refusal) == (None, None)
    call.caller.hear(utterance(), 60.0)
    played_until(call, 60.0, 79.9)
    assert call.caller.waits_since_s == 60.0
    played_until(call, 79.9, 80.1)
    assert call.refusal is not None


@pytest.mark.parametrize("period_s", [1.0, 4.0])
def test_a_gateway_that_comes_and_goes_does_not_renew_the_wait(period_s: float) -> None:
    """It is ready each time and never answers."""
    call, now = new(), 0.0
    while now < 19.0:
        call.gateway_ready(now)
        played_until(call, now, now + period_s / 2)
        call.gateway_gone(now + period_s / 2)
        played_until(call, now + period_s / 2, now + period_s)
        now += period_s
    assert call.refusal is None
    call.gateway_gone(now)
    played_until(call, now, 20.1)
    assert call.refusal is not None


def test_a_gateway_whose_workers_were_away_for_a_moment_is_the_same_one() -> None:
    """The answer goes on, a turn without audio yet is not asked twice: nothing is heard of it."""
    call = begun()
    call.caller.hear(utterance(), 1.5)
    for now in (1.6, 1.8):
        call.receive(Readiness(is_ready=False, detail=""), now)
        call.receive(Readiness(is_ready=True, detail=""), now + 0.1)
        call.receive(audio(2, frames=3, is_last=False), now + 0.1)
    call.receive(Readiness(is_ready=False, detail=""), 2.0)
    call.receive(audio(2, frames=3), 2.0)
    call.receive(done(2), 2.0)
    assert play(call, 9, 2.1) == b"\2\0" * (9 * FRAME_BYTES // 2)
    (record,) = records(call)
    assert (record.failure, record.underruns) == (None, 0)
    assert len(sent(call, Utterance)) == 1


def test_a_turn_that_runs_in_a_gateway_without_workers_has_a_deadline() -> None:
    """The gateway may hang then as ever."""
    call = Call("c1", "default", waiting_limit_s=100.0, turn_deadline_s=30.0)
    call.caller.begin(0.0)
    call.gateway_ready(0.0)
    call.receive(Readiness(is_ready=False, detail=""), 1.0)
    played_until(call, 1.0, 31.0)
    [record] = call.turn_records
    assert record.failure == "no answer from the gateway for 30 s"
