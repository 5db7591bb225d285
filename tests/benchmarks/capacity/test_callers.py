"""The callers measure what they say they do: against servers whose behaviour is known to the millisecond."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from running_server import QUICK, SCRIPTED, running_server

from actors.messages import WorkKind
from actors.telephone import FRAME_S
from benchmarks.capacity.agenda import Timing
from benchmarks.capacity.callers import Call, CallersReport, Order
from benchmarks.capacity.crowd import crowd
from benchmarks.capacity.prompts import scripted_prompts
from benchmarks.capacity.result import Objectives
from benchmarks.capacity.scenario import PlannedCall, PlannedUtterance, Scenario
from benchmarks.capacity.subject import running
from benchmarks.capacity.trial import Trials
from benchmarks.capacity.validity import MAXIMUM_CPU_PERCENT, MAXIMUM_LATENESS_MS

LOUD = bytes((0x10, 1, 64)) + b"\x00\x20\x00\xe0" * 80
SILENT = bytes((0x10, 1, 64)) + bytes(320)
ANSWER_S = 0.25
ERROR_MS = 12.0
"""What the two processes' own scheduling may add; a frame of the answer's clock comes on top."""


class KnownServer:
    """Silence from the first byte on; sound `delay_s` after the caller's last sound; perhaps one pause."""

    def __init__(self, delay_s: float | None, pause_s: float = 0.0, hangs_up_after_s: float = 1e9) -> None:
        self._delay_s = delay_s
        self._pause_s = pause_s
        self._hangs_up_after_s = hangs_up_after_s
        self.hung_up_s: list[float] = []
        """When it hung up, by the monotonic clock."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)

    @contextmanager
    def running(self) -> Iterator[KnownServer]:
        """Serve until the body leaves."""
        self._accepting.start()
        try:
            yield self
        finally:
            self.stop()

    def stop(self) -> None:
        """Accept nothing any more, and wait for the calls to end. Idempotent."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._threads.append(threading.Thread(target=self._serve, args=(connection,), daemon=True))
                self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection, suppress(OSError):
            received = bytearray()
            began_s = due_s = time.monotonic()
            loud_s: float | None = None
            has_paused = False
            while True:
                due_s += FRAME_S
                if self._pause_s and not has_paused and due_s - began_s > 1.5:
                    has_paused = True
                    due_s += self._pause_s
                while (wait_s := due_s - time.monotonic()) > 0:
                    if select.select([connection], [], [], wait_s)[0]:
                        if not (data := connection.recv(65_536)):
                            return
                        received += data
                        if _last_is_loud(received):
                            loud_s = time.monotonic()
                if due_s - began_s > self._hangs_up_after_s:
                    self.hung_up_s.append(time.monotonic())
                    connection.send(bytes(3))
                    return
                is_answering = (
                    self._delay_s is not None
                    and loud_s is not None
                    and self._delay_s <= due_s - loud_s < self._delay_s + ANSWER_S
                )
                connection.send(LOUD if is_answering else SILENT)


def _last_is_loud(received: bytearray) -> bool:
    """Take whole messages off; return whether there was sound in any of them."""
    is_loud = False
    while len(received) >= 3 and len(received) >= (end := 3 + int.from_bytes(received[1:3], "big")):
        is_loud |= received[0] == 0x10 and any(received[3:end])
        del received[:end]
    return is_loud


STARTS_S = 3.0
"""Until then all processes of callers have started, all at the same time."""
SOUND = b"\x00\x20\x00\xe0" * 1_600
"""0.4 s of it: whole frames."""


async def called(
    server: KnownServer,
    calls: list[PlannedCall],
    seconds: float,
    stalled_s: tuple[float, float] | None = None,
) -> tuple[list[Call], CallersReport]:
    """Let these callers call; return what each saw and the report.

    `stalled_s`: from when until when their process stands still.
    """
    now = time.monotonic() + STARTS_S
    ended: list[Call] = []
    order = Order("127.0.0.1", server.port, now, now, now + seconds - 0.2, now + seconds, calls, [SOUND])
    async with crowd(order, len(calls), ended.append) as callers:
        if stalled_s is not None:
            for at_s, number in zip(stalled_s, (signal.SIGSTOP, signal.SIGCONT), strict=True):
                await asyncio.sleep(now + at_s - time.monotonic())
                os.kill(callers.process_ids[0], number)
        (report,) = await callers.reports(seconds + 20.0)
    return ended, report


