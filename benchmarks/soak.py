"""One server for a long time: nothing may grow, slow down or drift.

What is measured is in benchmarks/README.md. Growth is judged in a run of any length, a slope from an hour
on: stretched to an hour, that of minutes says little. For drift the best frame of ten seconds at either end
counts, so that one late frame is not taken for it.

Run as `python -m benchmarks.soak --minutes 10`. Exit code 1 if a criterion is missed, 2 if it could not be
run or was disturbed.
"""

from __future__ import annotations

import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from statistics import median

import numpy as np
import psutil
from rich.console import Console

from benchmarks.faults.crowd import Crowd, Guest
from benchmarks.faults.reference import Quality, calm_quality, reference_calls
from benchmarks.harness import command
from benchmarks.harness.arrivals import Judgement, judge
from benchmarks.harness.command import Report, progress_bar
from benchmarks.harness.outcomes import Outcome, at_most, judged, shown
from benchmarks.harness.server import TONE, Server, command_line, wait_for
from benchmarks.harness.strict_peer import CallReport, Ending, StrictCall, voice
from benchmarks.harness.workplace import Workplace
from ingress.caller.listening_quality import ReceivedFrame
from ingress.gateway.call_log import KEPT_RECORDS

PROGRAM = "benchmarks.soak"
SHORT_CALL_S = 2.0
SHORT_CALLS_AT_A_TIME = 8
SAMPLE_S = 1.0
QUALITY_S = 60.0
DRIFT_WINDOW_S = 10.0
WARM_UP_SHARE = 0.2
GROWTH_MIB = 2.0
SLOPE_MIB = 1.0
"""An hour, for each hundred calls."""
ADDED_LATENESS_MS = 5.0
DRIFT_MS = 5.0
"""In ten minutes."""
SETTLE_S = 15.0
SPARE_DESCRIPTORS = 1
"""The one that a media worker keeps in reserve may be in use for an instant."""


