"""New callers that come whatever becomes of those before them: an open loop, in a process of its own.

Arrivals are Poisson's; how long a caller wants to stay is even between two limits, the lower one longer
than the refusal lasts, so that whoever is refused is hung up on before. Each sends a frame every 20 ms
from its UUID on, as Asterisk does. One thread and epoll; every deadline of its own is checked, and a
generator that was late says nothing of the server.
"""

from __future__ import annotations

import argparse
import errno
import heapq
import json
import random
import select
import socket
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from itertools import count
from typing import NamedTuple

from benchmarks.overload.process import Instrument, instrument
from benchmarks.overload.speech import (
    BUSY_HZ,
    FRAME_S,
    GREETING_HZ,
    PERIOD,
    PITCH_BYTES,
    PITCH_ERROR_HZ,
    pitch_hz,
)
from ingress.audiosocket import KIND_HANGUP, KIND_UUID
from ingress.caller.listening_quality import percentile

PRIORITY = 5
MAXIMUM_LATENESS_MS = 20.0
"""Of its own deadlines at p99: a frame's length."""
MAXIMUM_CPU_PERCENT = 70.0
REPORT_MARGIN_S = 20.0
LONGEST_NAP_S = 0.05


class Arrival(NamedTuple):
    """One caller to come."""

    at_s: float
    """Since the beginning."""
    stays_s: float


def arrivals(per_second: float, seconds: float, stays_s: tuple[float, float], seed: int) -> list[Arrival]:
    """Return a Poisson stream of callers who stay for an even time between two limits."""
    dice = random.Random(seed)
    found, at_s = [], dice.expovariate(per_second)
    while at_s < seconds:
        found.append(Arrival(at_s, dice.uniform(*stays_s)))
        at_s += dice.expovariate(per_second)
    return found


@dataclass(slots=True)
class Newcomer:
    """What one caller saw."""

    identified_s: float
    """When its UUID was sent."""
    first_sound_s: float | None = None
    pitch_hz: float = 0.0
    """Of the first 60 ms that it heard."""
    sound_s: float = 0.0
    hung_up_s: float | None = None
    """When the server hung up."""
    left_s: float = 0.0
    """When it was over, whoever ended it."""
    failure: str | None = None

    @property
    def is_told_busy(self) -> bool:
        """Whether what it heard first was the phrase for those who are refused."""
        return abs(self.pitch_hz - BUSY_HZ) <= PITCH_ERROR_HZ

    @property
    def is_greeted(self) -> bool:
        """Whether what it heard first was the greeting."""
        return abs(self.pitch_hz - GREETING_HZ) <= PITCH_ERROR_HZ

    @property
    def is_refused(self) -> bool:
        """Whether it was told so, or hung up on before anybody greeted it."""
        return self.is_told_busy or (self.hung_up_s is not None and not self.is_greeted)

    @property
    def is_admitted(self) -> bool:
        """Whether it heard something and was not refused."""
        return self.first_sound_s is not None and not self.is_refused

    @property
    def is_lost(self) -> bool:
        """Whether the call broke, or was ended by the server after it had been taken."""
        return self.failure is not None or (self.is_greeted and self.hung_up_s is not None)

    @property
    def answered_ms(self) -> float | None:
        """From the UUID to the first sound, or to the hangup if that came first; None: nothing came."""
        answers = [at_s for at_s in (self.first_sound_s, self.hung_up_s) if at_s is not None]
        return (min(answers) - self.identified_s) * 1_000.0 if answers else None


@dataclass(frozen=True, slots=True)
class Stream:
    """All of them, and how the generator itself did."""

    newcomers: Sequence[Newcomer]
    began_s: float
    until_s: float
    """When those who were left had to leave."""
    cpu_percent: float
    lateness_p99_ms: float
    lateness_max_ms: float

    def invalid_because(self) -> list[str]:
        """Return why a measurement made with it says nothing; empty if it is valid."""
        reasons = []
        if self.cpu_percent > MAXIMUM_CPU_PERCENT:
            reasons.append(f"the generator used {self.cpu_percent:.0f} % of its core")
        if self.lateness_p99_ms > MAXIMUM_LATENESS_MS:
            reasons.append(f"the generator was {self.lateness_p99_ms:.0f} ms late at p99")
        return reasons


class ComingCallers:
    """The process that makes them."""

    def __init__(self, process: Instrument, seconds: float) -> None:
        self._process = process
        self._seconds = seconds

    @property
    def is_over(self) -> bool:
        """Whether all have left."""
        return self._process.is_over

    def stream(self) -> Stream:
        """Wait until it is over and return what the callers saw. Raises InstrumentError."""
        found = self._process.result(self._seconds + REPORT_MARGIN_S)
        return Stream(**(found | {"newcomers": [Newcomer(**each) for each in found["newcomers"]]}))


@contextmanager
def coming_callers(
    port: int, per_second: float, seconds: float, stays_s: tuple[float, float], seed: int
) -> Iterator[ComingCallers]:
    """Let callers come from now on; they are cut off if the body leaves before they are over."""
    least_s, most_s = stays_s
    with instrument(
        "newcomers", PRIORITY,
        port=port, per_second=per_second, seconds=seconds, least_s=least_s, most_s=most_s, seed=seed,
    ) as process:  # fmt: skip
        yield ComingCallers(process, seconds)