def calls_of(number: int, stays_s: float, *speaks_s: float) -> list[PlannedCall]:
    """Return that many calls, a little apart, that speak at these times."""
    return [
        PlannedCall(0.013 * each, stays_s, tuple(PlannedUtterance(at_s, 0) for at_s in speaks_s))
        for each in range(number)
    ]


Seen = tuple[list[Call], CallersReport]
DELAY_S = 0.4


@pytest.fixture(scope="module")
def servers() -> dict[str, KnownServer]:
    """Return the servers that are called."""
    return {
        "answers": KnownServer(DELAY_S),
        "answers callers that stood still": KnownServer(0.5),
        "pauses": KnownServer(None, pause_s=0.18),
        "is silent": KnownServer(None),
        "hangs up": KnownServer(None, hangs_up_after_s=0.6),
        "refuses": KnownServer(None),
    }


@pytest.fixture(scope="module")
def seen(servers: dict[str, KnownServer]) -> dict[str, Seen]:
    """Return what the callers of each server saw: all call at the same time, each by a process of its own."""

    async def all_called() -> list[Seen]:
        return await asyncio.gather(
            called(servers["answers"], calls_of(8, 5.0, 0.5, 2.5), 4.5),
            called(servers["answers callers that stood still"], calls_of(1, 6.0, 1.0), 3.0, (1.2, 1.5)),
            called(servers["pauses"], calls_of(4, 5.0), 3.5),
            called(servers["is silent"], calls_of(2, 6.0, 0.5, 2.0), 4.5),
            called(servers["hangs up"], calls_of(3, 6.0, 3.0), 2.0),
            called(servers["refuses"], calls_of(2, 3.0), 1.0),
        )

    with ExitStack() as running_servers:
        for server in servers.values():
            running_servers.enter_context(server.running())
        servers["refuses"].stop()
        return dict(zip(servers, asyncio.run(all_called()), strict=True))


def test_answers_are_timed_to_the_frame(seen: dict[str, Seen]) -> None:
    """Turn times are the server's delay, plus at most a frame of its clock and the stated error."""
    ended, report = seen["answers"]
    times_ms = [said.answer_ms for call in ended for said in call.said]
    assert len(times_ms) == 16
    for time_ms in times_ms:
        assert time_ms is not None
        assert DELAY_S * 1_000 - 1.0 <= time_ms <= (DELAY_S + FRAME_S) * 1_000 + ERROR_MS
    assert not any(call.was_hung_up_on or call.failure for call in ended)
    assert report.loop.invalid_because(MAXIMUM_LATENESS_MS, MAXIMUM_CPU_PERCENT) == []


def test_callers_that_were_late_count_it_against_the_server_and_say_so(seen: dict[str, Seen]) -> None:
    """They stand still until 100 ms after their speech should have ended: that is in the time."""
    ended, report = seen["answers callers that stood still"]
    (answer_ms,) = [said.answer_ms for call in ended for said in call.said]
    assert answer_ms is not None
    assert 580.0 <= answer_ms <= 650.0
    assert report.loop.lateness_max_ms == pytest.approx(300.0, abs=40.0)
    (reason,) = report.loop.invalid_because(MAXIMUM_LATENESS_MS, MAXIMUM_CPU_PERCENT)
    assert "late at p99" in reason


