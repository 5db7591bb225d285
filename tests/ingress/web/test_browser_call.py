"""The page's test call, with a port that answers as a media worker does, and with browsers that do not."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from background_loop import BackgroundLoop
from starlette.testclient import TestClient, WebSocketTestSession
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from web_client import AUTHORIZED, TOKEN, web_services

from actors.telephone import SILENCE_FRAME
from ingress.audiosocket import AudioReceived, AudioSocket, CallIdentified, Role
from ingress.link.link import Link
from ingress.link.listener import serve
from ingress.link.messages import BeginReply, BeginRequest
from ingress.web import browser_call
from ingress.web.app import make_app

PATH = "ws://127.0.0.1:9093/api/v1/test-call?extension="
FRAME = bytes(range(160)) * 2
INVITED = "b2c0f7a4-8f0e-4d63-9f4e-0f5a3d2b1c11"


class Port:
    """A port that takes one call: it sends a frame for each that comes, and hangs up after some."""

    def __init__(self, frames: int) -> None:
        self.call_id: UUID | None = None
        self.heard: list[bytes] = []
        self._frames = frames
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.number: int = self._listener.getsockname()[1]

    def serve(self) -> None:
        """Take the call, until its end."""
        connection, _ = self._listener.accept()
        ours = AudioSocket(Role.SERVER)
        with self._listener, connection:
            while data := connection.recv(4_096):
                for event in ours.receive_data(data):
                    match event:
                        case CallIdentified(call_id):
                            self.call_id = call_id
                        case AudioReceived(audio):
                            self.heard.append(audio)
                            if len(self.heard) == self._frames:
                                connection.sendall(ours.encode_hangup())
                                return
                            connection.sendall(ours.encode_audio(FRAME))


@contextmanager
def dialled(
    port: int = 9, extension: str = "default", token: str | None = None, **settings: Any
) -> Iterator[WebSocketTestSession]:
    """Open a browser's test call."""
    services = web_services(token, server={"port": port}, **settings)
    client = TestClient(make_app(services))
    headers = AUTHORIZED if token else {}
    with client.websocket_connect(PATH + extension, headers=headers) as websocket:
        yield websocket


def end_of(websocket: WebSocketTestSession) -> tuple[int, str]:
    """Return the code and the reason that it is closed with."""
    try:
        while True:
            websocket.receive_bytes()
    except WebSocketDisconnect as ended:
        return ended.code, ended.reason


def test_audio_goes_both_ways_until_the_server_hangs_up() -> None:
    """Frames are sent at the call's own pace; silence is sent where the browser's is not there."""
    port = Port(frames=10)
    with dialled(port.number) as websocket:
        websocket.send_bytes(FRAME)
        start_s = time.monotonic()
        port.serve()
        assert time.monotonic() - start_s >= 0.15
        assert websocket.receive_bytes() == FRAME
        assert end_of(websocket) == (1000, "the server hung up")
    assert port.call_id is not None
    assert port.call_id.version == 4
    assert FRAME in port.heard
    assert SILENCE_FRAME in port.heard


def test_of_frames_that_come_at_once_the_newest_are_kept() -> None:
    """A browser that was stopped for a while does not make the call late for good."""
    port = Port(frames=20)
    with dialled(port.number) as websocket:
        for number in range(100):
            websocket.send_bytes(bytes((number, 0)) * 160)
        port.serve()
        end_of(websocket)
    said = [frame[0] for frame in port.heard if frame != SILENCE_FRAME]
    assert said[-1] == 99
    assert len(said) <= 20


@pytest.mark.parametrize("frame", ["hello", b"", b"\x00" * 318, b"\x00" * 640])
def test_what_is_no_frame_ends_the_call(frame: str | bytes) -> None:
    """And the port is hung up."""
    port = Port(frames=1_000)
    with dialled(port.number) as websocket:
        websocket.send_text(frame) if isinstance(frame, str) else websocket.send_bytes(frame)
        port.serve()
        assert end_of(websocket)[0] == 4400


def test_a_silent_browser_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """An AudioWorklet sends silence as well, so none at all means that it hangs."""
    monkeypatch.setattr(browser_call, "SILENT_DEADLINE_S", 0.1)
    port = Port(frames=1_000)
    with dialled(port.number) as websocket:
        port.serve()
        assert end_of(websocket) == (4408, "the browser sent no audio")


def test_a_call_has_a_longest_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A forgotten tab keeps no place."""
    monkeypatch.setattr(browser_call, "MAXIMUM_CALL_S", 0.1)
    port = Port(frames=1_000)
    with dialled(port.number) as websocket:
        port.serve()
        assert end_of(websocket)[0] == 4408


async def test_a_browser_that_stops_reading_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither audio nor the close can be sent; the port is hung up all the same."""
    for name in ("UNREAD_DEADLINE_S", "CLOSE_DEADLINE_S"):
        monkeypatch.setattr(browser_call, name, 0.1)
    port, aborted = Port(frames=1_000), []

    async def receive() -> Any:
        await asyncio.sleep(0.02)
        return {"type": "websocket.receive", "bytes": FRAME}

    async def send(message: Any) -> None:
        if message["type"] != "websocket.accept":
            await asyncio.Event().wait()

    state = {"is_operator": False, "abort": lambda: aborted.append(True)}
    websocket = WebSocket({"type": "websocket", "state": state}, receive, send)
    websocket.client_state = WebSocketState.CONNECTED
    await websocket.accept()
    taken = asyncio.create_task(asyncio.to_thread(port.serve))
    with pytest.raises(browser_call.EndedError) as ended:
        await browser_call.hold(websocket, web_services(server={"port": port.number}), "default")
    assert ended.value.code == 4408
    await browser_call.close(websocket, ended.value)
    assert aborted == [True]
    await taken


def test_nobody_listens() -> None:
    """The port is closed; an extension needs the supervisor."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number = listener.getsockname()[1]
    with dialled(number) as websocket:
        assert end_of(websocket)[0] == 4503
    with dialled(number, "sales") as websocket:
        code, reason = end_of(websocket)
        assert code == 4503
        assert "supervisor" in reason


def test_invited_calls_need_the_token(runtime_folder: Path) -> None:
    """A test call is invited as a dialplan's is; who has no token invites nobody."""
    path, asked = runtime_folder / "gateway.sock", []

    async def handle(link: Link) -> None:
        asked.append(await link.receive())
        link.send(BeginReply(call_id=INVITED, is_admitted=len(asked) == 1, reason="full", expires_in_s=1.0))

    given = {"access": {"require_begin": True}, "gateway": path}
    with BackgroundLoop().running() as loop:
        listening = loop.run(serve(path, handle, "gateway", "gateway"))
        with dialled(**given) as websocket:
            assert end_of(websocket)[0] == 4403
        port = Port(frames=2)
        with dialled(port.number, token=TOKEN, **given) as websocket:
            port.serve()
            assert end_of(websocket)[0] == 1000
        assert port.call_id == UUID(INVITED)
        with dialled(token=TOKEN, **given) as websocket:
            assert end_of(websocket) == (4503, "full")
        loop.run(stop(listening))
    assert asked == [BeginRequest(extension="default")] * 2


async def stop(listening: asyncio.Server) -> None:
    """Take no more links."""
    listening.close()
