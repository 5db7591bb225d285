"""A caller for people without Asterisk: dials in, speaks recordings, listens, and measures what it hears.

It behaves on the wire as Asterisk does: the UUID first, then one message of 20 ms per write with
TCP_NODELAY, paced by absolute deadlines; it never stops reading, accepts audio and hangup and nothing
else, and ends a call by closing, without a message. Frames that a stall of this process delayed are sent
at once afterwards, as RTP packets come out of a queue. Times are seconds since the UUID was sent.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Literal
from uuid import UUID

from actors.errors import CallError, RaymalError
from actors.telephone import FRAME_S, SILENCE_FRAME, TELEPHONE_RATE_HZ
from ingress.audiosocket import AudioReceived, AudioSocket, PeerHungUp, RemoteProtocolError, Role
from ingress.caller.conversation import CallTurn, Conversation
from ingress.caller.listening_quality import ListeningQuality, listening_quality
from ingress.caller.script import CallScript

CLOSE_DEADLINE_S = 1.0
"""For the server to close its side once we have closed ours; after it the connection is cut."""


@dataclass(frozen=True)
class CallResult:
    """A whole call."""

    call_id: UUID
    received: bytes
    turns: tuple[CallTurn, ...]
    """Utterances spoken and keys pressed to their end, in order; fewer than the script's if the call ended
    early."""
    quality: ListeningQuality
    own_lateness_max_ms: float
    """How late this caller's own frames left at worst: if it is high, the quality figures are doubtful."""
    ended_by: Literal["us", "peer"]
    reached_limit: bool = False
    """Whether we hung up because of the script's `max_call_s`."""
    started_s: float = 0.0
    """When the UUID was sent, on the event loop's clock."""


async def place_call(
    script: CallScript,
    on_progress: Callable[[str], None] = lambda line: None,
    on_turn: Callable[[CallTurn], None] = lambda turn: None,
) -> CallResult:
    """Call, go through the script, hang up, and return what was heard; a line of progress at each step.

    `on_turn` is given each turn when it is over.

    Raises CallError if there is no connection or it breaks, RemoteProtocolError if the server sends what
    Asterisk would drop the call for.
    """
    conversation = Conversation(script, on_progress)
    conversation.on_turn = on_turn
    connection = await _connect(script, conversation)
    on_progress(f"connected to {script.host}:{script.port}")
    try:
        own_lateness_s = await _talk(conversation, connection)
        ended_by: Literal["us", "peer"] = "peer" if connection.has_ended else "us"
    finally:
        await connection.close()
    if connection.fault is not None:
        raise connection.fault
    conversation.end()
    on_progress("we hung up" if ended_by == "us" else "the server hung up")
    return CallResult(
        call_id=script.call_id,
        started_s=connection.started_s,
        received=conversation.received(),
        turns=tuple(conversation.turns),
        quality=listening_quality(conversation.frames),
        own_lateness_max_ms=own_lateness_s * 1000,
        ended_by=ended_by,
        reached_limit=conversation.reached_limit,
    )


class _Connection(asyncio.Protocol):
    """The connection: stamps what arrives, and sends."""

    def __init__(self, conversation: Conversation, call_id: UUID) -> None:
        self.has_ended = False
        self.fault: RaymalError | None = None
        self._conversation = conversation
        self._call_id = call_id
        self._socket = AudioSocket(Role.CALLER)
        self._transport: asyncio.Transport
        self._clock = asyncio.get_running_loop().time
        self.started_s = 0.0
        self._closed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the call's UUID."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport.write(self._socket.encode_uuid(self._call_id))
        self.started_s = self._clock()

    def data_received(self, data: bytes) -> None:
        """Stamp, then decode."""
        arrived_s = self.now_s()
        if self.has_ended:
            return
        try:
            for event in self._socket.receive_data(data):
                match event:
                    case AudioReceived(audio, rate_hz) if rate_hz == TELEPHONE_RATE_HZ:
                        self._conversation.hear(audio, arrived_s)
                    case AudioReceived(_, rate_hz):
                        raise RemoteProtocolError(
                            f"the server sent {rate_hz} Hz audio; a call through AudioSocket() has 8000 Hz"
                        )
                    case PeerHungUp():
                        self.has_ended = True
        except RemoteProtocolError as error:
            self._fail(error)

    def eof_received(self) -> None:
        """Close, as the server has."""
        if not self.has_ended:
            try:
                self._socket.receive_eof()
            except RemoteProtocolError as error:
                self._fail(error)
        self.has_ended = True

    def connection_lost(self, exc: Exception | None) -> None:
        """Note an error, unless the call had ended before."""
        if exc is not None and not self.has_ended:
            self._fail(CallError(f"the server broke the connection after {self.now_s():.1f} s: {exc}"))
        self.has_ended = True
        self._closed.set()

    def now_s(self) -> float:
        """Return the time since the UUID was sent."""
        return self._clock() - self.started_s

    def press(self, key: str) -> None:
        """Send one key in one write."""
        self._transport.write(self._socket.encode_digit(key))

    def send(self, frame: bytes) -> None:
        """Send one frame in one write."""
        self._transport.write(self._socket.encode_audio(frame))

    async def close(self) -> None:
        """Send end of stream, as Asterisk does; read on until the server has closed too.

        Closing at once would leave what is just arriving unread, and the kernel then sends a reset.
        """
        self.has_ended = True
        try:
            if not self._transport.is_closing():
                self._transport.write_eof()
            async with asyncio.timeout(CLOSE_DEADLINE_S):
                await self._closed.wait()
        except TimeoutError:
            pass
        finally:
            self._transport.abort()

    def _fail(self, error: RaymalError) -> None:
        self.fault = error
        self.has_ended = True


async def _connect(script: CallScript, conversation: Conversation) -> _Connection:
    where = f"{script.host}:{script.port}"
    try:
        async with asyncio.timeout(script.connect_deadline_s):
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: _Connection(conversation, script.call_id), script.host, script.port
            )
            return connection
    except TimeoutError as error:
        raise CallError(f"{where} did not accept a call within {script.connect_deadline_s:g} s") from error
    except ConnectionRefusedError as error:
        raise CallError(f"{where} refused the connection: is `raymal serve` running there?") from error
    except (OSError, UnicodeError) as error:  # the latter for a host name with an empty or too long part
        reason = getattr(error, "strerror", None) or error
        raise CallError(f"cannot connect to {where}: {reason}") from error


async def _talk(conversation: Conversation, connection: _Connection) -> float:
    """Send a frame every 20 ms until one side ends the call; return our own worst lateness in seconds."""
    worst_s = 0.0
    for number in count(1):
        due_s = number * FRAME_S
        await asyncio.sleep(max(0.0, due_s - connection.now_s()))
        now_s = connection.now_s()
        frame = None if connection.has_ended else conversation.next_frame(now_s)
        if frame is None:
            break
        worst_s = max(worst_s, now_s - due_s)
        if (key := conversation.take_key()) is not None:
            connection.press(key)
        connection.send(frame or SILENCE_FRAME)
    return worst_s
