"""A plain AudioSocket peer for tests: a real TCP socket that sends what a test wants."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from types import TracebackType

from ingress.audiosocket import AudioReceived, AudioSocket, Event, PeerHungUp, Role


class AsteriskPeer:
    """One connection to a server, with everything that came back."""

    def __init__(self, port: int) -> None:
        self.call_id = uuid.uuid4()
        self.events: list[Event] = []
        self.arrivals_s: list[float] = []
        self.was_reset = False
        self.has_ended = asyncio.Event()
        self._port = port
        self._protocol = AudioSocket(Role.CALLER)
        self._changed = asyncio.Condition()

    async def __aenter__(self) -> AsteriskPeer:
        self._reader, self.writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._task = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()

    @property
    def audio(self) -> bytes:
        """All audio that came."""
        return b"".join(event.audio for event in self.events if isinstance(event, AudioReceived))

    @property
    def frames(self) -> int:
        """How many audio messages came."""
        return sum(isinstance(event, AudioReceived) for event in self.events)

    @property
    def was_hung_up(self) -> bool:
        """Whether the server ended the call with a hangup message or a clean close."""
        return any(isinstance(event, PeerHungUp) for event in self.events)

    def identify(self) -> None:
        """Send the UUID."""
        self.writer.write(self._protocol.encode_uuid(self.call_id))

    def send_audio(self, audio: bytes) -> None:
        """Send one audio message."""
        self.writer.write(self._protocol.encode_audio(audio))

    def send_digit(self, digit: str) -> None:
        """Press a key."""
        self.writer.write(self._protocol.encode_digit(digit))

    async def speak(self, audio: bytes, faster: float = 1.0) -> None:
        """Send audio as 20 ms frames, paced."""
        loop = asyncio.get_running_loop()
        start_s = loop.time()
        for index in range(0, len(audio), 320):
            frame = audio[index : index + 320]
            self.send_audio(frame + bytes(320 - len(frame)))
            due_s = start_s + (index // 320 + 1) * 0.02 / faster
            await asyncio.sleep(max(0.0, due_s - loop.time()))

    async def until(self, condition: object, deadline_s: float = 5.0) -> None:
        """Wait until `condition()` holds; checked whenever something arrives."""
        assert callable(condition)
        async with asyncio.timeout(deadline_s), self._changed:
            await self._changed.wait_for(condition)

    async def until_answered(self, deadline_s: float = 10.0) -> None:
        """Wait until sound has begun, and has been followed by 0.6 s of silence."""
        before = len(self.audio)
        await self.until(lambda: any(self.audio[before:]), deadline_s)
        await self.until(lambda: not any(self.audio[-9_600:]), deadline_s)

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while data := await self._reader.read(65_536):
                events = list(self._protocol.receive_data(data))
                self.arrivals_s += [loop.time()] * len(events)
                await self._take(events)
            await self._take(self._protocol.receive_eof())
        except ConnectionResetError:
            self.was_reset = True
        finally:
            self.has_ended.set()
            async with self._changed:
                self._changed.notify_all()

    async def _take(self, events: list[Event]) -> None:
        async with self._changed:
            self.events += events
            self._changed.notify_all()
