"""Totals of one call."""

from __future__ import annotations

from actors.messages import SessionActivity
from ingress.gateway.call_figures import CallFigures
from ingress.link.records import StageTimes, TurnRecord


def record(turn: int, kind: str = "utterance", was_interrupted: bool = False) -> TurnRecord:
    """Return what is known of a finished turn."""
    return TurnRecord(
        turn=turn,
        kind=kind,
        speech_ms=None,
        endpoint_wait_ms=None,
        stages=StageTimes(),
        link_ms=None,
        playout_wait_ms=None,
        first_answer_ms=None,
        answer_ms=0.0,
        underruns=0,
        failure=None,
        was_interrupted=was_interrupted,
    )


def test_a_finished_turn_has_nothing_more_to_say() -> None:
    """Its task may be a moment late; the next turn's is not."""
    figures = CallFigures()
    figures.turned_to(1, SessionActivity.THINKING)
    figures.finished(record(1))
    figures.turned_to(1, SessionActivity.SPEAKING)
    assert figures.current.activity is SessionActivity.LISTENING
    figures.turned_to(2, SessionActivity.TRANSCRIBING)
    assert figures.current.activity is SessionActivity.TRANSCRIBING


def test_a_caller_has_spoken_once_an_utterance_was_a_turn() -> None:
    """Also if the gateway that took the utterance is gone; a greeting says nothing of the caller."""
    figures = CallFigures()
    figures.finished(record(1, "greeting", was_interrupted=True))
    assert not figures.current.has_spoken
    figures.finished(record(2))
    assert figures.current.has_spoken
    assert (figures.current.turns, figures.current.interruptions) == (2, 1)