@dataclass(slots=True)
class Memory:
    """Resident memory over time, by process."""

    at_s: list[float] = field(default_factory=list)
    bytes_of: dict[str, list[int]] = field(default_factory=dict)

    def sample(self, server: Server) -> None:
        """Take one sample."""
        self.at_s.append(time.monotonic())
        for process in server.tree():
            words = command_line(process)
            name = next((name for name in ("gateway", "media-worker", "serve") if name in words), "other")
            with suppress(psutil.Error):
                self.bytes_of.setdefault(f"{name} {process.pid}", []).append(process.memory_info().rss)

    def total_bytes(self) -> list[int]:
        """Return all processes together, sample by sample."""
        return [sum(sample) for sample in zip(*self.bytes_of.values(), strict=True)]

    def growth_bytes(self, samples: Sequence[int]) -> float:
        """Return last tenth less first tenth, of what follows the warm-up."""
        steady = samples[round(len(samples) * WARM_UP_SHARE) :]
        tenth = max(1, len(steady) // 10)
        return median(steady[-tenth:]) - median(steady[:tenth])

    def slope_bytes_per_hour(self) -> float:
        """Return the straight line through what follows the warm-up (least squares)."""
        begin = round(len(self.at_s) * WARM_UP_SHARE)
        line = np.polyfit(np.array(self.at_s[begin:]), np.array(self.total_bytes()[begin:]), 1)
        return float(line[0]) * 3600


@dataclass(frozen=True, slots=True)
class Soaked:
    """What was measured."""

    calls: int
    minutes: float
    before: tuple[int, int]
    after: tuple[int, int]
    """Descriptors and threads of all processes."""
    memory: Memory
    first: Judgement
    last: Judgement
    steady: Quality
    short: Sequence[CallReport]
    long: CallReport
    drift_ms: float

    def outcomes(self) -> list[Outcome]:
        """Judge it."""
        calls = (*self.short, self.long)
        bad = [call for call in calls if call.ending is not Ending.CALLER or call.violations]
        reasons = sorted({rule for call in bad for rule in (call.violations or (call.ending.value,))})
        lost = self.steady.report.lost_calls
        first, last, is_disturbed = self.first, self.last, self.steady.is_disturbed
        first_ms, last_ms = first.lateness_at_ms(99.9), last.lateness_at_ms(99.9)
        limit_ms = DRIFT_MS * max(1.0, self.minutes / 10)
        return [
            judged(
                "calls dropped or ended",
                "none",
                f"{lost} of {self.calls} steady, {len(bad)} of {len(self.short)} short and the long one"
                + (f" ({'; '.join(reasons)})" if reasons else ""),
                not bad and not lost,
            ),
            *self._memory(),
            judged(
                "descriptors, threads: back to where they began",
                f"{self.before[0]}, {self.before[1]}",
                f"{self.after[0]}, {self.after[1]}",
                self.after[0] <= self.before[0] + SPARE_DESCRIPTORS and self.after[1] <= self.before[1],
            ),
            judged(
                "p99.9 lateness at the end",
                f"{ADDED_LATENESS_MS:g} ms above the beginning's",
                f"{last_ms:.1f} ms (beginning {first_ms:.1f} ms)",
                last_ms <= first_ms + ADDED_LATENESS_MS,
                is_disturbed,
            ),
            judged(
                "gaps of 100 ms, holes at 60 ms, at the end",
                "no more than at the beginning",
                f"{last.long_gaps}, {last.holes} (beginning {first.long_gaps}, {first.holes})",
                last.long_gaps <= first.long_gaps and last.holes <= first.holes,
                is_disturbed,
            ),
            at_most("drift of the long call", limit_ms, abs(self.drift_ms), "ms", is_disturbed),
            shown("CPU", f"{self.steady.use}"),
        ]

    def _memory(self) -> list[Outcome]:
        memory = self.memory
        growth = memory.growth_bytes(memory.total_bytes())
        by_process = (
            f"{name} {memory.growth_bytes(each) / 2**20:+.2f}" for name, each in memory.bytes_of.items()
        )
        limit_mib = GROWTH_MIB * max(1.0, self.minutes / 60)
        note = f" ({', '.join(by_process)})"
        rows = [at_most("memory, growth after the warm-up", limit_mib, growth / 2**20, "MiB", note=note)]
        if self.minutes >= 60:
            per_100_mib = memory.slope_bytes_per_hour() * 100 / self.calls / 2**20
            rows.append(at_most("memory, slope an hour and 100 calls", SLOPE_MIB, per_100_mib, "MiB"))
        return rows


@contextmanager
def short_calls(port: int) -> Iterator[list[CallReport]]:
    """Place calls of two seconds, one after the other, a few at a time; yield their reports so far."""
    reports: list[CallReport] = []
    must_end = threading.Event()

    def call_again_and_again(share: float) -> None:
        must_end.wait(share * SHORT_CALL_S)  # not all at the same instant
        while not must_end.is_set():
            said = voice(SHORT_CALL_S)
            call = StrictCall(port, outgoing=said, seconds=SHORT_CALL_S, keeps_audio=False)
            reports.append(call.start().wait())

    with ThreadPoolExecutor(SHORT_CALLS_AT_A_TIME) as threads:
        shares = (number / SHORT_CALLS_AT_A_TIME for number in range(SHORT_CALLS_AT_A_TIME))
        running = [threads.submit(call_again_and_again, share) for share in shares]
        try:
            yield reports
        finally:
            must_end.set()
        for each in running:
            each.result()  # raises what went wrong in a peer itself


def drift_ms(frames: Sequence[ReceivedFrame], window_s: float = DRIFT_WINDOW_S) -> float:
    """Return how much later the best frame of the last `window_s` came than that of the first.

    Positive: the audio runs slower than the clock.
    """
    began_s, ended_s, audio_s = frames[0].arrived_s, frames[-1].arrived_s, 0.0
    first: list[float] = []
    last: list[float] = []
    for frame in frames:
        zero_s = frame.arrived_s - audio_s
        audio_s += frame.duration_s
        if frame.arrived_s < began_s + window_s:
            first.append(zero_s)
        if frame.arrived_s > ended_s - window_s:
            last.append(zero_s)
    return (min(last) - min(first)) * 1000


def soak(place: Workplace, minutes: float, calls: int, on_second: Callable[[float], None]) -> Soaked:
    """Run it all on a fresh server. Raises RaymalError."""
    seconds = minutes * 60
    most_calls = str(calls + SHORT_CALLS_AT_A_TIME + 50)
    with place.serving(*TONE, "--max-calls", most_calls) as server:
        calm_quality(place, server)
        _fill_records(server)
        wait_for(lambda: not server.calls(), SETTLE_S)
        before, memory = _holdings(server), Memory()
        long = StrictCall(server.port, outgoing=voice(seconds + 60), keeps_audio=False)
        with (
            reference_calls(place, server, seconds, calls) as reference,
            short_calls(server.port) as short,
            long,
        ):
            began_s = time.monotonic()
            while (passed_s := time.monotonic() - began_s) < seconds:
                memory.sample(server)
                on_second(passed_s)
                time.sleep(SAMPLE_S)
            steady = reference()
        report = long.wait()
        wait_for(lambda: not server.calls(), SETTLE_S)
        wait_for(lambda: _holdings(server)[0] <= before[0], SETTLE_S)
        after = _holdings(server)
    first, last = ends(steady, calls, min(QUALITY_S, seconds / 4))
    drifted_ms = drift_ms(long.arrivals, min(DRIFT_WINDOW_S, seconds / 4))
    return Soaked(calls, minutes, before, after, memory, first, last, steady, short, report, drifted_ms)


def _fill_records(server: Server) -> None:
    """Place as many calls as the gateway keeps records of: from then on they take no more memory."""
    named = b"\x01\x00\x10"
    guests = [Guest("first", [(0.0, named + uuid.uuid4().bytes)]) for _ in range(KEPT_RECORDS)]
    with Crowd(server.port, guests, per_second=100.0, stays_s=0.2):
        pass


def ends(steady: Quality, calls: int, window_s: float) -> tuple[Judgement, Judgement]:
    """Return the first and the last `window_s` of the steady calls."""
    arrivals, report = steady.arrivals, steady.report
    first = arrivals[arrivals["at_s"] < report.measured_from_s + window_s]
    last = arrivals[arrivals["at_s"] >= report.measured_until_s - window_s]
    return judge(first, calls, window_s), judge(last, calls, window_s)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the soak and return the exit code."""
    parser = command.parser(PROGRAM, __doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="1 to 60 (10)")
    parser.add_argument("--calls", type=int, default=100, help="at a time, all the time (100)")
    options = parser.parse_args(arguments)
    minutes, calls = options.minutes, options.calls
    if not 1 <= minutes <= 60 or not 1 <= calls <= 900:
        parser.error("1 to 60 minutes, 1 to 900 calls")

    def measure(console: Console) -> Report:
        with progress_bar(console) as progress:
            bar = progress.add_task(f"{calls} calls", total=round(minutes * 60))

            def show(passed_s: float) -> None:
                progress.update(bar, completed=round(passed_s), refresh=True)

            found = soak(Workplace.here(), minutes, calls, show)
        figures = {"memory": {"seconds": found.memory.at_s, "bytes": found.memory.bytes_of}}
        return Report({f"soak, {minutes:g} min": found.outcomes()}, figures=figures)

    return command.run(PROGRAM, ("numpy", "uvloop", "webrtcvad-wheels"), measure, options.json, arguments)


def _holdings(server: Server) -> tuple[int, int]:
    """Return the descriptors and threads of all processes of a server."""
    tree = server.tree()
    return sum(each.num_fds() for each in tree), sum(each.num_threads() for each in tree)


if __name__ == "__main__":
    sys.exit(main())
