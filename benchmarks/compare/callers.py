"""The callers, in a process of their own: they say their script and keep what they hear.

One thread and epoll. A frame leaves every 20 ms from the UUID on, as from Asterisk; a server that does
not take one has lost the call, as there. What arrives is noted with its time and kept whole, and looked at
when all is over. Where the machine allows it the process goes ahead of all others: with two cores the
server cannot have them to itself, and a late caller would measure nothing. Its own deadlines are checked.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from actors.errors import RaymalError
from actors.telephone import FRAME_BYTES
from benchmarks.compare.script import FRAME_S, Recording, Spoken, recordings, script
from benchmarks.pacing.callers import callers as pacing_callers
from ingress.audiosocket import KIND_HANGUP, KIND_SLIN8, KIND_UUID
from ingress.caller.listening_quality import percentile

PRIORITY = 5
SPACING_S = 0.013
"""Between two calls' beginnings: their ticks are spread."""
MAXIMUM_LATENESS_MS = 5.0
"""Of its own deadlines, at p99."""
MAXIMUM_CPU_PERCENT = 50.0
REPORT_MARGIN_S = 20.0
LONGEST_NAP_S = 0.05

HEARD: Final = np.dtype([("at_s", "<f8"), ("call", "<u4"), ("bytes", "<u4")])
"""One message of audio."""
Heard: TypeAlias = NDArray[np.void]


class CallersError(RaymalError):
    """The callers failed."""


@dataclass(frozen=True, slots=True)
class CallersReport:
    """What they say of themselves, over the whole time."""

    identified_s: Sequence[float]
    """When each call's UUID was sent, on the clock that all processes share; 0.0: it could not call."""
    lost_calls: int
    """That the server refused, ended, or did not read."""
    cpu_percent: float
    lateness_p99_ms: float
    lateness_max_ms: float

    def invalid_because(self) -> list[str]:
        """Return why a measurement made with them says nothing; empty if it is valid."""
        reasons = []
        if self.cpu_percent > MAXIMUM_CPU_PERCENT:
            reasons.append(f"the callers used {self.cpu_percent:.0f} % of a core")
        if self.lateness_p99_ms > MAXIMUM_LATENESS_MS:
            reasons.append(f"the callers were {self.lateness_p99_ms:.0f} ms late at p99")
        return reasons


