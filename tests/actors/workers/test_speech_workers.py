"""The plain workers: an engine and its errors."""

from __future__ import annotations

import pytest

from actors.errors import ConfigurationError, EngineError
from actors.messages import Synthesize, Transcribe
from actors.settings import ScriptedSettings, SpeechSettings
from actors.workers.speech_workers import SttWorker, engine_errors

UTTERANCE = Transcribe("call", b"\0" * 1_600, "en")
SENTENCE = Synthesize("call", "a sentence that lasts more than four seconds, " * 2, "en")


def scripted(**delays: float) -> SpeechSettings:
    return SpeechSettings(stt="scripted", tts="scripted", scripted=ScriptedSettings(**delays))


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
