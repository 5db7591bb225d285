"""The plain workers: an engine and its errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from further_engines import AUDIO, HUM, Hum
from gated_engine import GATED, SURPRISING, GatedStt

from actors.engines.abandonment import Abandonment
from actors.engines.registry import STT_ENGINES
from actors.errors import ConfigurationError, EngineError
from actors.messages import FurtherEngine, Synthesize, Transcribe, Transcript
from actors.settings import ScriptedSettings, SpeechSettings
from actors.workers.speech_workers import LOAD_AGAIN_S, SttWorker, TtsWorker, engine_errors


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
    assert f"object failed on 12 characters: {type(raised).__name__} at test_speech_workers.py:" in str(error)
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


def test_half_a_sample_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes of a call's answer are one stream: after an odd piece every sample would be put together from
    two."""
    worker = TtsWorker(SpeechSettings(tts="scripted"))
    worker.load()
    monkeypatch.setattr(worker._engine, "synthesize", lambda request: iter([b"1234", b"567", b"89"]))
    pieces = worker.synthesize(Synthesize("call", "a sentence", "en"))
    assert next(pieces) == b"1234"
    with pytest.raises(EngineError, match="yielded half a sample"):
        next(pieces)


def test_a_batch_with_too_few_answers_is_done_again_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise some utterance would have no answer at all, until its asker's deadline."""
    worker = SttWorker(SpeechSettings(stt="scripted", scripted=ScriptedSettings(stt_delay_s=0.0)))
    worker.load()
    whole = worker._engine.transcribe_batch
    monkeypatch.setattr(worker._engine, "transcribe_batch", lambda *work: whole(*work)[:1])
    outcomes = worker.transcribe_batch([Transcribe("call", bytes(1_600), "en")] * 2, [Abandonment()] * 2)
    assert [type(outcome) for outcome in outcomes] == [Transcript] * 2


def voice(monkeypatch: pytest.MonkeyPatch, synthesize: Any) -> TtsWorker:
    """Return a loaded worker whose engine does that."""
    worker = TtsWorker(SpeechSettings(tts="scripted"))
    worker.load()
    monkeypatch.setattr(worker._engine, "synthesize", synthesize)
    return worker


