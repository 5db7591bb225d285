"""An Asterisk that enforces what Asterisk enforces: the judge of what a server writes.

It is `app_audiosocket.c` and `res_audiosocket.c` on a blocking socket, one thread per call, as there: wait
for the channel or the socket, read one message if there is one, then send what the channel has due. It
shares no event loop with the server it judges, and run as a program no interpreter either:

    python -m benchmarks.harness.strict_peer --port 9092 --calls 50 --seconds 10 --profile 20.19

Rules, as the source has them (`res`: res/res_audiosocket.c, `app`: apps/app_audiosocket.c, `chan`:
channels/chan_audiosocket.c, lines of the 2026-08 master):

- the UUID is the first message, `01 00 10` and 16 bytes (res:205-210, app:165);
- each frame is one non-blocking write; a short write or EAGAIN drops the call (res:137, 273-276);
- a header is 3 bytes; what happens with fewer differs between releases (`HeaderReading`, res:305-328);
- hangup or the end of the stream end the call, the hangup's length is ignored (res:330-336);
- any other kind than audio drops the call (res:366-368), and so does audio of length 0 (res:373-376);
- a payload that is not complete and for 5 ms (`POLL_S`) does not go on drops the call (res:387-405);
- 2 s without a frame from either side drop the call (app:48, 198-222; not in the channel driver);
- connecting takes 2 s at most (res:45, 70-82).

Which release does what is data: `asterisk_versions.py`. A rule that the chosen release does not enforce is
still a *violation* in the report, because another release would have dropped the call for it; so are a
message longer than a TCP segment, which loses calls as soon as a packet is lost, and a reset.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import select
import socket
import struct
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Final, NamedTuple, NoReturn

from benchmarks.harness.asterisk_versions import CURRENT, POLL_S, VERSIONS, AsteriskVersion, HeaderReading
from benchmarks.harness.speech_like import speech_like
from ingress.audiosocket import HEADER_BYTES, KIND_DIGIT, KIND_HANGUP, KIND_SLIN8, KIND_UUID, SLIN_RATES_HZ
from ingress.caller.listening_quality import ListeningQuality, ReceivedFrame, listening_quality

KINDS: Final = {rate_hz: kind for kind, rate_hz in SLIN_RATES_HZ.items()}
SEGMENT_BYTES: Final = 1_448
"""Payload of a TCP segment on Ethernet: 1,500 less IP, TCP and the timestamp option."""

CONNECT_LIMIT_S: Final = 2.0
FIN_WAIT_S: Final = 2.0
"""How long the end of the stream may follow a hangup message. Asterisk itself does not look."""
WAKE_S: Final = 0.05
"""A call looks this often whether it has to hang up."""
STAGGER_S: Final = 0.007
"""Between the beginnings of two calls of the program."""
BUFFERS_MS: Final = (40, 60, 100)
"""Phone buffers that a report has the holes for."""


class Outgoing(NamedTuple):
    """One message that the channel has for the socket."""

    due_s: float
    """Since the UUID was sent."""
    message: bytes


def voice(
    seconds: float,
    *,
    audio: bytes = b"",
    ptime_ms: float = 20,
    rate_hz: int = 8_000,
    start_s: float = 0.0,
    gaps: Sequence[tuple[float, float]] = (),
) -> Iterator[Outgoing]:
    """Yield frames of a channel: `audio` (int16 at `rate_hz`), then zeros, for `seconds`.

    A frame is due when its last sample has been spoken. In `gaps` (from, to; seconds of this stream) the
    phone sends nothing, as with silence suppression, and what would have been said is lost.
    """
    frame_bytes = round(rate_hz * ptime_ms / 1000) * 2
    for index in range(round(seconds * 1000 / ptime_ms)):
        ends_s = (index + 1) * ptime_ms / 1000
        if any(start <= ends_s < end for start, end in gaps):
            continue
        frame = audio[index * frame_bytes : (index + 1) * frame_bytes].ljust(frame_bytes, b"\0")
        yield Outgoing(start_s + ends_s, audio_bytes(frame, rate_hz))


def audio_bytes(payload: bytes, rate_hz: int = 8_000) -> bytes:
    """Return one audio message with any payload, good or bad."""
    return bytes((KINDS[rate_hz],)) + len(payload).to_bytes(2, "big") + payload


def digit(key: str, at_s: float) -> Outgoing:
    """Return a key press."""
    return Outgoing(at_s, bytes((KIND_DIGIT, 0, 1, ord(key))))


class Received(NamedTuple):
    """One message of the server."""

    arrived_s: float
    """On the monotonic clock, when its first byte was seen."""
    kind: int
    length: int
    pieces: int
    """Reads that its payload took: 1 if header and payload came together."""


class Ending(Enum):
    """How a call was over."""

    HANGUP = "the server sent a hangup message"
    FIN = "the server closed"
    RESET = "the server reset the connection"
    DROPPED = "Asterisk dropped the call"
    CALLER = "the caller hung up"
    FROZEN = "Asterisk hung in an incomplete header until the caller hung up"
    NO_CONNECTION = "the server could not be reached"


@dataclass(frozen=True, slots=True)
class CallReport:
    """One call as Asterisk saw it."""

    call_id: str
    ending: Ending
    dropped_by: str | None
    """The rule that the server broke."""
    result: int
    """What the dialplan application returns: 0, the dialplan goes on, or -1, the channel is hung up."""
    violations: tuple[str, ...]
    """Every broken rule, whether this release drops the call for it or not."""
    messages: int
    messages_in_pieces: int
    """Messages whose payload was not there yet when the header was: not one write, or a lost packet."""
    segments: int
    """TCP segments with data that came (TCP_INFO). More than messages: some were not written in one piece."""
    longest_message_bytes: int
    frames_sent: int
    connected_s: float
    """How long the call lasted, from the UUID on."""
    first_frame_ms: float | None
    """From the UUID to the first audio."""
    quality: ListeningQuality
    """Through a phone's buffer of 60 ms; `long_gaps` are those of 100 ms and more."""
    holes: dict[int, tuple[int, float]]
    """Phone buffer in milliseconds → underruns, concealed ratio."""


