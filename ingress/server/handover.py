"""A server takes the place of the one that runs: it gets its listening sockets, the other one drains.

Both have the sockets until the newer one serves. They are the same sockets of the kernel, so no connection
is refused or lost, whichever of the two accepts it. The pieces are JSON and stay as they are from one version
of raymal to the next: an upgrade is what this is for.

| from | piece | with |
|---|---|---|
| newer | `{"handover": 1, "drain_deadline_s": SECONDS or null}` | |
| older | `{"extension": NAME, "host": HOST}`, one for each | a listening socket for each media worker |
| older | `{"return": NAME, "host": HOST}`, for each return port | the same |
| older | `{"door": "web" or "agi", "host": HOST}`, if it has them | the listening socket |
| older | `{"lock": true}`, the last | the locked file of the runtime folder |
| newer, once its speech workers are ready | `{"taken": true}` | |
| older, which listens no more | `{"left": true}` | |

When the newer one ends before `taken`, the older one goes on as if nothing had been.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from actors.errors import LinkError, described
from ingress.link.descriptor_passing import MAXIMUM_BYTES, receive, send
from ingress.link.private_socket import bound, is_there
from ingress.server.ports import Listening, PortName

VERSION = 1
PIECE_DEADLINE_S = 5.0
TAKING_DEADLINE_S = 3_600.0
"""For the newer server's models to load."""
LONGEST_DRAIN_S = 86_400.0
"""As of the setting. What is longer, or no time, leaves it to the older server's own setting."""
LOOK_INTERVAL_S = 2.0
ROOM_POLL_S = 0.01

Pieces = list[tuple[dict[str, Any], list[int]]]


@dataclass
class Handover:
    """The newer server's side."""

    channel: socket.socket
    lock: IO[bytes]
    listening: dict[PortName, Listening] = field(default_factory=dict)
    doors: dict[str, Listening] = field(default_factory=dict)
    """Of the web process: `web`, `agi`."""

    @classmethod
    def begin(cls, path: Path, drain_deadline_s: float | None) -> Handover | None:
        """Get the sockets of the server that listens on `path`; None: there is none.

        May block for seconds. Raises LinkError.
        """
        channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        channel.settimeout(PIECE_DEADLINE_S)
        listening: dict[PortName, Listening] = {}
        doors: dict[str, Listening] = {}
        try:
            try:
                channel.connect(str(path))
            except (FileNotFoundError, ConnectionRefusedError):
                channel.close()
                return None
            _send_now(channel, {"handover": VERSION, "drain_deadline_s": drain_deadline_s})
            while True:
                piece, descriptors = _receive(channel)
                match piece:
                    case {"extension": str(name), "host": str(host)} if descriptors:
                        listening[name, "caller"] = Listening(host, tuple(map(_listener, descriptors)))
                    case {"return": str(name), "host": str(host)} if descriptors:
                        listening[name, "return"] = Listening(host, tuple(map(_listener, descriptors)))
                    case {"door": str(name), "host": str(host)} if descriptors:
                        doors[name] = Listening(host, (_listener(descriptors[0]),))
                    case {"lock": True} if descriptors:
                        return cls(channel, os.fdopen(descriptors[0], "ab"), listening, doors)
                    case {"problem": str(problem)}:
                        raise LinkError(problem)
                    case _:
                        raise LinkError("the running server's answer is not understood; stop it instead")
        except (OSError, LinkError) as error:
            channel.close()
            for each in (*listening.values(), *doors.values()):
                each.close()
            if isinstance(error, LinkError):
                raise
            raise LinkError(f"the running server does not answer at {path}: {described(error)}") from error

    def finish(self) -> None:
        """Say that calls are served here; blocks until the older one listens no more. Raises LinkError."""
        try:
            _send_now(self.channel, {"taken": True})
            piece, _ = _receive(self.channel)
        except OSError as error:
            raise LinkError(f"the older server does not answer: {error.strerror or error}") from error
        finally:
            self.close()
        if piece != {"left": True}:
            raise LinkError("the older server's answer is not understood")

    def close(self) -> None:
        """Leave the older server alone. Idempotent."""
        self.channel.close()