@pytest.mark.parametrize(
    ("made", "what"),
    [
        ([np.zeros(160, np.float32)], r"ScriptedTts yielded a numpy\.ndarray: it has to yield bytes"),
        (["text"], "ScriptedTts yielded a str"),
        ([None], "ScriptedTts yielded a NoneType"),
        (b"\1\0" * 80, "ScriptedTts yielded a int"),
        (None, r"ScriptedTts\.synthesize returned a NoneType: use `yield`"),
        ([b"\1\0" * 8_000] * 41, "ScriptedTts made more than 40 s of audio of 10 characters"),
        ([b"\1\0" * 8_000 * 41], "ScriptedTts made more than 40 s of audio of 10 characters"),
        ([], "ScriptedTts made no audio of 10 characters"),
        ([b""], "ScriptedTts made no audio of 10 characters"),
        ([bytes(3_200)], "ScriptedTts made only silence of 10 characters"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_audio_is_an_error(monkeypatch: pytest.MonkeyPatch, made: Any, what: str) -> None:
    """It says what came, and names the engine: else the caller would hear noise, or nothing at all."""
    worker = voice(monkeypatch, lambda request: made)
    with pytest.raises(EngineError, match=what):
        list(worker.synthesize(Synthesize("call", "a sentence", "en")))


def test_long_audio_is_cut_to_pieces_that_any_message_has_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine may make a whole sentence at once; empty pieces are nothing."""
    worker = voice(monkeypatch, lambda request: [b"", b"\1\0" * 8_000 * 5, bytearray(b"\2\0" * 10)])
    pieces = list(worker.synthesize(Synthesize("call", "a sentence", "en")))
    assert [len(piece) for piece in pieces] == [32_000, 32_000, 16_000, 20]
    assert all(type(piece) is bytes for piece in pieces)


def test_letters_that_the_voice_cannot_read_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would leave them out without a word. An engine that reads more says so."""
    worker = voice(monkeypatch, lambda request: iter([b"\1\0"]))
    with pytest.raises(EngineError, match=r"cannot read this text in the language 'en-US': 2 of 2 letters"):
        list(worker.synthesize(Synthesize("call", "您好", "en-US")))
    assert list(worker.synthesize(Synthesize("call", "Mr. Иван is here.", "en"))) == [b"\1\0"]
    assert list(worker.synthesize(Synthesize("call", "您好", "zh"))) == [b"\1\0"]
    monkeypatch.setattr(type(worker._engine), "scripts", frozenset({"CJK", "LATIN"}))
    assert list(worker.synthesize(Synthesize("call", "您好", "en-US"))) == [b"\1\0"]


def test_a_worker_speaks_with_several_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is loaded once, when it is asked for first; the settings' own is there from the start."""
    monkeypatch.setattr(Hum, "loaded", 0)
    worker = TtsWorker(SpeechSettings(tts="scripted"))
    worker.load()
    own = [list(worker.synthesize(Synthesize("call", "Hi.", "en", engine=it))) for it in (None, "scripted")]
    assert own[0] == own[1] != [AUDIO]
    assert Hum.loaded == 0
    for _ in range(2):
        assert worker.prepare([FurtherEngine(HUM, "eo"), FurtherEngine("scripted", "en")]) == {}
        assert list(worker.synthesize(Synthesize("call", "Hi.", "eo", engine=HUM))) == [AUDIO]
    assert (Hum.loaded, Hum.language) == (1, "eo")


def test_an_engine_that_failed_takes_no_other_ones_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried again, and fails again, where all places are taken, its own one among them."""
    monkeypatch.setattr("actors.workers.speech_workers.MAXIMUM_FURTHER_ENGINES", 2)
    monkeypatch.setattr(Hum, "loaded", 0)
    now = 100.0
    worker = TtsWorker(SpeechSettings(tts="scripted"), lambda: now)
    assert worker.prepare([FurtherEngine(HUM, "eo")]) == {}
    for _ in range(2):
        assert "nothing" in worker.prepare([FurtherEngine("nothing", "en")])
        now += LOAD_AGAIN_S
    assert worker.prepare([FurtherEngine(HUM, "eo")]) == {}
    assert Hum.loaded == 1


def test_a_worker_holds_a_bounded_number_of_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that was named first goes, and is loaded again if it is asked for."""
    monkeypatch.setattr("actors.workers.speech_workers.MAXIMUM_FURTHER_ENGINES", 1)
    monkeypatch.setattr(Hum, "loaded", 0)
    worker = TtsWorker(SpeechSettings(tts="scripted"))
    for _ in range(2):
        assert worker.prepare([FurtherEngine(HUM, "eo")]) == {}
        assert worker.prepare([FurtherEngine("actors.engines.scripted:ScriptedTts", "en")]) == {}
    assert Hum.loaded == 2


def test_an_engine_that_cannot_be_loaded_costs_the_requests_for_it_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is tried again, but not by each of them: the others would wait for it."""
    monkeypatch.setattr(Hum, "loaded", 0)
    monkeypatch.setattr(Hum, "fault", "no weights in /voices")
    now = 100.0
    worker = TtsWorker(
        SpeechSettings(tts="scripted", scripted=ScriptedSettings(tts_delay_s=0.0)), lambda: now
    )
    worker.load()
    reason = f"the engine {HUM!r} is not there: no weights in /voices"
    assert worker.prepare([FurtherEngine(HUM, "eo"), FurtherEngine("nothing", "en")])[HUM] == reason
    for _ in range(2):
        with pytest.raises(EngineError, match="no weights in /voices"):
            list(worker.synthesize(Synthesize("call", "Hi.", "en", engine=HUM)))
    with pytest.raises(EngineError, match="unknown engine 'nothing'"):
        list(worker.synthesize(Synthesize("call", "Hi.", "en", engine="nothing")))
    assert list(worker.synthesize(Synthesize("call", "Hi.", "en")))
    assert Hum.loaded == 1
    monkeypatch.setattr(Hum, "fault", None)
    now += LOAD_AGAIN_S
    assert list(worker.synthesize(Synthesize("call", "Hi.", "en", engine=HUM))) == [AUDIO]
