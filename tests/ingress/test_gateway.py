"""Media server and gateway together, over the real link, with scripted engines in this process."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from asterisk_peer import AsteriskPeer
from speech_like import speech_like

from actors.engines.scripted import sentence_tone_hz
from actors.local import LocalPool
from ingress import observer
from ingress.dialogs.registry import dialog
from ingress.gateway import Gateway
from ingress.link import LinkClient, serve
from ingress.link_messages import LINK_VERSION, Hello
from ingress.runtime_directory import RuntimeDirectory
from ingress.server import MediaServer
from ingress.settings import Settings

pytestmark = pytest.mark.usefixtures("runtime_folder")

SCRIPTED: dict[str, Any] = {
    "dialog": {"greeting": ""},
    "privacy": {"keep_transcripts": True},
    "speech": {
        "stt": "scripted",
        "tts": "scripted",
        "scripted": {"transcript": "good morning", "stt_delay_s": 0.1, "tts_delay_s": 0.02},
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
    server = MediaServer(settings)
    hello = Hello(version=LINK_VERSION, role="media", name="media-0")
    link = LinkClient(runtime.gateway_socket, hello, server.receive, server.gateway_gone)
    running = asyncio.create_task(link.run())
    await server.start(listener, link.send)
    try:
        yield port
    finally:
        await server.stop(drain_deadline_s=0.0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@asynccontextmanager
async def gateway(settings: Settings, port: int) -> AsyncIterator[Gateway]:
    """Run a gateway for the server on `port`."""
    pool = None
    if dialog(settings.dialog).needs_speech:
        pool = LocalPool(settings.speech, settings.fleet, "test-gateway")
    running = Gateway(settings, pool, "test-gateway")
    server = await serve(RuntimeDirectory.of_port(port).gateway_socket, running.handle, "test-gateway")
    task = asyncio.create_task(running.run())
    try:
        yield running
    finally:
        server.close()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await running.close()


def pitch_hz(audio: bytes) -> int:
    """Return the strongest frequency of half a second of audio."""
    samples = np.frombuffer(audio, dtype="<i2").astype(float)
    return int(np.argmax(np.abs(np.fft.rfft(samples)))) * 8_000 // len(samples)


async def speak_and_listen(peer: AsteriskPeer) -> int:
    """Say something; return the pitch of the answer's middle."""
    before = len(peer.audio)
    await peer.speak(speech_like(1.0) + bytes(11_200))
    await peer.until(lambda: len(peer.audio[before:].strip(b"\0")) > 16_000, deadline_s=10.0)
    sound = peer.audio[before:].lstrip(b"\0")
    start = len(sound) // 2 // 2 * 2 - 4_000
    return pitch_hz(sound[max(0, start) : max(0, start) + 8_000])


async def test_a_turn_from_socket_to_socket(caplog: pytest.LogCaptureFixture) -> None:
    """Speech in, the answer's own tone out, a record with every stage, and no words in the log."""
    caplog.set_level(logging.INFO)
    settings = Settings.model_validate(SCRIPTED)
    async with media(settings) as port, gateway(settings, port):
        await observer.wait_until_ready(port, 5.0)
        async with AsteriskPeer(port) as peer:
            peer.identify()
            assert abs(await speak_and_listen(peer) - ANSWER_HZ) <= 4
            status = await observer.status(port)
            assert status.status["calls"] == 1
            assert status.status["fleet"]["sessions"] == 1
            await peer.until(lambda: not any(peer.audio[-3_200:]), deadline_s=10.0)
        record = await observer.call_record(port, str(peer.call_id), wait_s=3.0)
        assert record is not None
        turn = record.turns[-1]
        assert (turn.kind, turn.heard) == ("utterance", "good morning")
        assert turn.answered == "You said: good morning"
        assert turn.failure is None
        assert turn.underruns == 0
        assert turn.first_answer_ms == pytest.approx(sum(time for _, time in turn.stage_times_ms()))
        assert (await observer.status(port)).status["fleet"]["sessions"] == 0
    assert "good morning" not in caplog.text


async def test_a_gateway_that_comes_back_answers_the_next_turn() -> None:
    """The call outlives its gateway; silence goes on meanwhile at 50 frames a second."""
    settings = Settings.model_validate(SCRIPTED)
    async with media(settings) as port, AsteriskPeer(port) as peer:
        async with gateway(settings, port):
            await observer.wait_until_ready(port, 5.0)
            peer.identify()
            assert abs(await speak_and_listen(peer) - ANSWER_HZ) <= 4
        before, start_s = peer.frames, asyncio.get_running_loop().time()
        await asyncio.sleep(1.0)
        rate = (peer.frames - before) / (asyncio.get_running_loop().time() - start_s)
        assert 45 < rate < 55
        async with gateway(settings, port):
            await observer.wait_until_ready(port, 5.0)
            assert abs(await speak_and_listen(peer) - ANSWER_HZ) <= 4


async def test_the_tone_dialog_needs_no_engine() -> None:
    """No pool, no models: the tone is there at once."""
    settings = Settings.model_validate({"dialog": {"name": "tone", "tone_hz": 600.0}})
    async with media(settings) as port, gateway(settings, port), AsteriskPeer(port) as peer:
        await observer.wait_until_ready(port, 5.0)
        peer.identify()
        await peer.until(lambda: len(peer.audio.lstrip(b"\0")) > 32_000)
        assert pitch_hz(peer.audio[-8_000:]) == 600


async def test_many_calls_have_their_own_turns() -> None:
    """Five callers at once on one slot each: everybody is answered."""
    settings = Settings.model_validate(SCRIPTED)
    async with media(settings) as port, gateway(settings, port):
        await observer.wait_until_ready(port, 5.0)

        async def one_call() -> int:
            async with AsteriskPeer(port) as peer:
                peer.identify()
                return await speak_and_listen(peer)

        pitches = await asyncio.gather(*(one_call() for _ in range(5)))
        assert all(abs(pitch - ANSWER_HZ) <= 4 for pitch in pitches)


async def test_nobody_there_says_so(runtime_folder: Path) -> None:
    """The last word of the server is part of the error."""
    with pytest.raises(TimeoutError, match=r"not ready within 0\.3 s: the gateway does not answer yet"):
        await observer.wait_until_ready(59_999, 0.3)
