"""The callers of one step, in a process of their own: `python -m benchmarks.capacity.callers ORDER.json`.

One thread and epoll. Every caller sends 20 ms of audio every 20 ms from its UUID on, as Asterisk does,
each frame when its last sample would have been spoken; what it says and when was planned beforehand
(`benchmarks.capacity.scenario`). Arrivals are stamped before anything else is done with the bytes. A turn's
time runs from the *intended* end of the speech: if this process was late itself, that counts against the
server, and every deadline that it missed is reported, so that a bad measurement is known for one.

Lines of JSON come out: one for each call as it ends, one about this process at the end. All times are of
the monotonic clock, which all processes of a machine share.
"""

from __future__ import annotations

import errno
import heapq
import json
import os
import select
import socket
import sys
import time
from array import array
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from typing import Final
from uuid import uuid4

import numpy as np

from actors.telephone import FRAME_S
from benchmarks.capacity.peer_quality import PeerQuality
from benchmarks.capacity.scenario import PlannedCall, PlannedUtterance
from ingress.audiosocket import KIND_HANGUP, KIND_SLIN8, KIND_UUID, SLIN8_FRAME_BYTES
from ingress.caller.listening_quality import has_sound, percentile

ANSWER_DEADLINE_S: Final = 10.0
"""A caller waits for an answer for so long."""
AFTER_ANSWER_S: Final = 1.0
"""After the last sound of an answer; the server has no record of a turn that is cut short."""
LONGEST_NAP_S: Final = 0.05
PRIORITY: Final = 5
"""Real-time, where the machine allows it: below the media workers' if they have one."""
BYTES_PER_S: Final = 16_000.0


@dataclass(frozen=True, slots=True)
class Order:
    """What this process has to do."""

    host: str
    port: int
    begins_s: float
    counted_from_s: float
    counted_until_s: float
    ends_s: float
    calls: list[PlannedCall]
    prompts: list[str] = field(default_factory=list)
    """Files of 8 kHz int16."""

    @classmethod
    def read(cls, file: Path) -> Order:
        """Read it back from JSON."""
        fields = json.loads(file.read_text())
        fields["calls"] = [
            PlannedCall(at_s, stays_s, tuple(PlannedUtterance(*each) for each in utterances))
            for at_s, stays_s, utterances in fields["calls"]
        ]
        return cls(**fields)


@dataclass(slots=True)
class Said:
    """One utterance, and what came of it."""

    prompt: int
    ended_s: float
    """Intended."""
    answer_ms: float | None = None
    """To the first frame with sound; None: nothing came before the caller gave up."""
    waited_ms: float = 0.0
    """Until then, or until the caller gave up."""


@dataclass(slots=True)
class Call:
    """One call as its caller saw it."""

    call_id: str
    began_s: float
    left_s: float = 0.0
    was_hung_up_on: bool = False
    failure: str | None = None
    said: list[Said] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class CallersReport:
    """How this process itself did, and when the frames came."""

    counted_s: float
    cpu_percent: float
    """Of a core, over the whole time."""
    is_real_time: bool
    lateness_p50_ms: float
    lateness_p99_ms: float
    lateness_maximum_ms: float
    """Of its own deadlines."""
    quality: PeerQuality


class Prompt:
    """One thing to say, as messages."""

    def __init__(self, file: Path) -> None:
        audio = file.read_bytes()
        self.duration_s = len(audio) / BYTES_PER_S
        self.messages = [
            _message(audio[at : at + SLIN8_FRAME_BYTES].ljust(SLIN8_FRAME_BYTES, b"\0"))
            for at in range(0, len(audio), SLIN8_FRAME_BYTES)
        ]


def _message(audio: bytes) -> bytes:
    return bytes((KIND_SLIN8,)) + len(audio).to_bytes(2, "big") + audio


_SILENCE = _message(bytes(SLIN8_FRAME_BYTES))


