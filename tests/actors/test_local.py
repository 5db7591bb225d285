"""The pool's promise, kept inside this process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

import pytest
from broken_engine import LOADING_FAILS, REASON
from further_engines import AUDIO, HUM, IN_ESPERANTO

from actors.errors import CapacityError, ConfigurationError, EngineError, WorkerLostError
from actors.local import LocalPool, LocalWorkers
from actors.messages import FurtherEngine, Priority, SessionStarted, Synthesize, Transcribe
from actors.settings import FleetSettings, ScriptedSettings, SpeechSettings
from actors.status import FleetStatus
from actors.telephone import audio_duration_ms

UTTERANCE = Transcribe("call", b"\0" * 16_000, "en")
SENTENCE = Synthesize("call", "one sentence that is long enough for two or more pieces of audio", "en")


@asynccontextmanager
async def pool(
    stt_delay_s: float = 0.02, tts_delay_s: float = 0.0, workers: int = 1, **delays: float
) -> AsyncIterator[LocalPool]:
    """Yield a pool that is ready."""
    scripted = ScriptedSettings(stt_delay_s=stt_delay_s, tts_delay_s=tts_delay_s, **delays)
    speech = SpeechSettings(stt="scripted", tts="scripted", scripted=scripted)
    fleet = FleetSettings(max_concurrent_transcriptions=workers, max_concurrent_synthesis=workers)
    made = LocalPool(speech, fleet, "ingress")
    await made.start()
    try:
        await until(made.status, lambda status: status.transcription.ready == workers)
        await until(made.status, lambda status: status.synthesis.ready == workers)
        yield made
    finally:
        await made.close()


async def until(ask: Callable[[], Awaitable[FleetStatus]], met: Callable[[FleetStatus], bool]) -> FleetStatus:
    async with asyncio.timeout(5.0):
        while not met(status := await ask()):
            await asyncio.sleep(0.005)
    return status


async def test_letters_that_the_voice_cannot_read_fail_that_text_alone() -> None:
    """The reason goes to the asker, and the slot is free for the next text."""
    async with pool() as speech, asyncio.timeout(5.0):
        with pytest.raises(EngineError, match="3 of 3 letters are Hangul"):
            _ = [chunk async for chunk in speech.synthesize(replace(SENTENCE, text="안녕하"), deadline_s=2.0)]
        assert [chunk async for chunk in speech.synthesize(SENTENCE, deadline_s=2.0)]


async def test_an_engine_that_an_extension_names_is_loaded_while_calls_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The status has it; a sentence is spoken by the engine that it asks for."""
    monkeypatch.setattr("actors.pool.manager_client.HEARTBEAT_PERIOD_S", 0.02)
    monkeypatch.setattr("actors.manager.resource_manager.TICK_S", 0.02)
    async with pool() as speech, asyncio.timeout(5.0):
        assert [it.name for it in (await speech.status()).engines] == ["scripted"]
        speech.use_engines([IN_ESPERANTO, *(FurtherEngine(it, "en") for it in ("scripted", LOADING_FAILS))])
        status = await until(speech.status, lambda status: any(it.problem for it in status.engines))
        engines = {it.name: it.ready for it in status.engines}
        assert engines == {"scripted": 1, HUM: 1, LOADING_FAILS: 0}
        request = replace(SENTENCE, language="eo", engine=HUM)
        assert [it.audio async for it in speech.synthesize(request, deadline_s=2.0)] == [AUDIO]
        with pytest.raises(EngineError, match=REASON):
            _ = [it async for it in speech.synthesize(replace(request, engine=LOADING_FAILS), 2.0)]
        assert [it.audio async for it in speech.synthesize(SENTENCE, deadline_s=2.0)] != [AUDIO]


