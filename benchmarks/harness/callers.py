"""Callers in an open loop: they come at given times, and do not wait for those before them.

One thread and epoll. Each caller sends a frame every 20 ms from its UUID on, when the frame's last sample
would have been spoken, as Asterisk does; a server that does not take one has lost the call, as there. Every
deadline of the loop's own is checked: callers that were late themselves say nothing of the server.
"""

from __future__ import annotations

import errno
import heapq
import select
import socket
import time
import uuid
from abc import ABC, abstractmethod
from array import array
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Final

from actors.percentiles import percentile
from actors.telephone import FRAME_BYTES, FRAME_S
from ingress.audiosocket import KIND_HANGUP, KIND_SLIN8, KIND_UUID

LONGEST_WAIT_S: Final = 0.05


def messages(audio: bytes) -> list[bytes]:
    """Return 8 kHz int16 audio as AudioSocket messages of 20 ms, the last one filled up with silence."""
    return [
        bytes((KIND_SLIN8,))
        + FRAME_BYTES.to_bytes(2, "big")
        + audio[at : at + FRAME_BYTES].ljust(FRAME_BYTES, b"\0")
        for at in range(0, len(audio), FRAME_BYTES)
    ]


class Caller(ABC):
    """One caller: what it says, and what it heard."""

    def __init__(self) -> None:
        self.call_id: uuid.UUID | None = None
        """None until it was sent."""
        self.identified_s: float | None = None
        """When its UUID was sent, or could not be, on the clock that all processes share; None: not yet."""
        self.hung_up_s: float | None = None
        """When the server hung up."""
        self.left_s = 0.0
        """When the call was over."""
        self.failure: str | None = None
        """How the call broke."""

    @abstractmethod
    def next_frame(self, number: int) -> bytes | None:
        """Return the message of 20 ms with this number, from 0; None: the caller hangs up."""

    @abstractmethod
    def hear(self, audio: bytes, now: float) -> None:
        """Take the audio of one message."""

    def end(self, now: float) -> None:
        """The call is over, whichever side ended it."""
        self.left_s = now


class _Line:
    """A caller's connection."""

    __slots__ = ("caller", "connection", "frames", "received")

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.frames = 0
        self.received = bytearray()
        self.connection = socket.socket()
        self.connection.setblocking(False)
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def identify(self, now: float) -> None:
        """Send the UUID. Raises OSError."""
        call_id = uuid.uuid4()
        self.connection.send(bytes((KIND_UUID, 0, 16)) + call_id.bytes)
        self.caller.call_id = call_id
        self.caller.identified_s = now

    @property
    def due_s(self) -> float:
        """When the next frame has to leave."""
        assert self.caller.identified_s is not None
        return self.caller.identified_s + (self.frames + 1) * FRAME_S

    def speak(self) -> bool:
        """Send the next frame; return whether there was one. Raises OSError."""
        frame = self.caller.next_frame(self.frames)
        if frame is None:
            return False
        if self.connection.send(frame) < len(frame):
            raise BlockingIOError(errno.EAGAIN, "the server does not read")
        self.frames += 1
        return True

    def hear(self, now: float) -> bool:
        """Take what has come; return whether the server has ended the call. Raises OSError."""
        data = self.connection.recv(65_536)
        if not data:
            self.caller.failure = "closed without a hangup"
            return True
        received = self.received
        received += data
        at = 0
        while len(received) - at >= 3:
            end = at + 3 + int.from_bytes(received[at + 1 : at + 3], "big")
            if received[at] == KIND_HANGUP:
                self.caller.hung_up_s = now
                return True
            if len(received) < end:
                break
            if received[at] == KIND_SLIN8:
                self.caller.hear(bytes(received[at + 3 : end]), now)
            at = end
        del received[:at]
        return False


@dataclass(frozen=True, slots=True)
class LoopReport:
    """How the loop itself did."""

    began_s: float
    ended_s: float
    cpu_percent: float
    """Of a core."""
    lateness_p99_ms: float
    lateness_max_ms: float
    """Of its own deadlines, in the counted time."""

    def invalid_because(self, most_ms: float, most_cpu_percent: float) -> list[str]:
        """Return why a measurement made with it says nothing; empty if it is valid."""
        reasons = []
        if self.cpu_percent > most_cpu_percent:
            reasons.append(f"the callers used {self.cpu_percent:.0f} % of a core")
        if self.lateness_p99_ms > most_ms:
            reasons.append(f"the callers were {self.lateness_p99_ms:.0f} ms late at p99")
        return reasons