class Line:
    """One caller's connection."""

    def __init__(self, plan: PlannedCall, prompts: list[Prompt], connection: socket.socket) -> None:
        self.connection = connection
        self.call: Call | None = None
        """None until the UUID has been sent."""
        self.arrived_s = array("d")
        self.samples = array("H")
        """Of each frame that came."""
        self.leaves_s = 0.0
        self._prompts = prompts
        self._stays_s = plan.stays_s
        self._to_say = list(reversed(plan.utterances))
        self._frames = 0
        self._speaking: list[bytes] = []
        """What is left of the utterance, last frame first."""
        self._current: Said | None = None
        """Said, or being said, and not answered yet."""
        self._last_sound_s = 0.0
        """Of the server; what it sends between answers is zeros."""
        self._received = bytearray()

    def identify(self, now: float) -> None:
        """Send the UUID. Raises OSError."""
        call_id = uuid4()
        self.connection.send(bytes((KIND_UUID, 0, 16)) + call_id.bytes)
        self.call = Call(str(call_id), now)
        self.leaves_s = now + self._stays_s

    @property
    def due_s(self) -> float:
        """When the next frame has to leave."""
        assert self.call is not None
        return self.call.began_s + (self._frames + 1) * FRAME_S

    def speak(self) -> None:
        """Send the next frame. Raises OSError."""
        assert self.call is not None
        spoken_s = self._frames * FRAME_S
        if self._to_say and not self._speaking and spoken_s >= self._to_say[-1].at_s:
            self._give_up(self.call.began_s + spoken_s)
            prompt = self._to_say.pop().prompt
            self._speaking = self._prompts[prompt].messages[::-1]
            ended_s = self.call.began_s + spoken_s + self._prompts[prompt].duration_s
            self._current = Said(prompt, ended_s)
            self.call.said.append(self._current)
        self.connection.send(self._speaking.pop() if self._speaking else _SILENCE)
        self._frames += 1

    def is_over(self, now: float) -> bool:
        """Whether the call is over: its time has come, and no answer is awaited."""
        if now < self.leaves_s or self._speaking:
            return False
        if self._current is not None:
            return now >= self._current.ended_s + ANSWER_DEADLINE_S
        return now >= self._last_sound_s + AFTER_ANSWER_S

    def hear(self, now: float) -> bool:
        """Take what has come; return whether the server has ended the call. Raises OSError."""
        data = self.connection.recv(65_536)
        call = self.call
        assert call is not None
        if not data:
            call.failure = "the connection was closed without a hangup"
            return True
        received = self._received
        received += data
        at = 0
        while len(received) - at >= 3:
            end = at + 3 + int.from_bytes(received[at + 1 : at + 3], "big")
            if received[at] == KIND_HANGUP:
                call.was_hung_up_on = True
                return True
            if len(received) < end:
                break
            self._take(bytes(received[at + 3 : end]), now)
            at = end
        del received[:at]
        return False

    def leave(self, now: float) -> None:
        """Note that the call is over, whichever side ended it."""
        assert self.call is not None
        self._give_up(now)
        self.call.left_s = now

    def _take(self, audio: bytes, now: float) -> None:
        self.arrived_s.append(now)
        self.samples.append(len(audio) // 2)
        if audio.count(0) == len(audio):
            return
        self._last_sound_s = now
        said = self._current
        if said is None or now < said.ended_s or not has_sound(audio):
            return
        said.answer_ms = said.waited_ms = (now - said.ended_s) * 1_000.0
        self._current = None

    def _give_up(self, now: float) -> None:
        """Stop waiting for the answer to the last utterance."""
        if self._current is not None:
            self._current.waited_ms = max(0.0, now - self._current.ended_s) * 1_000.0
            self._current = None


class OpenLoop:
    """All callers of one order."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._address = (order.host, order.port)
        self._prompts = [Prompt(Path(file)) for file in order.prompts]
        self._poller = select.epoll()
        self._lines: dict[int, Line] = {}
        self._number = count()
        self._due: list[tuple[float, int, Line | PlannedCall]] = []
        self._lateness_s = array("d")
        self._ended: list[Line] = []
        for call in order.calls:
            self._push(order.begins_s + call.at_s, call)

    def run(self) -> CallersReport:
        """Make all calls, print each as it ends, and return the figures of all of them."""
        order = self._order
        is_real_time = _take_real_time_priority()
        cpu_s, began_s = time.process_time(), time.monotonic()
        while (now := time.monotonic()) < order.ends_s:
            self._do_what_is_due(now)
            wait_s = self._due[0][0] - time.monotonic() if self._due else LONGEST_NAP_S
            for descriptor, _ in self._poller.poll(min(max(0.0, wait_s), LONGEST_NAP_S)):
                if descriptor in self._lines:
                    self._look(self._lines[descriptor])
        cpu_percent = 100.0 * (time.process_time() - cpu_s) / (time.monotonic() - began_s)
        for line in tuple(self._lines.values()):
            self._leave(line, now)
        self._poller.close()
        lateness = self._lateness_s or array("d", [0.0])
        return CallersReport(
            counted_s=order.counted_until_s - order.counted_from_s,
            cpu_percent=cpu_percent,
            is_real_time=is_real_time,
            lateness_p50_ms=1_000.0 * percentile(lateness, 50),
            lateness_p99_ms=1_000.0 * percentile(lateness, 99),
            lateness_maximum_ms=1_000.0 * max(lateness),
            quality=self._quality(),
        )

    def _push(self, at_s: float, what: Line | PlannedCall) -> None:
        heapq.heappush(self._due, (at_s, next(self._number), what))

    def _do_what_is_due(self, now: float) -> None:
        while self._due and self._due[0][0] <= now:
            at_s, _, what = heapq.heappop(self._due)
            if isinstance(what, PlannedCall):
                self._connect(what)
            elif what.connection.fileno() < 0:
                continue  # it has left
            elif what.is_over(now):
                self._leave(what, now)
            else:
                self._speak(what, now)
            if now >= self._order.counted_from_s:
                self._lateness_s.append(now - at_s)
            now = time.monotonic()

    def _connect(self, plan: PlannedCall) -> None:
        connection = socket.socket()
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line = Line(plan, self._prompts, connection)
        self._lines[connection.fileno()] = line
        self._poller.register(connection, select.EPOLLOUT)
        result = connection.connect_ex(self._address)
        if result not in (0, errno.EINPROGRESS):
            self._fail(line, os.strerror(result))

    def _look(self, line: Line) -> None:
        now = time.monotonic()
        try:
            if line.call is None:
                line.identify(now)
                self._poller.modify(line.connection, select.EPOLLIN)
                self._push(line.due_s, line)
            elif line.hear(now):
                self._leave(line, now)
        except OSError as error:
            self._fail(line, error.strerror or str(error))

    def _speak(self, line: Line, now: float) -> None:
        try:
            line.speak()
            self._push(line.due_s, line)
        except BlockingIOError:
            self._fail(line, "the server reads nothing")
        except OSError as error:
            # A server that has hung up may have closed: its hangup is still to be read.
            with suppress(OSError):
                if line.hear(now):
                    self._leave(line, now)
                    return
            self._fail(line, error.strerror or str(error))

    def _fail(self, line: Line, failure: str) -> None:
        line.call = line.call or Call("", time.monotonic())
        line.call.failure = failure
        self._leave(line, time.monotonic())

    def _leave(self, line: Line, now: float) -> None:
        del self._lines[line.connection.fileno()]
        line.connection.close()
        if line.call is not None:
            line.leave(now)
            self._ended.append(line)
            print(json.dumps(asdict(line.call)), flush=True)

    def _quality(self) -> PeerQuality:
        window = (self._order.counted_from_s, self._order.counted_until_s)
        quality = PeerQuality.nothing()
        for line in self._ended:
            quality += PeerQuality.of(np.array(line.arrived_s), np.array(line.samples), window)
        return quality


def _take_real_time_priority() -> bool:
    """Run before the other programs of the machine, where that is allowed; return whether it is."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(PRIORITY))
    except PermissionError:
        return False
    return True


def main() -> None:
    """Carry out the order in the file that is named."""
    report = OpenLoop(Order.read(Path(sys.argv[1]))).run()
    print(json.dumps(asdict(report)), flush=True)


if __name__ == "__main__":
    main()
