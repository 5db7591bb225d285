"""The caller's decisions: sums on numbers, without a clock or a socket."""

from __future__ import annotations

import pytest
from caller_scene import SOUND, SPEECH, Scene, script
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import ConfigurationError
from ingress.caller.conversation import Conversation
from ingress.caller.script import Speak
from ingress.media.tones import silence, tone


def test_the_utterance_is_sent_whole_and_in_order() -> None:
    """What is spoken is the recording, filled up to whole frames, with quiet before and after."""
    scene = Scene(steps=(Speak(SPEECH[:-100]),))
    assert scene.run()
    assert b"".join(scene.sent) == SPEECH[:-100].ljust(len(SPEECH), b"\0")
    assert scene.sent[:4] == [b""] * 4
    assert scene.sent[-1] == b""


def test_an_answer_that_began_before_we_finished_has_a_negative_delay() -> None:
    """A server that takes a pause of ours for the end did not answer fast."""
    scene = Scene(steps=(Speak(tone(500, 0.4) + silence(0.6) + tone(500, 0.4)),))
    assert scene.run(lambda now_s: 1.2 <= now_s < 1.3 or 1.4 <= now_s < 1.9)
    [turn] = scene.conversation.turns
    assert turn.spoke_until_s == pytest.approx(0.08 + 1.4, abs=0.011)
    assert turn.answer_from_s == pytest.approx(1.219)
    assert turn.first_answer_ms == pytest.approx((1.219 - 1.48) * 1000, abs=11)
    assert turn.answer_until_s == pytest.approx(1.899 + 0.02)
    assert "before we had finished" in scene.progress[-2]


def test_sound_while_we_speak_is_no_answer_once_it_has_ended() -> None:
    """What the other side said into our speech and did not go on with does not stop the clock."""
    scene = Scene()
    assert scene.run(lambda now_s: 0.15 <= now_s < 0.25 or 0.7 <= now_s < 0.8)
    assert scene.conversation.turns[0].answer_from_s == pytest.approx(0.719)


def test_without_a_greeting_we_speak_after_the_wait() -> None:
    """Quiet from the beginning: the first frame of speech leaves when the wait is over."""
    scene = Scene(greeting_wait_s=0.5)
    scene.run(until_s=0.48)
    assert set(scene.sent) == {b""}
    scene.run(until_s=0.5)
    assert scene.sent[-1] == SPEECH[:320]


def test_a_greeting_is_heard_to_its_end() -> None:
    """Once there is sound we speak when it has been quiet for long enough, short pauses not counted."""
    scene = Scene(quiet_s=0.5, steps=(Speak(SPEECH), Speak(SPEECH)))
    scene.run(lambda now_s: now_s < 1.0 or 1.3 <= now_s < 2.0, until_s=2.48)
    assert set(scene.sent) == {b""}
    scene.run(until_s=2.50)
    assert scene.sent[-1] == SPEECH[:320]


def test_the_next_utterance_waits_for_the_end_of_the_answer() -> None:
    """Two turns, each with its own answer; after the last we stay for `settle_s`."""
    scene = Scene(steps=(Speak(SPEECH), Speak(SPEECH)), quiet_s=0.3, settle_s=1.0)
    assert not scene.run(lambda now_s: 0.8 <= now_s < 1.0 or 2.0 <= now_s < 2.5, until_s=3.46)
    assert scene.run(until_s=3.50)
    first, second = scene.conversation.turns
    assert first.answer_until_s == pytest.approx(1.019)
    assert second.spoke_from_s == pytest.approx(1.3 - 0.02 + 0.04, abs=0.031)
    assert second.answer == SOUND * 25


def test_an_answer_that_never_comes_ends_its_turn() -> None:
    """After the deadline the turn stays unanswered and the next utterance is spoken."""
    scene = Scene(steps=(Speak(SPEECH), Speak(SPEECH)), answer_deadline_s=0.5)
    assert scene.run()
    assert [turn.first_answer_ms for turn in scene.conversation.turns] == [None, None]
    assert [turn.answer for turn in scene.conversation.turns] == [b"", b""]
    first, second = scene.conversation.turns
    assert second.spoke_from_s - first.spoke_until_s == pytest.approx(0.5 + 0.04 - 0.02, abs=0.041)


