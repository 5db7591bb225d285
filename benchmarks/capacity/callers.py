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

from actors.percentiles import percentile
from actors.telephone import FRAME_S, audio_duration_ms
from benchmarks.capacity.peer_quality import PeerQuality
from benchmarks.capacity.scenario import PlannedCall, PlannedUtterance
from ingress.audiosocket import KIND_HANGUP, KIND_SLIN8, KIND_UUID, SLIN8_FRAME_BYTES
from ingress.caller.listening_quality import has_sound

ANSWER_DEADLINE_S: Final = 10.0
"""A caller waits for an answer for so long."""
AFTER_ANSWER_S: Final = 1.0
"""After the last sound of an answer; the server has no record of a turn that is cut short."""
LONGEST_NAP_S: Final = 0.05
PRIORITY: Final = 5
"""Real-time, where the machine allows it: below the media workers' if they have one."""


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
    """To the first frame with sound; None: nothing came before the caller stopped waiting."""
    waited_ms: float = 0.0
    """Until then, or until the caller stopped waiting."""


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

    cpu_percent: float
    """Of a core, over the whole time."""
    lateness_p99_ms: float
    lateness_maximum_ms: float
    """Of its own deadlines."""
    quality: PeerQuality


def _message(audio: bytes) -> bytes:
    padded = audio.ljust(SLIN8_FRAME_BYTES, b"\0")
    return bytes((KIND_SLIN8,)) + len(padded).to_bytes(2, "big") + padded


class Prompt:
    """One thing to say, as messages."""

    def __init__(self, file: str) -> None:
        audio = Path(file).read_bytes()
        starts = range(0, len(audio), SLIN8_FRAME_BYTES)
        self.messages = [_message(audio[at : at + SLIN8_FRAME_BYTES]) for at in starts]
        self.duration_s = audio_duration_ms(audio) / 1_000.0


_SILENCE = _message(b"")


