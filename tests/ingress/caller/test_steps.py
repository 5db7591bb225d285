"""Steps of a script that are no utterance after the other: keys, pauses, speech into an answer."""

from __future__ import annotations

import pytest
from caller_scene import SPEECH, Scene

from actors.errors import ConfigurationError
from ingress.caller.conversation import KEY_S
from ingress.caller.script import CallScript, Pause, Press, Speak
from ingress.media.tones import silence


class KeyScene(Scene):
    """One that takes the keys before each frame, as the connection does."""

    def __init__(self, **changes: object) -> None:
        super().__init__(**changes)
        self.keys: list[tuple[float, str]] = []

    def frame_sent(self, now_s: float) -> None:
        """Take the key of this frame."""
        if (key := self.conversation.take_key()) is not None:
            self.keys.append((now_s, key))


def test_keys_are_pressed_one_after_the_other_and_answered() -> None:
    """Each `KEY_S`, with silence between; the answer is timed from the last one."""
    scene = KeyScene(steps=(Press("1#"),))
    assert scene.run(lambda now_s: 0.8 <= now_s < 1.0)
    (first_s, one), (last_s, hash_key) = scene.keys
    assert (one, hash_key, last_s - first_s) == ("1", "#", pytest.approx(KEY_S))
    [turn] = scene.conversation.turns
    assert (turn.spoke_from_s, turn.spoke_until_s) == (first_s, last_s)
    assert turn.answer_from_s == pytest.approx(0.819)
    assert set(scene.sent) == {b""}


def test_a_pause_lasts_whatever_is_heard() -> None:
    """It is no turn; the next step waits for the end of what came in it."""
    scene = Scene(steps=(Pause(1.0), Speak(SPEECH)))
    scene.run(lambda now_s: 1.0 <= now_s < 1.5, until_s=1.66)
    assert set(scene.sent) == {b""}
    scene.run(until_s=1.72)
    assert scene.sent[-1] == SPEECH[:320]
    assert scene.conversation.turns == []


@pytest.mark.parametrize("step", [Speak(SPEECH, into_answer_s=0.3), Press("5", into_answer_s=0.3)])
def test_a_step_into_an_answer_begins_while_that_is_heard(step: Speak | Press) -> None:
    """So long after its first frame, and the turn before keeps what was heard of its answer."""
    scene = KeyScene(steps=(Speak(SPEECH), step))
    scene.run(lambda now_s: 0.8 <= now_s < 2.0, until_s=3.0)
    scene.conversation.end()
    first, second = scene.conversation.turns
    assert first.answer_from_s == pytest.approx(0.819)
    assert second.spoke_from_s == pytest.approx(0.819 + 0.3, abs=0.061)
    assert second.step == 1


@pytest.mark.parametrize("answer_s", [1.0, 1.6])
def test_what_a_key_stops_is_not_its_answer(answer_s: float) -> None:
    """Some frames are on the way when it is pressed, and the answer may follow at once."""
    scene = KeyScene(steps=(Press("5", into_answer_s=0.8),))
    assert scene.run(lambda now_s: now_s < 0.86 or answer_s <= now_s < answer_s + 0.5)
    [turn] = scene.conversation.turns
    assert turn.spoke_until_s == pytest.approx(0.82)
    assert turn.answer_from_s == pytest.approx(answer_s + 0.019)


def test_a_step_into_the_greeting() -> None:
    """So long after the greeting began."""
    scene = Scene(steps=(Speak(SPEECH, into_answer_s=0.2),))
    scene.run(lambda now_s: 0.04 <= now_s < 2.0, until_s=0.24)
    assert set(scene.sent) == {b""}
    scene.run(lambda now_s: now_s < 2.0, until_s=0.28)
    assert scene.sent[-1] == SPEECH[:320]


def test_a_step_into_a_greeting_of_several_sentences() -> None:
    """Counted from its first sound, whatever pauses there are in it."""
    scene = Scene(quiet_s=1.0, steps=(Speak(SPEECH, into_answer_s=1.0),))
    scene.run(lambda now_s: now_s < 0.3 or 0.9 <= now_s < 1.5, until_s=1.0)
    assert set(scene.sent) == {b""}
    scene.run(lambda now_s: now_s < 1.5, until_s=1.04)
    assert scene.sent[-1] == SPEECH[:320]


def test_a_greeting_is_no_answer_to_the_first_step() -> None:
    """What is heard of it before the step ends with it."""
    scene = Scene(steps=(Speak(SPEECH),), answer_deadline_s=0.5)
    assert scene.run(lambda now_s: now_s < 0.3)
    assert [turn.answer for turn in scene.conversation.turns] == [b""]


@pytest.mark.parametrize(
    ("step", "why"),
    [
        (Press("12x"), "step 1: keys are"),
        (Press(""), "step 1: keys are"),
        (Speak(silence(1.0)), "holds no sound"),
    ],
)
def test_what_cannot_be_done_is_refused(step: Press | Speak, why: str) -> None:
    """Before the call."""
    with pytest.raises(ConfigurationError, match=why):
        CallScript("127.0.0.1", 9, Scene().conversation._script.call_id, (step,))