class _Over(Exception):
    """The call is over."""

    def __init__(self, ending: Ending, rule: str | None = None) -> None:
        super().__init__(ending.value)
        self.ending = ending
        self.rule = rule


@dataclass
class StrictCall:
    """One call: `start()`, perhaps `hang_up()`, then `report()`. Also a context manager that does all three.

    `outgoing` is what the channel says, in order (`voice`, `digit`, `heapq.merge` of several); nothing by
    default, as a channel whose far side is silent. Without `seconds` the call lasts until
    `hang_up()` or until the server ends it.
    """

    port: int
    version: AsteriskVersion = CURRENT
    outgoing: Iterable[Outgoing] = ()
    seconds: float | None = None
    host: str = "127.0.0.1"
    call_id: uuid.UUID = field(default_factory=uuid.uuid4)
    identifies_after_s: float = 0.0
    """The channel driver connects first and names the call later (chan:142-149)."""
    half_closes: bool = False
    """Hang up with shutdown(WR) and see what still comes. Asterisk itself closes."""
    resets: bool = False
    """Hang up with RST: the machine of the PBX crashed."""
    reads: bool = True
    """Whether the socket is read at all."""
    receive_buffer_bytes: int | None = None
    keeps_audio: bool = True

    def __post_init__(self) -> None:
        self.received: list[Received] = []
        """Every message so far; appended by the call's thread."""
        self.violations: list[str] = []
        self.identified_s = math.nan
        self.frames_sent = 0
        self.frames = 0
        """Audio messages so far."""
        self.segments = 0
        self._audio: list[bytes] = []
        self._must_hang_up = threading.Event()
        self._changed = threading.Condition()
        self._over: _Over | None = None
        self._ended_s = math.nan
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=f"call {self.call_id}", daemon=True)

    # Using it

    def start(self) -> StrictCall:
        """Begin the call."""
        self._thread.start()
        return self

    def hang_up(self, reset: bool = False) -> None:
        """Let the caller hang up; returns at once."""
        self.resets = self.resets or reset
        self._must_hang_up.set()

    def wait(self, deadline_s: float = 30.0) -> CallReport:
        """Wait until the call is over, and report. Raises what went wrong in the peer itself."""
        self._thread.join(deadline_s)
        assert not self._thread.is_alive(), f"call {self.call_id} is not over after {deadline_s:g} s"
        if self._failure is not None:
            raise self._failure
        return self._report()

    def until_frames(self, count: int, deadline_s: float = 5.0) -> None:
        """Wait until `count` audio messages have come, or fail."""
        with self._changed:
            came = self._changed.wait_for(lambda: self.frames >= count or self.is_over, deadline_s)
        assert came, f"{self.frames} of {count} frames within {deadline_s:g} s"
        assert self.frames >= count, f"over after {self.frames} of {count} frames: {self._over}"

    @property
    def is_over(self) -> bool:
        """Whether the call has ended."""
        return self._over is not None

    @property
    def was_hung_up(self) -> bool:
        """Whether the server has sent a hangup message."""
        return bool(self.received) and self.received[-1].kind == KIND_HANGUP

    @property
    def audio(self) -> bytes:
        """All audio so far, as it came."""
        return b"".join(self._audio)

    def __enter__(self) -> StrictCall:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.hang_up()
        self._thread.join(10.0)

    # The call's thread

    def _run(self) -> None:
        try:
            try:
                self._call()
            except _Over as over:
                self._ended_s = time.monotonic()
                self._over = over
        except BaseException as failure:
            self._failure = failure
            self._over = self._over or _Over(Ending.CALLER)
        finally:
            with self._changed:
                self._changed.notify_all()

    def _call(self) -> None:
        self._socket = socket.socket()
        with contextlib.closing(self._socket):
            self._connect()
            self._poller = select.poll()
            self._poller.register(self._socket, select.POLLIN if self.reads else 0)
            if self.identifies_after_s:
                self._must_hang_up.wait(self.identifies_after_s)
            self._write(bytes((KIND_UUID, 0, 16)) + self.call_id.bytes)
            self.identified_s = time.monotonic()
            self._ends_s = math.inf if self.seconds is None else self.identified_s + self.seconds
            try:
                self._run_channel()
            except _Over as over:
                if over.ending is Ending.CALLER:
                    self._hang_up()
                elif over.ending is Ending.HANGUP:
                    self._expect_end()
                raise
            finally:
                self.segments = _data_segments(self._socket)

    def _connect(self) -> None:
        if self.receive_buffer_bytes is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_buffer_bytes)
        self._socket.settimeout(CONNECT_LIMIT_S)
        try:
            self._socket.connect((self.host, self.port))
        except OSError:
            raise _Over(Ending.NO_CONNECTION) from None
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setblocking(False)

    def _run_channel(self) -> None:
        """`audiosocket_run` (app:155-225): the socket first, then the channel."""
        outgoing = iter(self.outgoing)
        coming = next(outgoing, None)
        active_s = self.identified_s
        while True:
            now = time.monotonic()
            if self._is_hung_up():
                raise _Over(Ending.CALLER)
            due_s = math.inf if coming is None else self.identified_s + coming.due_s
            wait_s = max(0.0, min(due_s - now, self._ends_s - now, WAKE_S))
            if self._poller.poll(wait_s * 1000):
                self._receive(time.monotonic())
                active_s = time.monotonic()
            now = time.monotonic()
            if coming is not None and now >= self.identified_s + coming.due_s:
                self._send(coming.message)
                active_s = now
                coming = next(outgoing, None)
            limit_s = self.version.silence_limit_s
            if limit_s is not None and self.reads and now - active_s >= limit_s:
                self._drop(f"nothing from either side for {limit_s:g} s")

    def _is_hung_up(self) -> bool:
        return self._must_hang_up.is_set() or time.monotonic() >= self._ends_s

    # Sending

    def _send(self, message: bytes) -> None:
        """Send a frame of the channel as this release would."""
        if message[0] == KIND_DIGIT and not self.version.sends_digits:
            return
        if message[0] in SLIN_RATES_HZ and not self.version.knows_wideband:
            message = bytes((KIND_SLIN8,)) + message[1:]
        self._write(message)
        self.frames_sent += message[0] in SLIN_RATES_HZ

    def _write(self, message: bytes) -> None:
        try:
            written = self._socket.send(message)
        except BlockingIOError:
            written = 0
        except (BrokenPipeError, ConnectionResetError):
            self._violate("reset")
            raise _Over(Ending.RESET) from None
        if written != len(message):
            self._drop(f"the server does not read: {written} of {len(message)} bytes could be written")

    # Receiving

    def _receive(self, arrived_s: float) -> None:
        """`ast_audiosocket_receive_frame_with_hangup` (res:290-424)."""
        try:
            header = self._read_header()
            if header is None:
                raise _Over(Ending.FIN)
            self._take(arrived_s, header[0], int.from_bytes(header[1:], "big"))
        except ConnectionResetError:
            self._violate("reset")
            raise _Over(Ending.RESET) from None
        with self._changed:
            self._changed.notify_all()

    def _take(self, arrived_s: float, kind: int, length: int) -> None:
        if kind == KIND_HANGUP:
            self.received.append(Received(arrived_s, kind, length, 1))
            if length:
                self._violate(f"hangup with a length of {length}")
            raise _Over(Ending.HANGUP)
        known = (KIND_SLIN8, *(SLIN_RATES_HZ if self.version.knows_wideband else ()))
        if kind not in known:
            self._violate(f"kind 0x{kind:02x}", drops=self.version.drops_unknown_kinds)
        elif length == 0:
            self._violate("audio of length 0", drops=self.version.drops_empty_audio)
        if HEADER_BYTES + length > SEGMENT_BYTES:
            self._violate(f"a message of {HEADER_BYTES + length} bytes: more than one segment")
        payload, pieces = self._read_payload(length)
        self.received.append(Received(arrived_s, kind, length, pieces))
        self.frames += kind in SLIN_RATES_HZ
        if self.keeps_audio and kind in known:
            self._audio.append(payload)

    def _read_header(self) -> bytes | None:
        """Return 3 bytes, None at the end of the stream (also within a header)."""
        header = bytearray(HEADER_BYTES)
        count = 0
        while count < HEADER_BYTES:
            resumes = self.version.header is HeaderReading.RESUMES
            try:
                piece = self._socket.recv(HEADER_BYTES - count if resumes else HEADER_BYTES)
            except BlockingIOError:
                if self.version.header is HeaderReading.ONCE:
                    self._drop(f"header hole after {count} bytes")
                if not self._poller.poll(POLL_S * 1000):
                    self._violate(f"header hole after {count} bytes")
                    if self._is_hung_up():  # Asterisk itself never ends this loop
                        raise _Over(Ending.FROZEN) from None
                continue
            if not piece:
                return None
            offset = count if self.version.header is not HeaderReading.RESTARTS else 0
            header[offset : offset + len(piece)] = piece
            count += len(piece)
            if self.version.header is HeaderReading.ONCE and count < HEADER_BYTES:
                self._drop(f"header hole after {count} bytes")
        return bytes(header[:HEADER_BYTES])

    def _read_payload(self, length: int) -> tuple[bytes, int]:
        payload = bytearray()
        pieces = 0
        while len(payload) < length:
            try:
                piece = self._socket.recv(length - len(payload))
            except BlockingIOError:
                pieces = max(pieces, 1)
                if self.version.payload_wait_s and self._poller.poll(POLL_S * 1000):
                    continue
                self._drop(f"payload hole after {len(payload)} of {length} bytes")
            if not piece:
                self._drop(f"the connection ended after {len(payload)} of {length} bytes of a payload")
            payload += piece
            pieces += 1
        return bytes(payload), max(pieces, 1)

    # The end

    def _hang_up(self) -> None:
        """The caller hung up: close, as Asterisk does, or one of the two other ways."""
        if self.resets:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif self.half_closes:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_WR)
            self._expect_hangup()

    def _expect_hangup(self) -> None:
        """Read on until the server hangs up as well."""
        deadline_s = time.monotonic() + FIN_WAIT_S
        try:
            while time.monotonic() < deadline_s:
                if self._poller.poll(WAKE_S * 1000):
                    self._receive(time.monotonic())
            self._violate(f"no end of the stream {FIN_WAIT_S:g} s after the caller's")
        except _Over as over:
            if over.ending is Ending.HANGUP:
                self._expect_end()

    def _expect_end(self) -> None:
        """After a hangup message only FIN may come."""
        deadline_s = time.monotonic() + FIN_WAIT_S
        extra_bytes = 0
        while time.monotonic() < deadline_s:
            if not self._poller.poll(WAKE_S * 1000):
                continue
            try:
                data = self._socket.recv(65_536)
            except ConnectionResetError:
                self._violate("reset after the hangup")
                return
            if not data:
                if extra_bytes:
                    self._violate(f"{extra_bytes} bytes after the hangup")
                return
            extra_bytes += len(data)
        self._violate(f"no FIN within {FIN_WAIT_S:g} s after the hangup")

    def _violate(self, rule: str, drops: bool = False) -> None:
        if rule not in self.violations[-1:]:  # a header's loop says the same every 5 ms
            self.violations.append(rule)
        if drops:
            raise _Over(Ending.DROPPED, rule)

    def _drop(self, rule: str) -> NoReturn:
        self._violate(rule)
        raise _Over(Ending.DROPPED, rule)

    # The report

    @property
    def arrivals(self) -> list[ReceivedFrame]:
        """The audio messages, for `ingress.caller.listening_quality`."""
        return [
            ReceivedFrame(message.arrived_s, message.length / 2 / SLIN_RATES_HZ[message.kind])
            for message in self.received
            if message.kind in SLIN_RATES_HZ and message.length > 0
        ]

    def _report(self) -> CallReport:
        assert self._over is not None
        arrivals = self.arrivals
        ending = self._over.ending
        is_normal = ending in (Ending.HANGUP, Ending.FIN) and self.version.ends_normally
        qualities = {buffer_ms: listening_quality(arrivals, buffer_ms) for buffer_ms in BUFFERS_MS}
        return CallReport(
            call_id=str(self.call_id),
            ending=ending,
            dropped_by=self._over.rule,
            result=0 if is_normal else -1,
            violations=tuple(self.violations),
            messages=len(self.received),
            messages_in_pieces=sum(message.pieces > 1 for message in self.received),
            segments=self.segments,
            longest_message_bytes=max((message.length + 3 for message in self.received), default=0),
            frames_sent=self.frames_sent,
            connected_s=self._ended_s - self.identified_s,
            first_frame_ms=(arrivals[0].arrived_s - self.identified_s) * 1000 if arrivals else None,
            quality=qualities[60],
            holes={
                buffer_ms: (quality.underruns, quality.concealed_ratio)
                for buffer_ms, quality in qualities.items()
            },
        )


