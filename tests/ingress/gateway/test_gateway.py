"""Media server and gateway together, over the real link, with scripted engines in this process."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from asterisk_peer import AsteriskPeer
from broken_engine import LOADING_FAILS, LOADING_FAILS_WITHOUT_WORDS, REASON
from heard import pitches_hz
from link_end import LinkEnd
from rich.console import Console
from scripted_pool import ONE_WORKER, Answer, Manner, ScriptedPool

from actors.engines.scripted import sentence_tone_hz
from actors.local import LocalPool
from actors.messages import Decision, Level
from benchmarks.harness.speech_like import speech_like
from ingress import cli
from ingress.caller.script import CallScript, Speak
from ingress.caller.wave_files import write_wave
from ingress.commands.call import PlacedCall, place
from ingress.configuration.extensions import Phrase
from ingress.configuration.settings import Settings
from ingress.dialogs.base import Dialog
from ingress.gateway.gateway import Gateway
from ingress.link.client import LinkClient
from ingress.link.listener import serve
from ingress.link.messages import (
    LINK_VERSION,
    Hello,
    Pace,
    PhrasesReady,
    Readiness,
    StatusReply,
    StatusRequest,
)
from ingress.link.status import TurnsStatus
from ingress.media.calls import Calls
from ingress.phrases.fixed import PhraseShelf
from ingress.server import observer
from ingress.server.checking import extension_book
from ingress.server.runtime_directory import RuntimeDirectory

pytestmark = pytest.mark.usefixtures("runtime_folder")

SCRIPTED: dict[str, Any] = {
    "dialog": {"greeting": ""},
    "endpointing": {"confirmation": "none"},  # what these callers say is not quite speech
    "privacy": {"keep_transcripts": True},
    "throttle": {"enabled": False},  # the machine may be busy with other things
    "speech": {
        "stt": "scripted",
        "tts": "scripted",
        "scripted": {
            "transcript": "good morning",
            "stt_delay_s": 0.1,
            "tts_delay_s": 0.02,
            "speech_rate_characters_per_s": 60.0,
        },
    },
    "fleet": {"backend": "local", "max_concurrent_transcriptions": 1, "max_concurrent_synthesis": 1},
}
ANSWER_HZ = sentence_tone_hz("You said: good morning")


@asynccontextmanager
async def media(settings: Settings) -> AsyncIterator[int]:
    """Run a media server with its link; yield its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    port: int = listener.getsockname()[1]
    runtime = RuntimeDirectory.of_port(port)
    runtime.create()
    server = Calls(settings, extension_book(settings), PhraseShelf(settings))
    hello = Hello(version=LINK_VERSION, role="media", name="media-0")
    link = LinkClient(runtime.gateway_socket, hello, server.receive, server.gateway_gone)
    running = asyncio.create_task(link.run())
    await server.start({"default": listener}, link.send)
    try:
        yield port
    finally:
        await server.stop(drain_deadline_s=0.0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@asynccontextmanager
async def gateway(settings: Settings, port: int) -> AsyncIterator[Gateway]:
    """Run a gateway for the server on `port`."""
    pool = LocalPool(settings.speech, settings.fleet, "test-gateway", settings.admission, settings.throttle)
    running = Gateway(settings, extension_book(settings), pool, "test-gateway")
    server = await serve(RuntimeDirectory.of_port(port).gateway_socket, running.handle, "test-gateway")
    task = asyncio.create_task(running.run())
    try:
        yield running
    finally:
        server.close()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await running.close()


async def test_a_turn_from_socket_to_socket(caplog: pytest.LogCaptureFixture) -> None:
    """Speech in, the answer's own tone out, a record with every stage, and no words in the log."""
    caplog.set_level(logging.INFO)
    settings = Settings.model_validate(SCRIPTED)
    async with media(settings) as port, gateway(settings, port):
        await observer.wait_until_ready(port, 5.0)
        async with AsteriskPeer(port) as peer:
            peer.identify()
            await peer.speak(speech_like(1.0) + bytes(11_200))
            await peer.until(lambda: ANSWER_HZ in pitches_hz(peer.audio), deadline_s=10.0)
            status = await observer.status(port)
            assert (status.calls, status.fleet.sessions) == (1, 1)
            await peer.until(lambda: not any(peer.audio[-3_200:]), deadline_s=10.0)
        record = await observer.call_record(port, str(peer.call_id), wait_s=3.0)
        assert record is not None
        turn = record.turns[-1]
        assert (turn.kind, turn.heard) == ("utterance", "good morning")
        assert turn.answered == "You said: good morning"
        assert turn.failure is None
        assert turn.underruns == 0
        assert turn.first_answer_ms == pytest.approx(sum(time for _, time in turn.stage_times_ms()))
        assert (await observer.status(port)).fleet.sessions == 0
    assert "good morning" not in caplog.text


async def test_a_model_that_never_loads_keeps_no_caller(tmp_path: Path) -> None:
    """Who waits is counted and shown with the reason, and goes back to the dialplan in time."""
    for name in ("model.bin", "config.json", "tokenizer.json", "vocabulary.json"):
        (tmp_path / name).write_text("{}  ")
    speech = SCRIPTED["speech"] | {"stt": "whisper", "whisper": {"model": str(tmp_path)}}
    settings = Settings.model_validate(SCRIPTED | {"speech": speech, "server": {"waiting_limit_s": 2.5}})
    async with media(settings) as port, gateway(settings, port), AsteriskPeer(port) as peer:
        peer.identify()
        began_s = asyncio.get_running_loop().time()
        await peer.until(lambda: peer.frames > 80)
        status = await observer.status(port)
        assert (status.is_ready, status.calls, status.waiting_callers) == (False, 0, 1)
        assert 0.5 < status.longest_wait_s < 2.0
        await peer.until(lambda: peer.was_hung_up, deadline_s=8.0)
        assert asyncio.get_running_loop().time() - began_s > 2.5
        assert any(peer.audio[-32_000:])  # there was no audio for a phrase: the busy tone
        record = await observer.call_record(port, str(peer.call_id), wait_s=3.0)
        assert record is not None
        assert "waiting_limit_s" in record.end_reason
        async with asyncio.timeout(20.0):  # importing the engine's library takes seconds
            while not (status := await observer.status(port)).fleet.problems:
                await asyncio.sleep(0.2)
        assert "could not load" in status.fleet.problems[0]
        assert status.waiting_callers == 0


async def test_a_caller_who_speaks_is_not_talked_over() -> None:
    """The greeting stops within 0.6 s of the first sound (the detector takes its time), and is not kept."""
    greeting = "A greeting that goes on and on, much longer than a caller listens to it. " * 4
    settings = Settings.model_validate(SCRIPTED | {"dialog": {"greeting": greeting}})
    async with media(settings) as port, gateway(settings, port):
        await observer.wait_until_ready(port, 5.0)
        async with AsteriskPeer(port) as peer:
            peer.identify()
            await peer.until(lambda: any(peer.audio[-320:]))
            before = len(peer.audio)
            await peer.speak(speech_like(0.8))
            spoken_over = len(peer.audio[before:].rstrip(b"\0"))
            assert spoken_over < 0.6 * 16_000
            await peer.speak(bytes(11_200))
            await peer.until(lambda: any(peer.audio[-320:]), deadline_s=10.0)
        record = await observer.call_record(port, str(peer.call_id), wait_s=3.0)
        assert record is not None
        assert record.interruptions == 1
        first, *_ = record.turns
        assert (first.kind, first.was_interrupted, first.answered) == ("greeting", True, "")
        assert first.answer_ms < 2_000.0
        assert (await observer.status(port)).fleet.synthesis.waiting == 0


async def test_without_a_gateway_the_error_says_so(runtime_folder: Path) -> None:
    """What was known last is part of the error."""
    with pytest.raises(TimeoutError, match=r"not ready within 0\.3 s: the gateway does not answer yet"):
        await observer.wait_until_ready(59_999, 0.3)


@pytest.mark.parametrize(
    ("engine", "reason"), [(LOADING_FAILS, REASON), (LOADING_FAILS_WITHOUT_WORDS, "EngineError")]
)
async def test_why_an_engine_could_not_be_loaded_is_said(engine: str, reason: str) -> None:
    """In the status, and to one who waits for the server."""
    settings = Settings.model_validate(SCRIPTED | {"speech": {"stt": "scripted", "tts": engine}})
    RuntimeDirectory.of_port(59_998).create()
    async with gateway(settings, 59_998):
        with pytest.raises(TimeoutError, match=rf"0 of 1 synthesis workers: raymal-tts-.*: .*{reason}"):
            await observer.wait_until_ready(59_998, 1.0)
        status = await observer.status(59_998)
    assert reason in status.detail
    assert reason in status.fleet.problems[0]


# `raymal call`, which asks the server how its call went


def changed(**changes: Mapping[str, Any]) -> Settings:
    """Return the settings of these tests with changes in some sections."""
    return Settings.model_validate(
        SCRIPTED | {name: SCRIPTED.get(name, {}) | dict(section) for name, section in changes.items()}
    )


async def placed(speech: Mapping[str, Any]) -> tuple[PlacedCall, TurnsStatus]:
    """Place a call to a server with these engines; return how it went, as both of them say."""
    settings = changed(speech=speech)
    async with media(settings) as port, gateway(settings, port):
        await observer.wait_until_ready(port, 5.0)
        script = CallScript("127.0.0.1", port, uuid4(), (Speak(speech_like(1.0)),), greeting_wait_s=0.1)
        script = replace(script, quiet_s=0.5, settle_s=0.5)  # an answer here has no pauses
        call = await asyncio.to_thread(place, script, Console(quiet=True))
        return call, (await observer.status(port)).recent


async def test_an_apology_is_no_answer() -> None:
    """Something is heard each time: the record says whether it was an answer, the status how often."""
    wrong = {
        "failed: there is no such voice": {"tts": "broken_engine:SpeakingFails"},
        "failed: there is no such language": {"stt": "broken_engine:HearingFails"},
        "no words were found in what was said": {
            "scripted": SCRIPTED["speech"]["scripted"] | {"transcript": ""}
        },
    }
    well, *failed = await asyncio.gather(*(placed(speech) for speech in ({}, *wrong.values())))
    call, recent = well
    assert (call.was_answered, call.problems, recent.failed) == (True, [], 0)
    for problem, (call, recent) in zip(wrong, failed, strict=True):
        assert call.result.turns[0].first_answer_ms is not None
        assert not call.was_answered
        assert problem in call.problems[0]
        is_failure = problem.startswith("failed: ")
        assert (recent.failed, recent.without_words) == ((1, 0) if is_failure else (0, 1))
        assert list(recent.problems) == ([problem.removeprefix("failed: ")] if is_failure else [])


async def test_a_voice_that_only_the_engine_can_judge_is_found_before_the_first_call(tmp_path: Path) -> None:
    """As soon as the phrases of the extension are made, and in the status."""
    settings = changed(
        dialog={"name": "broken_engine:Farewell"},
        speech={"tts": "broken_engine:SpeakingFails"},
        cache={"directory": str(tmp_path)},
        extensions={"sales": {"port": 0, "voice": "herat"}},
    )
    RuntimeDirectory.of_port(59_997).create()
    async with gateway(settings, 59_997):
        await observer.wait_until_ready(59_997, 5.0)
        status = await observer.status(59_997)
    assert status.unmade_phrases["extension sales: there is no such voice"] >= 1


async def test_what_did_not_come_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The server hangs up after the first of two recordings; and a call has a limit."""
    settings = changed(dialog={"name": "broken_engine:Farewell"})
    wave = tmp_path / "spoken.wav"
    write_wave(wave, speech_like(1.0))
    async with media(settings) as port, gateway(settings, port):
        await observer.wait_until_ready(port, 5.0)
        command = [
            "call",
            "--json",
            "--port",
            str(port),
            "--save",
            str(tmp_path / "a.wav"),
            "--wav",
            str(wave),
        ]

        async def problems(*arguments: str) -> list[str]:
            assert await asyncio.to_thread(cli.main, [*command, *arguments]) == 1
            said: list[str] = json.loads(capsys.readouterr().out)["problems"]
            return said

        assert await problems("--wav", str(wave)) == [
            "utterance 2 of 2 could not be spoken to the end: the server hung up"
        ]
        assert await problems("--time-limit", "0.5") == [
            "the call reached its time limit of 0.5 s",
            "utterance 1 of 1 could not be spoken to the end: the call was over",
        ]


# Decisions, readiness and phrases, with a scripted pool


@asynccontextmanager
async def linked(
    pool: ScriptedPool, settings: Settings, runs: bool = False
) -> AsyncIterator[tuple[Gateway, LinkEnd]]:
    """Yield a gateway, which `runs` only if its workers matter, and a media worker's link to it."""
    gateway = Gateway(settings, extension_book(settings), pool, "gateway")
    end = await LinkEnd.connect(gateway)
    running = asyncio.create_task(gateway.run()) if runs else None
    yield gateway, end
    if running is not None:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    await end.hang_up()
    await gateway.close()


async def test_a_decision_reaches_every_media_worker(caplog: pytest.LogCaptureFixture) -> None:
    """30 ms frames and back, each once; a worker that comes later gets the last; each step is logged."""
    caplog.set_level(logging.INFO)
    pool = ScriptedPool()
    async with linked(pool, Settings()) as (gateway, one):
        assert (await one.next(Pace)).frame_ms == 20
        pool.decide(Decision("e", 1, Level.BUSY, ("late frames",)))
        pool.decide(Decision("e", 2, Level.LOADED, ("very late frames",)))
        assert (await one.next(Pace)).frame_ms == 30
        two = await LinkEnd.connect(gateway, "media-1")
        assert (await two.next(Pace)).frame_ms == 30
        pool.decide(Decision("e", 3, Level.NORMAL))
        for end in (one, two):
            assert (await end.next(Pace)).frame_ms == 20
            assert not any(isinstance(message, Pace) for message in end.received)
        await two.hang_up()
    levels = [record.message for record in caplog.records if record.message.startswith("level")]
    assert levels == [
        "level busy (was normal): late frames",
        "level loaded (was busy): very late frames",
        "level normal (was loaded): all signals are low again",
    ]


async def test_frames_are_never_shorter_than_the_setting() -> None:
    """30 ms by configuration stay 30 ms at every level."""
    pool = ScriptedPool()
    async with linked(pool, Settings.model_validate({"server": {"frame_ms": 30}})) as (_, end):
        assert (await end.next(Pace)).frame_ms == 30
        pool.decide(Decision("e", 1, Level.BUSY))
        pool.decide(Decision("e", 2, Level.NORMAL))
        await asyncio.sleep(0.02)
        assert not any(isinstance(message, Pace) for message in end.received)


async def test_a_manager_that_is_away_is_said_to_be() -> None:
    """What it last said stands beside it."""
    pool = ScriptedPool()
    async with linked(pool, Settings()) as (gateway, _):
        web = await LinkEnd.connect(gateway, "web", "web")
        for is_away in (False, True, False):
            pool.is_away = is_away
            web.say(StatusRequest())
            status = (await web.next(StatusReply)).status
            assert status.manager_answers is not is_away
            assert status.fleet == pool.status_now
        await web.hang_up()


async def test_phrases_are_ready_before_the_first_call(tmp_path: Path) -> None:
    """They are rendered, and the media workers know it, before turns are said to be served."""
    settings = Settings.model_validate(
        {"speech": {"tts": "scripted"}, "cache": {"directory": str(tmp_path)}, "dialog": {"greeting": "Hi."}}
    )
    async with linked(ScriptedPool(), settings, runs=True) as (_, end):
        assert not (await end.next(Readiness)).is_ready
        while not any(isinstance(message, Readiness) for message in end.received):
            await asyncio.sleep(0.01)
        assert [message.kind for message in end.received] == ["PhrasesReady", "Readiness"]
        assert (await end.next(Readiness)).is_ready
    shelf, every = PhraseShelf(settings), extension_book(settings).extensions
    await asyncio.to_thread(shelf.load, every.values())
    assert shelf.audio(every["default"], Phrase.BUSY)


async def test_phrases_that_cannot_be_made_in_time_do_not_keep_callers_waiting(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Workers that are ready are ready, and rendering goes on in the background."""
    monkeypatch.setattr("ingress.gateway.gateway.FIRST_WARMING_S", 0.1)
    settings = Settings.model_validate({"speech": {"tts": "scripted"}, "cache": {"directory": str(tmp_path)}})
    slow = iter([Answer(Manner.YES, 0.3)])
    async with linked(ScriptedPool(work=slow), settings, runs=True) as (_, end), asyncio.timeout(5.0):
        await end.next(Readiness)
        assert (await end.next(Readiness)).is_ready
        await end.next(PhrasesReady)


async def test_fixed_texts_that_are_none_keep_no_caller_waiting(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A dialog may be anyone's code; its turns can be served all the same."""
    monkeypatch.setattr("ingress.dialogs.echo.EchoDialog.fixed_texts_in", Dialog.fixed_texts_in)
    monkeypatch.setattr("ingress.dialogs.echo.EchoDialog.fixed_texts", None)
    settings = Settings.model_validate({"speech": {"tts": "scripted"}, "cache": {"directory": str(tmp_path)}})
    async with linked(ScriptedPool(), settings, runs=True) as (_, end), asyncio.timeout(5.0):
        await end.next(Readiness)
        assert (await end.next(Readiness)).is_ready
    assert "fixed texts are not made ahead of need: TypeError at " in caplog.text


async def test_another_worker_disturbs_no_call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Media workers learn that turns can be served, not by how many workers: to their calls it is news
    of another gateway, and an answer that is being played ends with an apology."""
    monkeypatch.setattr("ingress.gateway.gateway.POLL_RUNNING_S", 0.01)
    settings = Settings.model_validate({"speech": {"tts": "scripted"}, "cache": {"directory": str(tmp_path)}})
    pool = ScriptedPool()
    async with linked(pool, settings, runs=True) as (gateway, end), asyncio.timeout(5.0):
        await end.next(Readiness)
        assert (await end.next(Readiness)).is_ready
        two = replace(ONE_WORKER, planned=2, ready=2)
        pool.status_now = replace(pool.status_now, transcription=two)
        while "2 of 2" not in (await gateway._server_status()).detail:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.02)
        assert not any(isinstance(message, Readiness) for message in end.received)
        pool.status_now = replace(pool.status_now, transcription=replace(two, ready=0))
        assert not (await end.next(Readiness)).is_ready