def test_a_pause_of_the_server_is_seen_as_it_was(seen: dict[str, Seen]) -> None:
    """One stall of 180 ms in each call is a hole in each, and lateness of that much from then on.

    The phone's buffer is empty from then on, so that a millisecond later is one more hole.
    """
    (_, calm), (_, report) = seen["is silent"], seen["pauses"]
    assert calm.quality.underruns == 0
    assert calm.quality.percentile_ms(99) < 60.0
    assert report.quality.underruns >= 4
    assert report.quality.percentile_ms(99) == pytest.approx(180.0, abs=ERROR_MS)
    assert report.quality.percentile_ms(30) < ERROR_MS


def test_a_turn_without_an_answer_is_none_and_the_next_is_asked_all_the_same(seen: dict[str, Seen]) -> None:
    """A silent server does not slow its callers down: the time waited for it is what counts."""
    ended, _ = seen["is silent"]
    for call in ended:
        assert [said.answer_ms for said in call.said] == [None, None]
        assert call.said[0].waited_ms == pytest.approx(1_100.0, abs=40.0)
        assert call.said[1].ended_s - call.said[0].ended_s == pytest.approx(1.5, abs=0.021)


def test_a_hangup_of_the_server_ends_the_call(seen: dict[str, Seen], servers: dict[str, KnownServer]) -> None:
    """Who is hung up on says so, and sends nothing more."""
    ended, _ = seen["hangs up"]
    assert [call.was_hung_up_on for call in ended] == [True] * 3
    left_s = sorted(call.left_s for call in ended)
    for noticed_s, hung_up_s in zip(left_s, sorted(servers["hangs up"].hung_up_s), strict=True):
        assert 0.0 <= noticed_s - hung_up_s <= 0.1


def test_refused_connections_are_failures_and_no_exceptions(seen: dict[str, Seen]) -> None:
    """Each is a call that failed."""
    ended, _ = seen["refuses"]
    assert [bool(call.failure) for call in ended] == [True, True]


STT_S, TTS_S, END_SILENCE_S = 0.6, 0.2, 0.5


async def test_a_real_server_with_scripted_engines_is_measured_right() -> None:
    """End of silence, transcription, synthesis: the sum of the configured delays, to 60 ms.

    Transcription does not begin ahead, so that nothing overlaps. Every turn is found in the server's own
    record, with the words that the engine always hears, and the work is what the engines slept.
    """
    flags = (
        *SCRIPTED,
        *QUICK,
        "--keep-transcripts",
        *("--max-transcriptions", "4", "--max-syntheses", "4"),
        *("--set", f"speech.scripted.stt_delay_s={STT_S}", "--set", f"speech.scripted.tts_delay_s={TTS_S}"),
        *(
            "--set",
            "endpointing.pause_ms=0",
            "--set",
            f"endpointing.end_silence_ms={END_SILENCE_S * 1000:.0f}",
        ),
        *("--set", "throttle.enabled=false", "--set", "cache.memory_bytes=0"),
    )
    with (
        tempfile.TemporaryDirectory(prefix="raymal-") as folder,
        running_server(Path(folder), *flags) as server,
    ):
        subject = await running(server.port)
        prompts = scripted_prompts("hello")
        scenario = Scenario([prompts[0].duration_s], period_s=4.0, call_s=60.0)
        trials = Trials(subject, prompts, scenario, Objectives())
        trial = await trials.run(6, Timing(3.0, 6.0, 2.0), 1)
    step = trial.step
    expected_ms = (END_SILENCE_S + STT_S + TTS_S) * 1_000.0
    assert step.turns >= 4
    assert step.content_errors == step.refused_calls == step.dropped_calls == 0
    assert step.turn_p50_ms is not None
    assert expected_ms - 20.0 <= step.turn_p50_ms <= expected_ms + 60.0
    assert step.stages_ms["transcription"] == pytest.approx(STT_S * 1_000, abs=30.0)
    assert trial.services[WorkKind.TRANSCRIPTION].mean_ms == pytest.approx(STT_S * 1_000, abs=30.0)
    assert trial.services[WorkKind.SYNTHESIS].mean_ms == pytest.approx(TTS_S * 1_000, abs=30.0)
    assert trial.services[WorkKind.TRANSCRIPTION].slots == 4
    assert step.cores["media"] > 0
    assert step.memory_bytes > 2**20