async def test_a_turn_goes_through_and_is_counted() -> None:
    """An utterance becomes words, a sentence becomes audio, and the call's summary knows of both."""
    async with pool(stt_delay_s=0.05) as speech:
        await speech.register_session(SessionStarted("call", "ingress", "100"))
        heard = await speech.transcribe(UTTERANCE, deadline_s=2.0)
        assert heard.transcript.text == "hello"
        assert 50.0 <= heard.processing_ms < 1000.0
        chunks = [chunk async for chunk in speech.synthesize(SENTENCE, deadline_s=2.0)]
        audio_ms = sum(audio_duration_ms(chunk.audio) for chunk in chunks)
        assert len(chunks) >= 2
        assert [chunk.elapsed_ms for chunk in chunks] == sorted(chunk.elapsed_ms for chunk in chunks)
        await until(speech.status, lambda status: status.synthesis.tally.count == 1)
        summary = await speech.unregister_session("call")
        assert summary is not None
        assert (summary.transcription.count, summary.transcription.audio_ms) == (1, 1000.0)
        assert summary.synthesis.audio_ms == pytest.approx(audio_ms)


async def test_start_returns_before_the_models_are_loaded() -> None:
    """Callers hear a waiting tone meanwhile; a request waits for the worker."""
    scripted = ScriptedSettings(load_delay_s=0.3, stt_delay_s=0.0)
    made = LocalPool(
        SpeechSettings(stt="scripted", tts="scripted", scripted=scripted), FleetSettings(), "ingress"
    )
    await made.start()
    assert not (await made.status()).is_ready
    heard = await made.transcribe(UTTERANCE, deadline_s=5.0)
    assert heard.lease_wait_ms > 200.0
    await made.close()


async def test_no_slot_in_time_is_a_capacity_error() -> None:
    """A request behind a longer one is refused at its deadline, and the queue moves on."""
    async with pool(stt_delay_s=0.4) as speech:
        first = asyncio.create_task(speech.transcribe(UTTERANCE, deadline_s=2.0))
        await until(speech.status, lambda status: status.transcription.busy == 1)
        before = time.monotonic()
        with pytest.raises(CapacityError):
            await speech.transcribe(UTTERANCE, deadline_s=0.1)
        assert time.monotonic() - before < 0.3
        assert (await first).transcript.text == "hello"


async def test_work_past_its_deadline_is_lost_and_its_slot_comes_back() -> None:
    """The asker gets its error in time; the slot serves again when the engine has returned."""
    async with pool(stt_delay_s=0.3) as speech:
        with pytest.raises(WorkerLostError, match="deadline"):
            await speech.transcribe(UTTERANCE, deadline_s=0.1)
        status = await speech.status()
        assert status.transcription.ready == 1
        assert (await speech.transcribe(UTTERANCE, deadline_s=2.0)).transcript.text == "hello"


async def test_a_cancelled_utterance_frees_its_slot() -> None:
    """Cancelling the asker gives the lease back; nothing stays busy."""
    async with pool(stt_delay_s=0.2) as speech:
        asker = asyncio.create_task(speech.transcribe(UTTERANCE, deadline_s=2.0))
        await until(speech.status, lambda status: status.transcription.busy == 1)
        asker.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asker
        status = await until(speech.status, lambda status: status.transcription.busy == 0)
        assert (status.transcription.tally.count, status.transcription.tally.failed) == (1, 1)


async def test_a_closed_sentence_frees_its_slot() -> None:
    """Barge-in: closing the iterator after the first piece ends the work."""
    async with pool() as speech:
        async with aclosing(speech.synthesize(SENTENCE, deadline_s=5.0)) as chunks:
            assert (await anext(chunks)).audio
        status = await until(speech.status, lambda status: status.synthesis.busy == 0)
        assert status.synthesis.tally.failed == 1
        assert [chunk async for chunk in speech.synthesize(SENTENCE, deadline_s=5.0)]


async def test_a_lost_worker_costs_one_more_try() -> None:
    """A worker that is gone when its lease comes is replaced by another inside the same deadline."""
    async with pool() as speech:
        workers = speech._workers
        assert isinstance(workers, LocalWorkers)
        for worker_id in await workers.running():
            await workers.stop(worker_id)
        heard = await speech.transcribe(UTTERANCE, deadline_s=5.0)
        assert heard.transcript.text == "hello"
        assert [chunk async for chunk in speech.synthesize(SENTENCE, deadline_s=5.0)]
        status = await speech.status()
        assert status.transcription.ready == 1


