"""The AudioSocket server: a task per call that reads and hears, a task per answer that sends and sleeps.

A call listens, then waits for its answer, then speaks; while it does not listen, what the caller says is
read and dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from actors.telephone import FRAME_BYTES
from benchmarks.seed_design.endpointing import Endpointer
from benchmarks.seed_design.resource_manager import ResourceManager
from ingress.audiosocket import KIND_SLIN8, KIND_UUID
from ingress.configuration.settings import EndpointingSettings

TRANSMISSION_DELAY_S = 0.02
THROTTLED_BY = 1.5
BACKLOG = 4_096
"""The default of 100 would let a burst of callers wait for a second in the kernel."""


class Models(Protocol):
    """What hears and what speaks; both block, and are called by several threads at a time."""

    def transcribe(self, audio: bytes) -> str:
        """Return the words in 8 kHz int16 audio, empty for none."""
        ...

    def synthesize(self, text: str) -> bytes:
        """Return 8 kHz int16 speech."""
        ...


class SeedServer:
    """Takes calls and says back what it heard."""

    def __init__(
        self, models: Models, resources: ResourceManager, endpointing: EndpointingSettings | None = None
    ) -> None:
        self._models = models
        self._resources = resources
        self._endpointing = endpointing or EndpointingSettings()

    @asynccontextmanager
    async def listening(self, port: int) -> AsyncIterator[int]:
        """Take calls on this machine for the time of the body, which gets the port."""
        server = await asyncio.start_server(self._take_call, "127.0.0.1", port, backlog=BACKLOG)
        async with server:
            yield server.sockets[0].getsockname()[1]

    async def _take_call(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = ""
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                kind, name = await _read_message(reader)
                if kind == KIND_UUID:
                    session = name.hex()
                    self._resources.sessions.add(session)
                    await self._converse(reader, writer)
        finally:
            self._resources.sessions.discard(session)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        endpointer = Endpointer(self._endpointing.end_silence_ms, self._endpointing.minimum_speech_ms)
        answer: asyncio.Task[None] | None = None
        try:
            while True:
                kind, payload = await _read_message(reader)
                if kind != KIND_SLIN8 or (answer is not None and not answer.done()):
                    continue
                if answer is not None:
                    await answer  # raises what went wrong in it
                    answer = None
                    endpointer.forget()
                if utterance := endpointer.hear(payload):
                    answer = asyncio.create_task(self._answer(utterance, writer))
        finally:
            if answer is not None:
                answer.cancel()

    async def _answer(self, utterance: bytes, writer: asyncio.StreamWriter) -> None:
        """Transcribe, synthesize the whole answer, send it; each waits for its semaphore, then a thread."""
        async with self._resources.transcriptions:
            text = await asyncio.to_thread(self._models.transcribe, utterance)
        if text:
            async with self._resources.syntheses:
                speech = await asyncio.to_thread(self._models.synthesize, f"You said: {text}")
            await self._send(speech, writer)

    async def _send(self, audio: bytes, writer: asyncio.StreamWriter) -> None:
        is_slow = self._resources.should_throttle_audio()
        delay_s = TRANSMISSION_DELAY_S * THROTTLED_BY if is_slow else TRANSMISSION_DELAY_S
        for at in range(0, len(audio), FRAME_BYTES):
            frame = audio[at : at + FRAME_BYTES]
            writer.write(bytes((KIND_SLIN8,)) + len(frame).to_bytes(2, "big") + frame)
            await writer.drain()
            await asyncio.sleep(delay_s)


async def _read_message(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    header = await reader.readexactly(3)
    return header[0], await reader.readexactly(int.from_bytes(header[1:], "big"))
