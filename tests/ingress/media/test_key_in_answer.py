"""A key that is pressed while an answer plays, from the caller's socket on; in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from asterisk_peer import AsteriskPeer
from media_bench import Bench, bench, keep_virtual_time
from recorded_pool import RecordedPool, extension

from actors.settings import SpeechSettings
from ingress.configuration.settings import CacheSettings
from ingress.dialogs.base import Dialog, DialogAction, DialogCall, DialogEvent, Say
from ingress.gateway.key_stop import KeyStop
from ingress.gateway.turn_runner import TurnRunner
from ingress.link.messages import CallStarted, Digits, Greet, Message, StopSaying
from ingress.media.tones import tone
from ingress.phrases.speaker import Speaker

SPEECH = SpeechSettings(stt="scripted", tts="scripted")
FRAME_BYTES, FADE_BYTES = 320, 80


@pytest.fixture(autouse=True)
async def virtual_time(monkeypatch: pytest.MonkeyPatch) -> None:
    keep_virtual_time(monkeypatch, asyncio.get_running_loop())


class Streaming(Dialog):
    """Says a sentence, then waits for more that does not come, as of a model that is slow."""

    def __init__(self) -> None:
        self.ended_s: float | None = None

    async def respond(self, event: DialogEvent, call: DialogCall) -> AsyncIterator[DialogAction]:
        try:
            yield Say("It is a long story.")
            await asyncio.Event().wait()
        finally:
            self.ended_s = asyncio.get_running_loop().time()


class Served:
    """A call in the gateway: what it sends is for the media worker."""

    def __init__(self, server: Bench, started: CallStarted) -> None:
        self.started = started
        self.extension = extension()
        self._server = server

    async def send(self, message: Message) -> None:
        """Hand it over."""
        self._server.calls.receive(message)

    def turn_to(self, activity: object) -> None:
        """Nothing is counted."""


@pytest.mark.parametrize("wait_ms", [1, 21, 41])
async def test_an_answer_stops_at_the_next_frame(wait_ms: int) -> None:
    """Wherever the key comes between two readings: one frame more is on its way, then the answer fades."""
    answer = tone(500.0, 2.0)
    async with bench() as server, AsteriskPeer(server.port) as peer:
        server.ready()
        peer.identify()
        await server.until_sent(Greet)
        server.answer(peer.call_id, 1, answer)
        await peer.until(lambda: answer[:3_200] in peer.audio)
        await asyncio.sleep(wait_ms / 1_000)
        heard = len(peer.audio)
        peer.send_digit("6")
        await server.until_sent(Digits)
        await peer.until(lambda: not any(peer.audio[-640:]))
        assert len(peer.audio[heard:].rstrip(b"\0")) <= FRAME_BYTES + FADE_BYTES


@pytest.mark.parametrize("frame_ms", [20, 30])
async def test_what_the_dialog_uses_is_free_within_0_3_s(frame_ms: int) -> None:
    """Also between two sentences, when the connection is read less often."""
    async with bench(frame_ms=frame_ms) as server, AsteriskPeer(server.port) as peer:
        server.ready()
        peer.identify()
        greet = await server.until_sent(Greet)
        dialog, stop = Streaming(), KeyStop()
        speaker = Speaker(RecordedPool().as_pool, SPEECH, CacheSettings(disk_bytes=0))
        runner = TurnRunner(None, speaker, SPEECH, lambda _: dialog)
        served = Served(server, server.sent_of(CallStarted)[0])
        turn = asyncio.create_task(runner.run(greet, served, key_stop=stop))
        await peer.until(lambda: any(peer.audio))
        await asyncio.sleep(1.0)
        pressed_s = asyncio.get_running_loop().time()
        peer.send_digit("6")
        await server.until_sent(StopSaying)
        stop.stop()
        await turn
        assert dialog.ended_s is not None
        assert 0.2 <= dialog.ended_s - pressed_s <= 0.3
