"""A scripted server on loopback, for tests of a caller's connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from actors.telephone import FRAME_S, SILENCE_FRAME
from ingress.audiosocket import AudioReceived, AudioSocket, Event, Role
from ingress.caller.listening_quality import has_sound
from ingress.caller.script import CallScript, Speak
from ingress.media.tones import silence, tone

CALL_ID = UUID("40325ec2-5efd-4bd3-805f-53576e581d13")
SPEECH = silence(0.04) + tone(500, 0.2) + silence(0.1)
SPEECH_S = 0.34
SOUND = tone(800, 0.02)


def script(port: int = 9, host: str = "127.0.0.1", **changes: Any) -> CallScript:
    """A call of one short utterance that waits for little."""
    values: dict[str, Any] = {
        "steps": (Speak(SPEECH),),
        "greeting_wait_s": 0.1,
        "quiet_s": 0.2,
        "settle_s": 0.2,
        "answer_deadline_s": 1.5,
        "connect_deadline_s": 2.0,
    }
    return CallScript(host, port, CALL_ID, **values | changes)


def audio_message(audio: bytes) -> bytes:
    """Return audio as a server sends it."""
    return AudioSocket(Role.SERVER).encode_audio(audio)


class Peer:
    """One call as a server sees it: what was read and when, and a paced voice."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.reads: list[tuple[float, bytes]] = []
        self.events: list[Event] = []
        self.ended = asyncio.Event()
        self.last_sound_s = 0.0
        """When a frame with sound last came from the caller."""

    async def listen(self) -> None:
        protocol, clock = AudioSocket(Role.SERVER), asyncio.get_running_loop().time
        while data := await self.reader.read(65_536):
            self.reads.append((clock(), data))
            events = list(protocol.receive_data(data))
            self.events += events
            if any(isinstance(event, AudioReceived) and has_sound(event.audio) for event in events):
                self.last_sound_s = clock()
        self.events += protocol.receive_eof()
        self.ended.set()

    async def play(self, sounds: Callable[[float], bool] = lambda now_s: False) -> None:
        """Send a frame every 20 ms until the caller closes."""
        clock = asyncio.get_running_loop().time
        while not self.ended.is_set():
            self.writer.write(audio_message(SOUND if sounds(clock()) else SILENCE_FRAME))
            await asyncio.sleep(FRAME_S)

    @property
    def heard(self) -> bytes:
        return b"".join(event.audio for event in self.events if isinstance(event, AudioReceived))


Behaviour = Callable[[Peer], Awaitable[None]]


@asynccontextmanager
async def serving(behave: Behaviour) -> AsyncIterator[tuple[int, list[Peer]]]:
    """Serve calls by `behave` on a free port; yield the port and the calls taken."""
    peers: list[Peer] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer)
        peers.append(peer)
        listening = asyncio.create_task(peer.listen())
        try:
            await behave(peer)
            await listening
        finally:
            listening.cancel()
            writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], peers
        async with asyncio.timeout(5):
            for peer in peers:
                await peer.ended.wait()
    finally:
        server.close()
        await server.wait_closed()


async def answering(peer: Peer) -> None:
    """Be quiet, and answer for 0.3 s each time the caller has been silent for 0.3 s."""
    await peer.play(lambda now_s: peer.last_sound_s > 0 and 0.29 < now_s - peer.last_sound_s < 0.59)
