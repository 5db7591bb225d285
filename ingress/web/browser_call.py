"""A call from a browser's microphone: dialled to the extension's port as Asterisk dials, so it takes the
path of any call.

A WebSocket message is one 20 ms frame from the browser, and whatever the server sends at a time to it: mono
int16 little-endian at 8 kHz, without a header. The call's audio keeps its own clock: a frame of the browser
that is late is silence, and when too many wait the oldest goes.

| what happens | the WebSocket is closed with |
|---|---|
| the server hung up | 1000 |
| the call broke | 1011 |
| a message that is no frame | 4400 |
| the extension takes invited calls only, and this browser showed no token | 4403 |
| there is no such extension | 4404 |
| the browser sent or took nothing for too long; the longest time is over | 4408 |
| as many test calls as may be run already | 4429 |
| the server is busy, does not answer, or takes no call | 4503 |
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

from starlette.websockets import WebSocket, WebSocketDisconnect

from actors.errors import LinkError
from actors.telephone import FRAME_S, SILENCE_FRAME
from ingress.audiosocket import AudioReceived, AudioSocket, PeerHungUp, RemoteProtocolError, Role
from ingress.configuration.extensions import DEFAULT_EXTENSION
from ingress.link.messages import BeginRequest, ControlReply, ExtensionsRequest
from ingress.web import dialplan
from ingress.web.services import Services

MAXIMUM_CALL_S = 600.0
QUEUED_FRAMES = 10
"""Of the browser; older ones go."""
CONNECT_DEADLINE_S = 3.0
SILENT_DEADLINE_S = 5.0
"""For the browser's next frame: an AudioWorklet sends silence as well."""
UNREAD_DEADLINE_S = 2.0
"""For the browser to take a frame, once the kernel holds no more."""
CLOSE_DEADLINE_S = 1.0
READ_BYTES = 4_096
MAXIMUM_REASON_BYTES = 123
"""Of a close frame (RFC 6455, 5.5)."""


class EndedError(Exception):
    """The test call is over, for a reason that the browser gets."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


async def hold(websocket: WebSocket, services: Services, extension: str) -> None:
    """Hold one call on an accepted WebSocket. Raises EndedError; returns when the browser has gone."""
    if services.browser_calls.locked():
        raise EndedError(4429, "as many test calls as may be run already; try again later")
    async with services.browser_calls:
        call_id, host, port = await _reserve(services, extension, websocket.state.is_operator)
        with suppress(WebSocketDisconnect):
            await _Call(websocket, call_id).run(host, port)


async def close(websocket: WebSocket, ended: EndedError) -> None:
    """Tell the browser why; one that does not take it is cut off."""
    reason = ended.reason.encode()[:MAXIMUM_REASON_BYTES].decode(errors="ignore")
    try:
        async with asyncio.timeout(CLOSE_DEADLINE_S):
            await websocket.close(ended.code, reason)
    except (TimeoutError, RuntimeError, WebSocketDisconnect):
        getattr(websocket.state, "abort", lambda: None)()


async def _reserve(services: Services, extension: str, is_operator: bool) -> tuple[UUID, str, int]:
    """Return the call's UUID and where it is dialled. Raises EndedError."""
    settings = services.settings
    needs_begin = settings.access.require_begin
    address = ""
    try:
        reply = await services.control.ask(ExtensionsRequest(), ControlReply)
    except LinkError:  # the server's own port is known without the supervisor
        if extension != DEFAULT_EXTENSION or settings.server.port == 0:
            raise EndedError(4503, "the supervisor does not answer; try again in a few seconds") from None
        address = f"{settings.server.host}:{settings.server.port}"
    else:
        if extension not in reply.book.extensions:
            raise EndedError(4404, "there is no such extension")
        needs_begin = needs_begin or extension not in reply.ports
        address = (await dialplan.addresses(services, extension, reached_at="127.0.0.1")).calls
    host, _, port = address.rpartition(":")
    if not port:
        raise EndedError(4503, "the extension's port is not known now; try again in a few seconds")
    call_id = await _begin(services, extension, is_operator) if needs_begin else uuid4()
    return call_id, _reachable(host), int(port)


