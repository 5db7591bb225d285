"""The open loop of callers: over real sockets they speak on time, note what comes, and end in every way."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from actors.telephone import FRAME_S
from benchmarks.harness.callers import Caller, OpenLoop, messages


class TestCaller(Caller):
    """Says its frames, then hangs up."""

    __test__ = False

    def __init__(self, frames: Sequence[bytes]) -> None:
        super().__init__()
        self.said = frames
        self.heard: list[tuple[float, bytes]] = []

    def next_frame(self, number: int) -> bytes | None:
        return self.said[number] if number < len(self.said) else None

    def hear(self, audio: bytes, now: float) -> None:
        self.heard.append((now, audio))


@contextmanager
def echo(hangs_up_after: int | None = None, closes: bool = False) -> Iterator[int]:
    """Serve one call: send back what came after the UUID; then perhaps hang up, or close."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(19, socket.MSG_WAITALL)
            received = 0
            while data := connection.recv(4_096):
                connection.sendall(data)
                received += len(data)
                if closes:
                    return
                if hangs_up_after is not None and received >= hangs_up_after:
                    connection.sendall(b"\0\0\0")
                    while connection.recv(4_096):  # the caller closes
                        pass
                    return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(5.0)


FRAMES = messages(bytes(range(1, 101)) * 80)


def test_a_caller_speaks_on_time_and_notes_what_comes() -> None:
    """What it sent comes back whole; no frame leaves before its last sample would have been spoken."""
    caller = TestCaller(FRAMES)
    with echo() as port:
        report = OpenLoop(port, [(0.0, caller)]).run()
    assert caller.failure is None
    assert caller.hung_up_s is None
    assert b"".join(audio for _, audio in caller.heard) == b"".join(frame[3:] for frame in FRAMES)
    assert caller.identified_s is not None
    said_s = [at_s - caller.identified_s for at_s, _ in caller.heard]
    assert all(late_s >= (number + 1) * FRAME_S - 1e-6 for number, late_s in enumerate(said_s))
    assert report.lateness_max_ms >= report.lateness_p99_ms >= 0.0
    assert report.ended_s - report.began_s < 5.0


def test_a_hangup_ends_a_call_and_a_close_without_one_is_a_failure() -> None:
    """And so is a server that is not there."""
    hung_up, closed, refused = (TestCaller(FRAMES) for _ in range(3))
    with echo(hangs_up_after=900) as port:
        OpenLoop(port, [(0.0, hung_up)]).run(2.0)
    assert hung_up.hung_up_s is not None
    assert hung_up.failure is None
    assert 2 <= len(hung_up.heard) < len(FRAMES)
    with echo(closes=True) as port:
        OpenLoop(port, [(0.0, closed)]).run(2.0)
    assert closed.failure is not None
    OpenLoop(port, [(0.0, refused)]).run(0.5)
    assert refused.failure is not None
    assert refused.identified_s is not None


def test_callers_come_at_their_times_and_leave_at_the_end() -> None:
    """Also without an answer, and the second one does not wait for the first."""
    first, second = TestCaller(FRAMES * 10), TestCaller(FRAMES * 10)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        report = OpenLoop(listener.getsockname()[1], [(0.0, first), (0.1, second)]).run(0.3)
    assert first.identified_s is not None
    assert second.identified_s is not None
    assert second.identified_s - first.identified_s >= 0.099
    assert first.left_s == second.left_s == report.ended_s
    assert report.invalid_because(most_ms=1e9, most_cpu_percent=1e9) == []
    assert len(report.invalid_because(most_ms=-1.0, most_cpu_percent=-1.0)) == 2