def test_endless_sound_is_left_at_the_limit() -> None:
    """A line that is never quiet is never spoken into; the call still ends."""
    scene = Scene(max_call_s=3.0)
    assert scene.run(lambda now_s: True, until_s=10)
    assert scene.tick == 150
    assert scene.conversation.turns == []


def test_a_call_that_only_listens() -> None:
    """With nothing to say we hear the greeting to its end and hang up; with no greeting, after the wait."""
    scene = Scene(steps=(), settle_s=0.4)
    assert not scene.run(lambda now_s: 0.05 <= now_s < 0.5, until_s=0.88)
    assert scene.run(until_s=0.92)
    assert Scene(steps=(), greeting_wait_s=0.3).run(until_s=0.3)


def test_a_turn_cut_short_is_kept_only_if_it_was_spoken() -> None:
    """A call that ends while we speak has no turn; one that ends while we are answered has."""
    cut = Scene()
    cut.run(until_s=0.2)
    cut.conversation.end()
    assert cut.conversation.turns == []
    answered = Scene()
    answered.run(lambda now_s: now_s > 0.6, until_s=0.7)
    answered.conversation.end()
    [turn] = answered.conversation.turns
    assert turn.first_answer_ms == pytest.approx(299, abs=11)


def test_the_recording_lies_where_the_sound_arrived() -> None:
    """Position 0 is the call's beginning, and what a phone would have missed is silence."""
    conversation = Conversation(script(), lambda line: None)
    for arrived_s in (0.5, 0.52, 0.54, 1.0, 1.0):
        conversation.hear(SOUND, arrived_s)
    # The phone plays 60 ms late: of the 440 ms without a frame it has 60 ms less to conceal.
    assert conversation.received() == silence(0.5) + SOUND * 3 + silence(0.38) + SOUND * 2
    assert Conversation(script(), lambda line: None).received() == b""


@given(
    start_s=st.integers(0, 40),
    sound_s=st.integers(1, 60),
    end_s=st.integers(0, 60),
    answer_after_s=st.integers(1, 70),
)
def test_the_delay_of_an_answer_is_right_for_any_recording(
    start_s: int, sound_s: int, end_s: int, answer_after_s: int
) -> None:
    """Any silent edges (in 10 ms) and any delay (in 20 ms): the figure is exact."""
    burst = (b"\x00\x20" + b"\x00\xe0") * 40  # 10 ms that are loud in every window
    utterance = bytes(160 * start_s) + burst * sound_s + bytes(160 * end_s)
    scene = Scene(steps=(Speak(utterance),), greeting_wait_s=0.02)
    # The first frame is sent at 0.02 s, so the recording's zero is 0 s.
    spoke_until_s = (start_s + sound_s) / 100
    answer_tick = -(-(start_s + sound_s) // 2) + answer_after_s
    assert scene.run(lambda now_s: abs(now_s - answer_tick * 0.02) < 0.005, until_s=10)
    [turn] = scene.conversation.turns
    assert turn.spoke_from_s == pytest.approx(start_s / 100)
    assert turn.spoke_until_s == pytest.approx(spoke_until_s)
    assert turn.first_answer_ms == pytest.approx((answer_tick * 0.02 - 0.001 - spoke_until_s) * 1000)
    assert turn.answer == SOUND


@pytest.mark.parametrize("utterance", [b"", silence(1.0)], ids=["empty", "silent"])
def test_an_utterance_without_sound_is_refused(utterance: bytes) -> None:
    """A recording that nothing could answer is an error, reported before the call."""
    with pytest.raises(ConfigurationError, match=r"step 2 .* holds no sound"):
        script(steps=(Speak(SPEECH), Speak(utterance)))