class Calling:
    """The running process."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path, seconds: float) -> None:
        self._process = process
        self._folder = folder
        self._seconds = seconds

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def wait_began(self, deadline_s: float = 20.0) -> None:
        """Return when the first call is placed. Raises CallersError."""
        give_up_s = time.monotonic() + deadline_s
        while not (self._folder / "began").exists():
            if self._process.poll() is not None or time.monotonic() > give_up_s:
                raise CallersError(f"the callers did not begin: {self._errors()}")
            time.sleep(0.02)

    def heard(self) -> tuple[CallersReport, Heard, NDArray[np.int16]]:
        """Wait until all is over; return their report, the frames, and the frames' audio one after the other.

        Raises CallersError.
        """
        try:
            code = self._process.wait(self._seconds + REPORT_MARGIN_S)
        except subprocess.TimeoutExpired as error:
            raise CallersError("the callers did not end") from error
        if code:
            raise CallersError(f"the callers failed: {self._errors() or code}")
        report = CallersReport(**json.loads((self._folder / "report").read_text()))
        frames = np.fromfile(self._folder / "frames", HEARD)
        return report, frames, np.fromfile(self._folder / "audio", "<i2")

    def _errors(self) -> str:
        return (self._folder / "errors").read_text(errors="replace").strip()[-500:]


@contextmanager
def calling(port: int, calls: int, seconds: float, seed: int) -> Iterator[Calling]:
    """Call a server on this machine; the calls are cut off if the body leaves before they are over."""
    goes_ahead = os.geteuid() == 0 and shutil.which("chrt") is not None
    with tempfile.TemporaryDirectory(prefix="compare-") as name:
        folder = Path(name)
        command = [
            *(("chrt", "--rr", str(PRIORITY)) if goes_ahead else ()),
            sys.executable, "-m", "benchmarks.compare.callers", "--port", str(port), "--calls", str(calls),
            "--seconds", str(seconds), "--seed", str(seed), "--folder", name,
        ]  # fmt: skip
        with (folder / "errors").open("wb") as errors:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=errors)
        try:
            yield Calling(process, folder, seconds)
        finally:
            process.kill()
            process.wait()


def message(payload: bytes) -> bytes:
    """Return one audio message."""
    return bytes((KIND_SLIN8,)) + len(payload).to_bytes(2, "big") + payload


def messages(audio: bytes) -> list[bytes]:
    """Return audio as messages of 20 ms, the last one filled up with silence."""
    return [
        message(audio[at : at + FRAME_BYTES].ljust(FRAME_BYTES, b"\0"))
        for at in range(0, len(audio), FRAME_BYTES)
    ]


def lines(
    scripts: Sequence[Sequence[Spoken]], said: Sequence[Recording], seconds: float
) -> list[list[bytes]]:
    """Return what each call sends, frame by frame: the sound of a quiet line, and the utterances."""
    quiet = messages(pacing_callers().quiet.astype("<i2").tobytes())
    spoken = [messages(recording.audio) for recording in said]
    sent = []
    for number, its_script in enumerate(scripts):
        line = [quiet[(number * 7 + at) % len(quiet)] for at in range(round(seconds / FRAME_S))]
        for utterance in its_script:
            begin = round(utterance.begins_s / FRAME_S)
            words = spoken[utterance.recording][: len(line) - begin]
            line[begin : begin + len(words)] = words
        sent.append(line)
    return sent


class _Call:
    """One connection."""

    __slots__ = ("connection", "frames_sent", "identified_s", "line", "number", "received")

    def __init__(self, number: int, line: Sequence[bytes]) -> None:
        self.number = number
        self.line = line
        self.connection: socket.socket | None = None
        self.identified_s = 0.0
        self.frames_sent = 0
        self.received = bytearray()


class Callers:
    """All calls of one measurement."""

    def __init__(self, port: int, sent: Sequence[Sequence[bytes]]) -> None:
        self._port = port
        self._calls = [_Call(number, line) for number, line in enumerate(sent)]
        self._poller = select.epoll()
        self._by_descriptor: dict[int, _Call] = {}
        self._lateness_s: list[float] = []
        self._lost = 0
        self.frames: list[tuple[float, int, int]] = []
        self.audio: list[bytes] = []

    def run(self, on_begin: Callable[[], None] = lambda: None) -> CallersReport:
        """Place the calls and let each say its line to the end."""
        began_s = time.monotonic() + 0.1
        on_begin()
        cpu_s = time.process_time()
        due = [(began_s + call.number * SPACING_S, call.number) for call in self._calls]
        while due:
            now = time.monotonic()
            while due and due[0][0] <= now:
                at_s, number = heapq.heappop(due)
                next_s = self._act(self._calls[number], at_s)
                self._lateness_s.append(time.monotonic() - at_s)
                if next_s is not None:
                    heapq.heappush(due, (next_s, number))
            wait_s = due[0][0] - time.monotonic() if due else 0.0
            for descriptor, _ in self._poller.poll(min(max(0.0, wait_s), LONGEST_NAP_S)):
                if descriptor in self._by_descriptor:
                    self._hear(self._by_descriptor[descriptor])
        cpu_s = time.process_time() - cpu_s
        return CallersReport(
            identified_s=[call.identified_s for call in self._calls],
            lost_calls=self._lost,
            cpu_percent=100.0 * cpu_s / (time.monotonic() - began_s),
            lateness_p99_ms=1_000.0 * percentile(self._lateness_s, 99),
            lateness_max_ms=1_000.0 * max(self._lateness_s),
        )

    def _act(self, call: _Call, at_s: float) -> float | None:
        """Do what is due; return when the next is due, None if nothing is."""
        if not call.identified_s:
            if self._connect(call):
                call.identified_s = at_s
                return at_s + FRAME_S
            return None
        if call.connection is None:  # lost
            return None
        if call.frames_sent == len(call.line):
            self._leave(call)
            return None
        try:
            frame = call.line[call.frames_sent]
            if call.connection.send(frame) < len(frame):
                raise BlockingIOError
        except OSError:
            self._lose(call)
            return None
        call.frames_sent += 1
        # A frame is due when its last sample has been spoken.
        return call.identified_s + (call.frames_sent + 1) * FRAME_S

    def _connect(self, call: _Call) -> bool:
        try:
            connection = socket.create_connection(("127.0.0.1", self._port), timeout=2.0)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setblocking(False)
            connection.send(bytes((KIND_UUID, 0, 16)) + uuid.uuid4().bytes)
        except OSError:
            self._lost += 1
            return False
        call.connection = connection
        self._by_descriptor[connection.fileno()] = call
        self._poller.register(connection, select.EPOLLIN)
        return True

    def _hear(self, call: _Call) -> None:
        now = time.monotonic()
        assert call.connection is not None
        try:
            data = call.connection.recv(65_536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lose(call)
            return
        received = call.received
        received += data
        while len(received) >= 3 and len(received) >= (end := 3 + int.from_bytes(received[1:3], "big")):
            if received[0] == KIND_HANGUP:
                self._lose(call)
                return
            if received[0] == KIND_SLIN8 and end > 3:
                self.frames.append((now, call.number, end - 3))
                self.audio.append(bytes(received[3:end]))
            del received[:end]

    def _lose(self, call: _Call) -> None:
        self._lost += 1
        self._leave(call)

    def _leave(self, call: _Call) -> None:
        assert call.connection is not None
        del self._by_descriptor[call.connection.fileno()]
        call.connection.close()
        call.connection = None


def main() -> None:
    """Call, and leave the report, the frames and the audio in the folder."""
    parser = argparse.ArgumentParser()
    for name, kind in (("port", int), ("calls", int), ("seconds", float), ("seed", int), ("folder", Path)):
        parser.add_argument(f"--{name}", type=kind, required=True)
    options = parser.parse_args()
    said = recordings()
    scripts = script(options.calls, options.seconds, said, options.seed)
    callers = Callers(options.port, lines(scripts, said, options.seconds))
    report = callers.run(on_begin=(options.folder / "began").touch)
    np.array(callers.frames, HEARD).tofile(options.folder / "frames")
    (options.folder / "audio").write_bytes(b"".join(callers.audio))
    (options.folder / "report").write_text(json.dumps(asdict(report)))


if __name__ == "__main__":
    main()