async def test_a_worker_lost_inside_a_sentence_costs_nothing_once() -> None:
    """The next one makes the rest; a sentence that takes two workers with it is an error."""
    async with pool() as speech:
        workers = speech._workers
        assert isinstance(workers, LocalWorkers)
        whole = b"".join([chunk.audio async for chunk in speech.synthesize(SENTENCE, deadline_s=5.0)])
        heard = b""
        async for chunk in speech.synthesize(SENTENCE, deadline_s=5.0):
            if not heard:
                for worker_id in await workers.running():
                    await workers.stop(worker_id)
            heard += chunk.audio
        assert heard == whole
        with pytest.raises(WorkerLostError):  # noqa: PT012
            async for _ in speech.synthesize(SENTENCE, deadline_s=5.0):
                for worker_id in await workers.running():
                    await workers.stop(worker_id)


async def test_a_manager_that_forgot_is_told_again() -> None:
    """An unknown ingress registers again, with its calls, and the request still gets its slot."""
    async with pool() as speech:
        await speech.register_session(SessionStarted("call", "ingress", "100"))
        await speech._manager.unregister_ingress("ingress")
        heard = await speech.transcribe(UTTERANCE, deadline_s=5.0)
        assert heard.transcript.text == "hello"
        status = await speech.status()
        assert (status.ingresses, status.sessions) == (1, 1)


async def test_closing_gives_everything_back() -> None:
    """After `close`, once or twice, no worker is left."""
    async with pool() as speech:
        workers = speech._workers
        assert isinstance(workers, LocalWorkers)
        await speech.close()
        await speech.close()
        assert not await workers.running()


async def test_an_engine_that_is_not_ours_is_refused() -> None:
    """A wrong engine name is a configuration error before anything starts."""
    made = LocalPool(SpeechSettings(stt="nothing", tts="scripted"), FleetSettings(), "ingress")
    with pytest.raises(ConfigurationError, match=r"speech\.stt"):
        await made.start()
    await made.close()


async def call(speech: LocalPool, name: str, priority: Priority = Priority.NORMAL) -> Transcribe:
    """Register a call and return an utterance of it."""
    await speech.register_session(SessionStarted(name, "ingress", "100", priority))
    return replace(UTTERANCE, call_id=name)


async def test_ahead_of_time_work_leaves_a_slot_until_it_is_promoted() -> None:
    """The last free slot is not for it; its own final request takes it at once."""
    async with pool(stt_delay_s=0.3, workers=2) as speech:
        late, early = await call(speech, "late"), await call(speech, "early")
        other = asyncio.create_task(speech.transcribe(late, deadline_s=9.0))
        await until(speech.status, lambda status: status.transcription.busy == 1)
        ahead = asyncio.create_task(speech.transcribe(early, deadline_s=9.0, is_ahead=True))
        await until(speech.status, lambda status: status.transcription.waiting == 1)
        speech.promote("early")
        await until(speech.status, lambda status: status.transcription.busy == 2)
        assert (await ahead).transcript.text == (await other).transcript.text == "hello"


async def test_work_is_served_by_the_class_of_its_call() -> None:
    """An emergency that comes last is next; work for no call at all is background work and last."""
    async with pool(stt_delay_s=0.1) as speech:
        order: list[str] = []

        async def work(request: Transcribe) -> None:
            await speech.transcribe(request, deadline_s=9.0)
            order.append(request.call_id)

        normal = await call(speech, "normal")
        urgent = await call(speech, "urgent", Priority.EMERGENCY)
        first = asyncio.create_task(work(normal))
        await until(speech.status, lambda status: status.transcription.busy == 1)
        requests = (replace(UTTERANCE, call_id="no call"), normal, urgent)
        rest = [asyncio.create_task(work(request)) for request in requests]
        await until(speech.status, lambda status: status.transcription.waiting == 3)
        await asyncio.gather(first, *rest)
        assert order == ["normal", "urgent", "normal", "no call"]