class Line:
    """One caller's connection."""

    __slots__ = ("_beginning", "_received", "call", "connection", "frames", "leaves_s", "stays_s")

    def __init__(self, connection: socket.socket, stays_s: float) -> None:
        self.connection = connection
        self.call: Newcomer | None = None
        """None until the UUID has been sent."""
        self.frames = 0
        self.stays_s = stays_s
        self.leaves_s = 0.0
        self._received = bytearray()
        self._beginning = bytearray()
        """Of the sound, until its pitch can be told."""

    def identify(self, now: float) -> None:
        """Send the UUID."""
        self.connection.send(bytes((KIND_UUID, 0, 16)) + uuid.uuid4().bytes)
        self.call = Newcomer(now)
        self.leaves_s = now + self.stays_s

    def speak(self) -> None:
        """Send the next frame. Raises OSError."""
        self.connection.send(PERIOD[self.frames % len(PERIOD)])
        self.frames += 1

    def hear(self, now: float) -> bool:
        """Take what has come; return whether the server has ended the call. Raises OSError."""
        call = self.call
        assert call is not None
        data = self.connection.recv(65_536)
        if not data:
            call.failure = "closed without a hangup"
            return True
        received = self._received
        received += data
        while len(received) >= 3 and len(received) >= (end := 3 + int.from_bytes(received[1:3], "big")):
            if received[0] == KIND_HANGUP:
                call.hung_up_s = now
                return True
            self._take(call, bytes(received[3:end]), now)
            del received[:end]
        return False

    def _take(self, call: Newcomer, payload: bytes, now: float) -> None:
        if payload.count(0) == len(payload):
            return
        call.sound_s += len(payload) / 16_000
        if call.first_sound_s is None:
            call.first_sound_s = now
        if len(self._beginning) < PITCH_BYTES:
            self._beginning += payload
            call.pitch_hz = pitch_hz(bytes(self._beginning))


class OpenLoop:
    """Makes the callers of a list of arrivals."""

    def __init__(self, port: int, coming: Sequence[Arrival]) -> None:
        self._port = port
        self._poller = select.epoll()
        self._lines: dict[int, Line] = {}
        self._order = count()
        self._due: list[tuple[float, int, Line | Arrival]] = []
        self._began_s = time.monotonic()
        self._lateness_s: list[float] = []
        self.ended: list[Newcomer] = []
        for arrival in coming:
            self._push(self._began_s + arrival.at_s, arrival)

    def run(self, seconds: float) -> Stream:
        """Run for a time, then let everybody leave."""
        cpu_s = time.process_time()
        until_s = self._began_s + seconds
        while (now := time.monotonic()) < until_s:
            self._do_what_is_due(now)
            wait_s = self._due[0][0] - time.monotonic() if self._due else LONGEST_NAP_S
            for descriptor, _ in self._poller.poll(min(max(0.0, wait_s), LONGEST_NAP_S)):
                if descriptor in self._lines:
                    self._look(self._lines[descriptor])
        cpu_s = time.process_time() - cpu_s
        for line in tuple(self._lines.values()):
            self._leave(line, now)
        self._poller.close()
        return Stream(
            newcomers=self.ended,
            began_s=self._began_s,
            until_s=now,
            cpu_percent=100.0 * cpu_s / seconds,
            lateness_p99_ms=1_000.0 * percentile(self._lateness_s, 99),
            lateness_max_ms=1_000.0 * max(self._lateness_s),
        )

    def _push(self, at_s: float, what: Line | Arrival) -> None:
        heapq.heappush(self._due, (at_s, next(self._order), what))

    def _do_what_is_due(self, now: float) -> None:
        while self._due and self._due[0][0] <= now:
            at_s, _, what = heapq.heappop(self._due)
            if isinstance(what, Arrival):
                self._connect(what)
            elif what.connection.fileno() < 0:
                continue  # it has left
            elif now >= what.leaves_s:
                self._leave(what, now)
            else:
                self._push(at_s + FRAME_S, what)
                self._try(what, what.speak)
            self._lateness_s.append(now - at_s)
            now = time.monotonic()

    def _connect(self, arrival: Arrival) -> None:
        connection = socket.socket()
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line = Line(connection, arrival.stays_s)
        self._lines[connection.fileno()] = line
        self._poller.register(connection, select.EPOLLOUT)
        if connection.connect_ex(("127.0.0.1", self._port)) not in (0, errno.EINPROGRESS):
            self._fail(line, "could not connect")

    def _look(self, line: Line) -> None:
        now = time.monotonic()
        if line.call is None:
            if self._try(line, lambda: line.identify(now)):
                self._poller.modify(line.connection, select.EPOLLIN)
                self._push(now + FRAME_S, line)
            return
        try:
            is_over = line.hear(now)
        except OSError as error:
            self._fail(line, error.strerror or str(error))
        else:
            if is_over:
                self._leave(line, now)

    def _try(self, line: Line, action: object) -> bool:
        assert callable(action)
        try:
            action()
        except OSError as error:
            # A server that has hung up may have closed: its goodbye is still to be read.
            with suppress(OSError):
                if line.call is not None and line.hear(time.monotonic()):
                    self._leave(line, time.monotonic())
                    return False
            self._fail(line, error.strerror or str(error))
            return False
        return True

    def _fail(self, line: Line, failure: str) -> None:
        line.call = line.call or Newcomer(time.monotonic())
        line.call.failure = failure
        self._leave(line, time.monotonic())

    def _leave(self, line: Line, now: float) -> None:
        del self._lines[line.connection.fileno()]
        line.connection.close()
        if line.call is not None:
            line.call.left_s = now
            self.ended.append(line.call)


def main() -> None:
    """Make callers and report what they saw."""
    parser = argparse.ArgumentParser()
    for name, kind in (
        ("port", int), ("per-second", float), ("seconds", float), ("least-s", float), ("most-s", float),
        ("seed", int),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=kind, required=True)
    options = parser.parse_args()
    coming = arrivals(options.per_second, options.seconds, (options.least_s, options.most_s), options.seed)
    print(json.dumps(asdict(OpenLoop(options.port, coming).run(options.seconds))))


if __name__ == "__main__":
    main()