def _data_segments(connected: socket.socket) -> int:
    """Return how many segments with data a socket has received: `tcpi_data_segs_in` of linux/tcp.h."""
    information = connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)
    [count] = struct.unpack_from("=I", information, 152)
    return int(count)


def place_calls(calls: Iterable[StrictCall], stagger_s: float = 0.0) -> list[CallReport]:
    """Run calls at the same time, begun `stagger_s` apart, and return their reports in order."""
    running = []
    for call in calls:
        running.append(call.start())
        time.sleep(stagger_s)
    return [call.wait(deadline_s=(call.seconds or 0.0) + 30.0) for call in running]


def main(argv: Sequence[str] | None = None) -> int:
    """Place calls, print their reports as JSON; exit code 1 when one was dropped or a rule was broken."""
    parser = argparse.ArgumentParser(description="Call an AudioSocket server as a strict Asterisk would.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--calls", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--profile", choices=sorted(VERSIONS), default=CURRENT.name)
    parser.add_argument("--speaking", type=float, default=0.0, help="share of the calls whose caller speaks")
    options = parser.parse_args(argv)
    speaking = round(options.calls * options.speaking)
    speech = speech_like(options.seconds) if speaking else b""
    calls = [
        StrictCall(
            options.port,
            VERSIONS[options.profile],
            voice(options.seconds, audio=speech if index < speaking else b""),
            seconds=options.seconds,
            host=options.host,
            keeps_audio=False,
        )
        for index in range(options.calls)
    ]
    reports = place_calls(calls, STAGGER_S)
    print(json.dumps([asdict(report) | {"ending": report.ending.name} for report in reports]))
    return int(any(report.violations or report.ending is not Ending.CALLER for report in reports))


if __name__ == "__main__":
    raise SystemExit(main())
