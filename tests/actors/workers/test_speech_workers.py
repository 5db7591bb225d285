"""The plain workers: an engine and its errors."""

from __future__ import annotations

import pytest
from gated_engine import GATED, SURPRISING, GatedStt

from actors.engines.abandonment import Abandonment
from actors.engines.registry import STT_ENGINES
from actors.errors import ConfigurationError, EngineError
from actors.messages import Transcribe, Transcript
from actors.settings import ScriptedSettings, SpeechSettings
from actors.workers.speech_workers import SttWorker, engine_errors


def test_an_unknown_engine_is_refused_before_loading() -> None:
    """A worker with a wrong engine name says so at once."""
    with pytest.raises(ConfigurationError, match=r"speech\.stt"):
        SttWorker(SpeechSettings(stt="nothing"))


def test_an_engines_exception_never_quotes_the_caller() -> None:
    """It may contain the caller's words: only its type and place go on, with the size of the input."""
    with pytest.raises(EngineError) as caught, engine_errors(object(), "failed on 12 characters"):
        raise ValueError("my secret words")
    error: BaseException | None = caught.value
    assert "object failed on 12 characters: ValueError at test_speech_workers.py:" in str(error)
    assert error is not None
    assert error.__cause__ is None
    assert error.__suppress_context__
    assert "secret" not in str(error)


def test_a_batch_that_fails_is_done_again_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is tried alone; the one that fails gets an error, without its words."""
    monkeypatch.setitem(STT_ENGINES, "gated", GATED)
    worker = SttWorker(SpeechSettings(stt="gated", scripted=ScriptedSettings(batch_size=3)))
    worker.load()
    engine = GatedStt.newest
    engine.gate.release(4)
    calls = {"a": b"\0\0", "culprit": SURPRISING, "b": b"\0\0"}
    requests = [Transcribe(call, audio, "en") for call, audio in calls.items()]
    first, culprit, last = worker.transcribe_batch(requests, [Abandonment() for _ in calls])
    assert isinstance(first, Transcript)
    assert isinstance(last, Transcript)
    assert (first.text, last.text) == ("a", "b")
    assert isinstance(culprit, EngineError)
    assert "LookupError" in str(culprit)
    assert "surprising" not in str(culprit)
    assert engine.batches == [["a", "culprit", "b"], ["a"], ["culprit"], ["b"]]