class OpenLoop:
    """Makes the calls of a list of callers."""

    def __init__(
        self,
        port: int,
        coming: Iterable[tuple[float, Caller]],
        host: str = "127.0.0.1",
        counted_from_s: float = 0.0,
    ) -> None:
        """`coming`: seconds from now, and who calls then. `counted_from_s`: on the monotonic clock."""
        self._address = (host, port)
        self._counted_from_s = counted_from_s
        self._poller = select.epoll()
        self._lines: dict[int, _Line] = {}
        self._number = count()
        self._due: list[tuple[float, int, _Line | Caller]] = []
        self._began_s = time.monotonic()
        self._lateness_s = array("d")
        for at_s, caller in coming:
            self._push(self._began_s + at_s, caller)

    def run(self, seconds: float = float("inf")) -> LoopReport:
        """Run until all calls are over, or for a time, after which the callers that are left hang up."""
        cpu_s = time.process_time()
        until_s = self._began_s + seconds
        while (now := time.monotonic()) < until_s and (self._due or self._lines):
            self._do_what_is_due(now)
            wait_s = self._due[0][0] - time.monotonic() if self._due else LONGEST_WAIT_S
            for descriptor, _ in self._poller.poll(min(max(0.0, wait_s), LONGEST_WAIT_S)):
                if descriptor in self._lines:
                    self._look(self._lines[descriptor])
        cpu_s = time.process_time() - cpu_s
        for line in tuple(self._lines.values()):
            self._leave(line, now)
        self._poller.close()
        late_s = self._lateness_s or array("d", [0.0])
        return LoopReport(
            began_s=self._began_s,
            ended_s=now,
            cpu_percent=100.0 * cpu_s / max(now - self._began_s, 1e-9),
            lateness_p99_ms=1_000.0 * percentile(late_s, 99),
            lateness_max_ms=1_000.0 * max(late_s),
        )

    def _push(self, at_s: float, what: _Line | Caller) -> None:
        heapq.heappush(self._due, (at_s, next(self._number), what))

    def _do_what_is_due(self, now: float) -> None:
        while self._due and self._due[0][0] <= now:
            at_s, _, what = heapq.heappop(self._due)
            if isinstance(what, Caller):
                self._connect(what)
            elif what.connection.fileno() < 0:
                continue  # the call is over
            else:
                self._speak(what, now)
            if now >= self._counted_from_s:
                self._lateness_s.append(now - at_s)
            now = time.monotonic()

    def _connect(self, caller: Caller) -> None:
        line = _Line(caller)
        self._lines[line.connection.fileno()] = line
        self._poller.register(line.connection, select.EPOLLOUT)
        if line.connection.connect_ex(self._address) not in (0, errno.EINPROGRESS):
            self._fail(line, "could not connect")

    def _speak(self, line: _Line, now: float) -> None:
        try:
            if line.speak():
                self._push(line.due_s, line)
            else:
                self._leave(line, now)
        except OSError as error:
            # A server that has hung up may have closed: its hangup is still to be read.
            with suppress(OSError):
                if line.hear(now):
                    self._leave(line, now)
                    return
            self._fail(line, error.strerror or str(error))

    def _look(self, line: _Line) -> None:
        now = time.monotonic()
        try:
            if line.caller.identified_s is None:
                line.identify(now)
                self._poller.modify(line.connection, select.EPOLLIN)
                self._push(line.due_s, line)
            elif line.hear(now):
                self._leave(line, now)
        except OSError as error:
            self._fail(line, error.strerror or str(error))

    def _fail(self, line: _Line, failure: str) -> None:
        now = time.monotonic()
        line.caller.failure = failure
        if line.caller.identified_s is None:
            line.caller.identified_s = now
        self._leave(line, now)

    def _leave(self, line: _Line, now: float) -> None:
        del self._lines[line.connection.fileno()]
        line.connection.close()
        line.caller.end(now)