async def offer(
    path: Path,
    sockets: Callable[[], Mapping[PortName, Listening]],
    doors: Mapping[str, Listening],
    lock: IO[bytes],
    on_failure: Callable[[], None],
) -> tuple[socket.socket, float | None]:
    """Wait for a newer server that has taken the sockets; return its channel and its drain deadline.

    `say_left` answers on that channel. `on_failure` is called when one has got the sockets and ended before
    it served. Runs until cancelled.
    """
    listener = _door(path)
    try:
        while True:
            channel = await _next(listener)
            if channel is None:
                if not is_there(path):  # a program that cleans the temporary folder
                    with contextlib.suppress(OSError):
                        newer = _door(path)
                        listener.close()
                        listener = newer
                continue
            try:
                deadline_s = await _hand_out(channel, sockets(), doors, lock)
            except (OSError, LinkError):  # no server
                channel.close()
                continue
            if await _has_taken(channel):
                return channel, deadline_s
            channel.close()
            on_failure()
    finally:
        listener.close()


async def _next(listener: socket.socket) -> socket.socket | None:
    """Return the next connection; None: there was none for a while."""
    try:
        async with asyncio.timeout(LOOK_INTERVAL_S):
            return (await asyncio.get_running_loop().sock_accept(listener))[0]
    except TimeoutError:
        return None
    except OSError:  # no more open files, for now
        await asyncio.sleep(LOOK_INTERVAL_S)
        return None


async def _has_taken(channel: socket.socket) -> bool:
    try:
        async with asyncio.timeout(TAKING_DEADLINE_S):
            said = await asyncio.get_running_loop().sock_recv(channel, MAXIMUM_BYTES)
        return _parsed(said) == {"taken": True}
    except (OSError, LinkError):
        return False


def _door(path: Path) -> socket.socket:
    """Return a listener in the server's private folder."""
    listener = bound(path, socket.SOCK_SEQPACKET)
    listener.listen(1)
    listener.setblocking(False)
    return listener


def say_left(channel: socket.socket) -> None:
    """Say to the newer server that we listen no more."""
    with channel, contextlib.suppress(OSError):
        send(channel, json.dumps({"left": True}).encode())


async def _hand_out(
    channel: socket.socket,
    sockets: Mapping[PortName, Listening],
    doors: Mapping[str, Listening],
    lock: IO[bytes],
) -> float | None:
    async with asyncio.timeout(PIECE_DEADLINE_S):
        asked = _parsed(await asyncio.get_running_loop().sock_recv(channel, MAXIMUM_BYTES))
        if asked.get("handover") != VERSION:
            raise LinkError("the newer server asks for what is not known here")
        pieces: Pieces = [
            (
                {"extension" if leg == "caller" else "return": name, "host": each.host},
                [listener.fileno() for listener in each.sockets],
            )
            for (name, leg), each in sockets.items()
        ]
        pieces += [
            ({"door": name, "host": each.host}, [each.sockets[0].fileno()]) for name, each in doors.items()
        ]
        pieces.append(({"lock": True}, [lock.fileno()]))
        for piece, descriptors in pieces:
            while True:
                try:
                    send(channel, json.dumps(piece).encode(), descriptors)
                    break
                except BlockingIOError:
                    await asyncio.sleep(ROOM_POLL_S)
    match asked.get("drain_deadline_s"):
        case int() | float() as deadline_s if 0.0 <= deadline_s <= LONGEST_DRAIN_S:
            return float(deadline_s)
    return None


def _send_now(channel: socket.socket, piece: Mapping[str, Any]) -> None:
    send(channel, json.dumps(piece).encode())


def _receive(channel: socket.socket) -> tuple[dict[str, Any], list[int]]:
    data, descriptors = receive(channel)
    return _parsed(data), descriptors


def _parsed(data: bytes) -> dict[str, Any]:
    """Return a piece. Raises LinkError."""
    if not data:
        raise LinkError("the other server is gone")
    try:
        piece = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise LinkError("what the other server says is not understood") from error
    return piece if isinstance(piece, dict) else {}


def _listener(descriptor: int) -> socket.socket:
    listener = socket.socket(fileno=descriptor)
    listener.setblocking(False)
    return listener
