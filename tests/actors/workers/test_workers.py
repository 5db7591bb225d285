"""The plain workers: an engine and its errors."""

from __future__ import annotations

import pytest

from actors.engines.abandonment import AbandonedError, Abandonment
from actors.errors import ConfigurationError, EngineError
from actors.messages import Synthesize, Transcribe, Transcript
from actors.settings import ScriptedSettings, SpeechSettings
from actors.workers.engine_errors import engine_errors
from actors.workers.stt_worker import SttWorker
from actors.workers.tts_worker import TtsWorker

UTTERANCE = Transcribe("call", b"\0" * 1_600, "en")
SENTENCE = Synthesize("call", "a sentence that lasts more than four seconds, " * 2, "en")


def scripted(**delays: float) -> SpeechSettings:
    return SpeechSettings(stt="scripted", tts="scripted", scripted=ScriptedSettings(**delays))


def test_a_voice_that_is_closed_stops_its_engine() -> None:
    """The engine's iterator is closed with the worker's."""
    worker = TtsWorker(scripted(tts_delay_s=0.0))
    worker.load()
    pieces = worker.synthesize(SENTENCE)
    assert next(pieces)
    assert b"".join(pieces)
    pieces = worker.synthesize(SENTENCE)
    assert next(pieces)
    pieces.close()
    assert next(pieces, None) is None


def test_half_a_sample_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes of a call's answer are one stream: after an odd piece every sample would be put together from
    two."""
    worker = TtsWorker(scripted(tts_delay_s=0.0))
    worker.load()
    monkeypatch.setattr(worker._engine, "synthesize", lambda request: iter([b"1234", b"567", b"89"]))
    pieces = worker.synthesize(SENTENCE)
    assert next(pieces) == b"1234"
    with pytest.raises(EngineError, match="yielded half a sample"):
        next(pieces)


def test_an_unknown_engine_is_refused_before_loading() -> None:
    """A worker with a wrong engine name says so at once."""
    with pytest.raises(ConfigurationError, match=r"speech\.stt"):
        SttWorker(SpeechSettings(stt="nothing"))


@pytest.mark.parametrize("raised", [ValueError("my secret words"), SystemExit("my secret words")], ids=repr)
def test_an_engines_exception_never_quotes_the_caller(raised: BaseException) -> None:
    """It may contain the caller's words: only its type and place go on, with the size of the input. One that
    wants to exit would take the whole process along, where the worker is a thread."""
    with pytest.raises(EngineError) as caught, engine_errors(object(), "failed on 12 characters"):
        raise raised
    error: BaseException | None = caught.value
    assert f"object failed on 12 characters: {type(raised).__name__} at test_workers.py:" in str(error)
    assert error is not None
    assert error.__cause__ is None
    assert error.__suppress_context__
    assert "secret" not in str(error)


def test_an_abandoned_utterance_is_an_error_of_its_own() -> None:
    """Alone as in a batch."""
    worker = SttWorker(scripted(stt_delay_s=30.0))
    worker.load()
    abandonment = Abandonment()
    abandonment.set()
    for count in (1, 2):
        outcomes = worker.transcribe_batch([UTTERANCE] * count, [abandonment] * count)
        assert all(isinstance(outcome, AbandonedError) for outcome in outcomes)
        assert len(outcomes) == count


def test_a_batch_with_too_few_answers_is_done_again_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise some utterance would have no answer at all, until its asker's deadline."""
    worker = SttWorker(scripted(stt_delay_s=0.0))
    worker.load()
    whole = worker._engine.transcribe_batch
    monkeypatch.setattr(worker._engine, "transcribe_batch", lambda *work: whole(*work)[:1])
    outcomes = worker.transcribe_batch([UTTERANCE] * 2, [Abandonment()] * 2)
    assert [type(outcome) for outcome in outcomes] == [Transcript] * 2