async def _begin(services: Services, extension: str, is_operator: bool) -> UUID:
    if not is_operator:
        raise EndedError(4403, "this extension takes invited calls only: a test call needs the token")
    reply = await dialplan.begin(services, BeginRequest(extension=extension))
    if not reply.is_admitted:
        raise EndedError(4503, reply.reason or "no call is taken now")
    return UUID(reply.call_id)


def _reachable(host: str) -> str:
    host = host.strip("[]")
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


class _Call:
    """One call: an AudioSocket connection on one side, the browser on the other."""

    def __init__(self, websocket: WebSocket, call_id: UUID) -> None:
        self._websocket = websocket
        self._call_id = call_id
        self._socket = AudioSocket(Role.CALLER)
        self._frames: deque[bytes] = deque(maxlen=QUEUED_FRAMES)

    async def run(self, host: str, port: int) -> None:
        """Dial, and carry audio until one side ends. Raises EndedError, WebSocketDisconnect."""
        try:
            async with asyncio.timeout(CONNECT_DEADLINE_S):
                reader, writer = await asyncio.open_connection(host, port)
        except OSError as error:  # TimeoutError is one
            raise EndedError(4503, "the extension's port takes no connection") from error
        try:
            writer.write(self._socket.encode_uuid(self._call_id))
            await _first_of(self._hear(), self._speak(writer), self._listen(reader))
        except (OSError, RemoteProtocolError) as error:
            raise EndedError(1011, "the call broke") from error
        finally:
            await _hang_up(reader, writer)

    async def _hear(self) -> None:
        """Take the browser's frames."""
        while True:
            try:
                async with asyncio.timeout(SILENT_DEADLINE_S):
                    message = await self._websocket.receive()
            except TimeoutError:
                raise EndedError(4408, "the browser sent no audio") from None
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message["code"])
            frame = message.get("bytes")
            if frame is None or len(frame) != len(SILENCE_FRAME):
                raise EndedError(4400, f"a message is one frame: {len(SILENCE_FRAME)} bytes, binary")
            self._frames.append(frame)

    async def _speak(self, writer: asyncio.StreamWriter) -> None:
        """Send a frame every 20 ms, as Asterisk does; silence where the browser's is not there."""
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        ends_s = due_s + MAXIMUM_CALL_S
        while due_s < ends_s:
            due_s += FRAME_S
            await asyncio.sleep(max(0.0, due_s - loop.time()))
            writer.write(self._socket.encode_audio(self._frames.popleft() if self._frames else SILENCE_FRAME))
            async with asyncio.timeout(UNREAD_DEADLINE_S):
                await writer.drain()
        raise EndedError(4408, f"a test call lasts {MAXIMUM_CALL_S / 60:.0f} minutes at most")

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        """Give the browser what the caller would hear."""
        while data := await reader.read(READ_BYTES):
            for event in self._socket.receive_data(data):
                match event:
                    case AudioReceived(audio, _):
                        await self._play(audio)
                    case PeerHungUp():
                        raise EndedError(1000, "the server hung up")
        raise EndedError(1000, "the server hung up")

    async def _play(self, audio: bytes) -> None:
        try:
            async with asyncio.timeout(UNREAD_DEADLINE_S):
                await self._websocket.send_bytes(audio)
        except TimeoutError:
            raise EndedError(4408, "the browser takes no audio") from None


async def _first_of(*parts: Coroutine[Any, Any, None]) -> None:
    """Run all until one ends, and end with it."""
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


async def _hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """End as Asterisk does: send end of stream, and read on until the server has closed too."""
    try:
        with suppress(OSError):
            async with asyncio.timeout(CLOSE_DEADLINE_S):
                writer.write_eof()
                while await reader.read(READ_BYTES):
                    pass
    finally:
        writer.transport.abort()
