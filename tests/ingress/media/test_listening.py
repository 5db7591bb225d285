"""How one answer is listened to, and the call's language: kept with the call. No socket, no gateway."""

from __future__ import annotations

import pytest
from one_call import UTTERANCE, Line, extension

from ingress.configuration.settings import EndpointingSettings
from ingress.link.messages import Heard, ListenOptions, ListenTo, NoInput, TranscribeAhead, Utterance
from ingress.media.hearing.endpointing import Endpointer, Judgement

WISH = ListenOptions(end_silence_ms=900, hot_words=("Ana",), language="pt", no_input_s=30.0)
AS_USUAL = ListenOptions()


def asking(wish: ListenOptions = WISH) -> Line:
    """Return a call whose dialog has asked something and wants the answer listened to in its way."""
    line = Line(extension(no_input_s=10))
    line.turns.hear(UTTERANCE, line.now)
    line.receive(ListenTo(call_id="c1", turn=2, leg="caller", options=wish))
    line.answer(5)
    line.play(0.2)
    line.asked()
    return line


def wishes(line: Line) -> list[ListenOptions]:
    """Return how the utterances that the gateway is asked about are to be understood."""
    return [request.listening for request in line.asked() if isinstance(request, Utterance)]


def test_the_wish_goes_with_the_next_answer_alone() -> None:
    """With what is transcribed ahead of it, too."""
    line = asking()
    line.turns.caller_paused(UTTERANCE)
    assert [ahead.listening for ahead in line.sent(TranscribeAhead)] == [WISH]
    line.turns.hear(UTTERANCE, line.now)
    assert wishes(line) == [WISH]
    line.answer()
    line.turns.hear(UTTERANCE, line.now)
    assert wishes(line) == [AS_USUAL]


def test_a_key_is_an_answer_too() -> None:
    """The next words are listened to as usual."""
    line = asking()
    line.turns.press("1", line.now)
    line.answer()
    line.turns.hear(UTTERANCE, line.now)
    assert wishes(line) == [AS_USUAL]


def test_another_gateway_gets_it() -> None:
    """Before the answer, and with it."""
    line = asking()
    line.call.gateway_gone(line.now)
    line.turns.hear(UTTERANCE, line.now)
    line.call.gateway_ready(line.now)
    line.call.gateway_gone(line.now)
    line.call.gateway_ready(line.now)
    assert wishes(line) == [WISH, WISH]


@pytest.mark.parametrize("words_came", [False, True])
def test_both_halves_of_an_answer_have_it(words_came: bool) -> None:
    """The caller goes on before anything is heard: what that turn wanted for its next answer is undone."""
    line = asking()
    line.turns.hear(UTTERANCE, line.now)
    if words_came:
        line.receive(Heard(call_id="c1", turn=3, text="and"))
        line.receive(ListenTo(call_id="c1", turn=3, leg="caller", options=ListenOptions(end_silence_ms=100)))
    line.turns.caller_speaking(line.now)
    if not words_came:
        line.receive(Heard(call_id="c1", turn=3, text="and"))
    line.turns.hear(UTTERANCE, line.now)
    assert wishes(line) == [WISH, WISH]


@pytest.mark.parametrize(("no_input_s", "after_s"), [(30.0, 30.0), (2.0, 2.0), (None, 10.0), (0.0, None)])
def test_silence_may_be_longer_for_one_answer(no_input_s: float | None, after_s: float | None) -> None:
    """Or without an end; a question that is asked again is the same one."""
    line = asking(ListenOptions(no_input_s=no_input_s))
    for times in (1, 2):
        line.play(600.0 if after_s is None else after_s - 0.2)
        assert line.asked() == []
        if after_s is None:
            break
        line.play(0.3)
        (asked,) = line.asked()
        assert isinstance(asked, NoInput)
        assert asked.times == times
        line.answer(5)
        line.play(0.1)


def test_the_language_that_was_heard_is_kept_with_the_call() -> None:
    """It is in every request from then on, and a transcript that says nothing of it changes nothing."""
    line = Line()
    line.turns.hear(UTTERANCE, line.now)
    (first,) = line.asked()
    line.receive(Heard(call_id="c1", turn=2, text="oi", language="pt"))
    line.answer()
    line.turns.caller_paused(UTTERANCE)
    assert [ahead.language for ahead in line.sent(TranscribeAhead)] == ["pt"]
    line.turns.hear(UTTERANCE, line.now)
    (second,) = line.asked()
    line.receive(Heard(call_id="c1", turn=3, text="tudo bem"))
    line.answer()
    line.turns.press("1", line.now)
    (third,) = line.asked()
    assert [request.language for request in (first, second, third)] == [None, "pt", "pt"]


@pytest.mark.parametrize("pause_ms", [240, 0])
def test_the_end_of_an_utterance_may_be_moved(pause_ms: int) -> None:
    """Without a pause of its own, the pause is the end."""
    endpointer = Endpointer(EndpointingSettings(pause_ms=pause_ms, end_silence_ms=500), 240)
    endpointer.wait_for(1_000)
    for frame in range(6):
        endpointer.listen(True, frame * 0.02)
    judgements = [endpointer.follow(frame < 20, frame * 0.02) for frame in range(100)]
    ends = [frame for frame, judgement in enumerate(judgements) if judgement is Judgement.ENDED]
    pauses = [frame for frame, judgement in enumerate(judgements) if judgement is Judgement.PAUSED]
    assert ends[0] == 19 + 50
    assert pauses == ([19 + 12] if pause_ms else [])