class Caller:
    """One caller, from its connection on."""

    def __init__(self, plan: PlannedCall, prompts: list[Prompt], connection: socket.socket) -> None:
        self.connection = connection
        self.call: Call | None = None
        """None until the UUID has been sent."""
        self.arrived_s = array("d")
        self.samples = array("H")
        """Of each frame that came."""
        self._prompts = prompts
        self._stays_s = plan.stays_s
        self._to_say = list(reversed(plan.utterances))
        self._frames = 0
        self._speaking: list[bytes] = []
        """What is left of the utterance, last frame first."""
        self._unanswered: Said | None = None
        """Said, or being said, and not answered yet."""
        self._last_sound_s = 0.0
        """Of the server; what it sends between answers is zeros."""
        self._received = bytearray()

    def identify(self, now: float) -> None:
        """Send the UUID. Raises OSError."""
        call_id = uuid4()
        self.connection.send(bytes((KIND_UUID, 0, 16)) + call_id.bytes)
        self.call = Call(str(call_id), now)

    @property
    def began_s(self) -> float:
        """When the UUID was sent."""
        assert self.call is not None
        return self.call.began_s

    @property
    def due_s(self) -> float:
        """When the next frame has to leave."""
        return self.began_s + (self._frames + 1) * FRAME_S

    def speak(self) -> None:
        """Send the next frame. Raises OSError."""
        assert self.call is not None
        spoken_s = self._frames * FRAME_S
        if self._to_say and not self._speaking and spoken_s >= self._to_say[-1].at_s:
            self._stop_waiting(self.began_s + spoken_s)
            number = self._to_say.pop().prompt
            prompt = self._prompts[number]
            self._speaking = prompt.messages[::-1]
            self._unanswered = Said(number, self.began_s + spoken_s + prompt.duration_s)
            self.call.said.append(self._unanswered)
        self.connection.send(self._speaking.pop() if self._speaking else _SILENCE)
        self._frames += 1

    def is_over(self, now: float) -> bool:
        """Whether the call is over: its time has come, and no answer is awaited."""
        if now < self.began_s + self._stays_s or self._speaking:
            return False
        if self._unanswered is not None:
            return now >= self._unanswered.ended_s + ANSWER_DEADLINE_S
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

    def leave(self, now: float) -> Call:
        """Return the call, which is over, whichever side ended it."""
        assert self.call is not None
        self._stop_waiting(now)
        self.call.left_s = now
        return self.call

    def _take(self, audio: bytes, now: float) -> None:
        self.arrived_s.append(now)
        self.samples.append(len(audio) // 2)
        if audio.count(0) == len(audio):
            return
        self._last_sound_s = now
        said = self._unanswered
        if said is None or now < said.ended_s or not has_sound(audio):
            return
        said.answer_ms = said.waited_ms = (now - said.ended_s) * 1_000.0
        self._unanswered = None

    def _stop_waiting(self, now: float) -> None:
        if self._unanswered is not None:
            self._unanswered.waited_ms = max(0.0, now - self._unanswered.ended_s) * 1_000.0
            self._unanswered = None


class OpenLoop:
    """All callers of one order."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._prompts = [Prompt(file) for file in order.prompts]
        self._poller = select.epoll()
        self._callers: dict[int, Caller] = {}
        """By descriptor."""
        self._number = count()
        self._due: list[tuple[float, int, Caller | PlannedCall]] = []
        self._lateness_s = array("d")
        self._ended: list[Caller] = []
        for call in order.calls:
            self._push(order.begins_s + call.at_s, call)

    def run(self) -> CallersReport:
        """Make all calls, print each as it ends, and return the figures of all of them."""
        order = self._order
        with suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(PRIORITY))
        cpu_s, began_s = time.process_time(), time.monotonic()
        while (now := time.monotonic()) < order.ends_s:
            self._do_what_is_due(now)
            wait_s = self._due[0][0] - time.monotonic() if self._due else LONGEST_NAP_S
            for descriptor, _ in self._poller.poll(min(max(0.0, wait_s), LONGEST_NAP_S)):
                if descriptor in self._callers:
                    self._look(self._callers[descriptor])
        cpu_percent = 100.0 * (time.process_time() - cpu_s) / (time.monotonic() - began_s)
        for caller in tuple(self._callers.values()):
            self._leave(caller, now)
        self._poller.close()
        window = (order.counted_from_s, order.counted_until_s)
        each = (PeerQuality.of(it.arrived_s, it.samples, window) for it in self._ended)
        lateness_s = self._lateness_s or array("d", [0.0])
        return CallersReport(
            cpu_percent=cpu_percent,
            lateness_p99_ms=1_000.0 * percentile(lateness_s, 99),
            lateness_maximum_ms=1_000.0 * max(lateness_s),
            quality=sum(each, PeerQuality.nothing()),
        )

    def _push(self, at_s: float, what: Caller | PlannedCall) -> None:
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
        caller = Caller(plan, self._prompts, connection)
        self._callers[connection.fileno()] = caller
        self._poller.register(connection, select.EPOLLOUT)
        result = connection.connect_ex((self._order.host, self._order.port))
        if result not in (0, errno.EINPROGRESS):
            self._fail(caller, os.strerror(result))

    def _look(self, caller: Caller) -> None:
        now = time.monotonic()
        try:
            if caller.call is None:
                caller.identify(now)
                self._poller.modify(caller.connection, select.EPOLLIN)
                self._push(caller.due_s, caller)
            elif caller.hear(now):
                self._leave(caller, now)
        except OSError as error:
            self._fail(caller, error.strerror or str(error))

    def _speak(self, caller: Caller, now: float) -> None:
        try:
            caller.speak()
            self._push(caller.due_s, caller)
        except BlockingIOError:
            self._fail(caller, "the server reads nothing")
        except OSError as error:
            # A server that has hung up may have closed: its hangup is still to be read.
            with suppress(OSError):
                if caller.hear(now):
                    self._leave(caller, now)
                    return
            self._fail(caller, error.strerror or str(error))

    def _fail(self, caller: Caller, failure: str) -> None:
        caller.call = caller.call or Call("", time.monotonic())
        caller.call.failure = failure
        self._leave(caller, time.monotonic())

    def _leave(self, caller: Caller, now: float) -> None:
        del self._callers[caller.connection.fileno()]
        caller.connection.close()
        if caller.call is None:
            return
        self._ended.append(caller)
        print(json.dumps(asdict(caller.leave(now))), flush=True)


def main() -> None:
    """Carry out the order in the file that is named."""
    report = OpenLoop(Order.read(Path(sys.argv[1]))).run()
    print(json.dumps(asdict(report)), flush=True)


if __name__ == "__main__":
    main()
