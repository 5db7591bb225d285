"""One server for a long time: nothing may grow, slow down or drift.

A steady number of calls (the C load generator), thousands of calls of two seconds beside them, a few at a
time, and one call for the whole time, both from the strict peer, which drops what Asterisk would drop.

- *memory* is the resident memory of all the server's processes. After the warm-up, a fifth of the time, a
  run of less than an hour is judged by its growth: median of the last tenth less median of the first tenth.
  (A slope of minutes, stretched to an hour, says little.) From an hour on the slope is judged as well.
- *quality* is that of the steady calls: the last minute against the first, or the last quarter of the time
  against the first if that is shorter.
- *drift* is the long call's: its audio against the clock. The best frame of the first ten seconds is
  compared with the best of the last ten, so that one late frame at either end is not taken for drift.
- *left behind*: descriptors and threads of every process, before the first call and after the last.

Run as `python -m benchmarks.soak --minutes 10`. Exit code 1 if a criterion is missed, 2 if it could not be
run or was disturbed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import numpy as np
import psutil
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from actors.errors import RaymalError
from benchmarks.faults.crowd import Crowd, Guest
from benchmarks.faults.reference import Quality, calm_quality, reference_calls
from benchmarks.faults.report import outcome_table, write_figures
from benchmarks.faults.server import Server, serving, wait_for
from benchmarks.faults.verdicts import Outcome, exit_code, judged, shown
from benchmarks.faults.workplace import Workplace, check_machine, workplace
from benchmarks.harness.machine import Machine
from benchmarks.harness.strict_peer import CallReport, Ending, StrictCall, voice
from benchmarks.pacing.judgement import Judgement, judge
from ingress.caller.listening_quality import PHONE_BUFFER_MS, ReceivedFrame
from ingress.gateway.call_log import KEPT_RECORDS

SHORT_CALL_S = 2.0
SHORT_CALLS_AT_A_TIME = 8
SAMPLE_S = 1.0
QUALITY_S = 60.0
DRIFT_WINDOW_S = 10.0
WARM_UP_SHARE = 0.2
GROWTH_BYTES = 2 * 2**20
SLOPE_BYTES = 2**20
"""An hour, for each hundred calls."""
ADDED_LATENESS_MS = 5.0
DRIFT_MS = 5.0
"""In ten minutes."""
SETTLE_S = 15.0
SPARE_DESCRIPTORS = 1
"""The one held back by a media worker may be away for an instant."""


@dataclass(slots=True)
class Holdings:
    """What the processes of a server hold."""

    descriptors: int
    threads: int

    @classmethod
    def of(cls, server: Server) -> Holdings:
        """Count."""
        tree = server.tree()
        return cls(sum(each.num_fds() for each in tree), sum(each.num_threads() for each in tree))

    def __str__(self) -> str:
        return f"{self.descriptors}, {self.threads}"


@dataclass(slots=True)
class Memory:
    """Resident memory over time, by process."""

    at_s: list[float] = field(default_factory=list)
    bytes_of: dict[str, list[int]] = field(default_factory=dict)

    def sample(self, server: Server) -> None:
        """Take one sample."""
        self.at_s.append(time.monotonic())
        for process in server.tree():
            self.bytes_of.setdefault(_name(process), []).append(_resident_bytes(process))

    def total_bytes(self) -> list[int]:
        """Return all processes together, sample by sample."""
        return [sum(sample) for sample in zip(*self.bytes_of.values(), strict=True)]

    def growth_bytes(self, samples: Sequence[int]) -> float:
        """Return last tenth less first tenth, of what follows the warm-up."""
        steady = samples[round(len(samples) * WARM_UP_SHARE) :]
        tenth = max(1, len(steady) // 10)
        return median(steady[-tenth:]) - median(steady[:tenth])

    def growth_by_process(self) -> str:
        """Return each process's growth, for people."""
        parts = (f"{name} {self.growth_bytes(each) / 2**20:+.2f}" for name, each in self.bytes_of.items())
        return ", ".join(parts)

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
    before: Holdings
    after: Holdings
    memory: Memory
    first: Judgement
    last: Judgement
    steady: Quality
    short: Sequence[CallReport]
    long: CallReport
    drift_ms: float

    def outcomes(self) -> list[Outcome]:
        """Judge it."""
        return [
            self._drops(),
            *self._memory(),
            self._left_behind(),
            *self._quality(),
            self._drift(),
            shown("CPU", f"{self.steady.use}"),
        ]

    def _drops(self) -> Outcome:
        bad = [
            call for call in (*self.short, self.long) if call.ending is not Ending.CALLER or call.violations
        ]
        reasons = sorted({rule for call in bad for rule in (call.violations or (call.ending.value,))})
        lost = self.steady.lost_calls
        return judged(
            "calls dropped or ended",
            "none",
            f"{lost} of {self.calls} steady, {len(bad)} of {len(self.short)} short and the long one"
            + (f" ({'; '.join(reasons)})" if reasons else ""),
            not bad and not lost,
        )

    def _memory(self) -> list[Outcome]:
        growth = self.memory.growth_bytes(self.memory.total_bytes())
        slope = self.memory.slope_bytes_per_hour()
        per_100 = slope * 100 / self.calls
        slope_text = f"{per_100 / 2**20:+.2f} MiB"
        slope_name = "memory, slope an hour and 100 calls"
        return [
            judged(
                "memory, growth after the warm-up",
                f"{GROWTH_BYTES / 2**20:g} MiB",
                f"{growth / 2**20:+.2f} MiB ({self.memory.growth_by_process()})",
                growth < GROWTH_BYTES * max(1.0, self.minutes / 60),
            ),
            judged(slope_name, f"{SLOPE_BYTES / 2**20:g} MiB", slope_text, per_100 < SLOPE_BYTES)
            if self.minutes >= 60
            else shown(slope_name, slope_text),
        ]

    def _left_behind(self) -> Outcome:
        return judged(
            "descriptors, threads: back to where they began",
            f"{self.before}",
            f"{self.after}",
            self.after.descriptors <= self.before.descriptors + SPARE_DESCRIPTORS
            and self.after.threads <= self.before.threads,
        )

    def _quality(self) -> list[Outcome]:
        first_ms, last_ms = self.first.lateness_at_ms(99.9), self.last.lateness_at_ms(99.9)
        first, last = _holes(self.first), _holes(self.last)
        return [
            judged(
                "p99.9 lateness at the end",
                f"{ADDED_LATENESS_MS:g} ms above the beginning's",
                f"{last_ms:.1f} ms (beginning {first_ms:.1f} ms)",
                last_ms <= first_ms + ADDED_LATENESS_MS,
                self.steady.is_disturbed,
            ),
            judged(
                "gaps of 100 ms, holes at 60 ms, at the end",
                "no more than at the beginning",
                f"{last[0]}, {last[1]} (beginning {first[0]}, {first[1]})",
                last[0] <= first[0] and last[1] <= first[1],
                self.steady.is_disturbed,
            ),
        ]

    def _drift(self) -> Outcome:
        limit_ms = DRIFT_MS * max(1.0, self.minutes / 10)
        return judged(
            "drift of the long call",
            f"{limit_ms:g} ms",
            f"{self.drift_ms:+.1f} ms in {self.long.connected_s / 60:.1f} min",
            abs(self.drift_ms) <= limit_ms,
            self.steady.is_disturbed,
        )


class ShortCalls:
    """Calls of two seconds, one after the other, a few at a time, until told to stop."""

    def __init__(self, port: int, at_a_time: int) -> None:
        self.reports: list[CallReport] = []
        self._port = port
        self._is_told_to_end = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(number / at_a_time,), daemon=True)
            for number in range(at_a_time)
        ]

    def __enter__(self) -> ShortCalls:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._is_told_to_end.set()
        for thread in self._threads:
            thread.join()

    def _run(self, share: float) -> None:
        self._is_told_to_end.wait(share * SHORT_CALL_S)  # not all at the same instant
        while not self._is_told_to_end.is_set():
            call = StrictCall(
                self._port, outgoing=voice(SHORT_CALL_S), seconds=SHORT_CALL_S, keeps_audio=False
            )
            self.reports.append(call.start().wait())


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


def soak(place: Workplace, minutes: float, calls: int, on_second: Callable[[float, int], None]) -> Soaked:
    """Run it all on a fresh server. Raises RaymalError."""
    seconds = minutes * 60
    with serving(place, "--max-calls", str(calls + SHORT_CALLS_AT_A_TIME + 50)) as server:
        calm_quality(place, server)
        _fill_records(server)
        wait_for(lambda: not server.calls(), SETTLE_S)
        before, memory = Holdings.of(server), Memory()
        long = StrictCall(server.port, outgoing=voice(seconds + 60), keeps_audio=False)
        with (
            reference_calls(place, server, seconds, calls) as reference,
            ShortCalls(server.port, SHORT_CALLS_AT_A_TIME) as short,
            long,
        ):
            began_s = time.monotonic()
            while (passed_s := time.monotonic() - began_s) < seconds:
                memory.sample(server)
                on_second(passed_s, len(short.reports))
                time.sleep(SAMPLE_S)
            steady = reference.quality()
        report = long.wait()
        wait_for(lambda: not server.calls(), SETTLE_S)
        wait_for(lambda: Holdings.of(server).descriptors <= before.descriptors, SETTLE_S)
        after = Holdings.of(server)
    first, last = ends(steady, calls, min(QUALITY_S, seconds / 4))
    drifted_ms = drift_ms(long.arrivals, min(DRIFT_WINDOW_S, seconds / 4))
    return Soaked(
        calls, minutes, before, after, memory, first, last, steady, short.reports, report, drifted_ms
    )


def _fill_records(server: Server) -> None:
    """Place as many calls as the gateway keeps records of: from then on they take no more memory."""
    named = b"\x01\x00\x10"
    guests = [Guest("first", [(0.0, named + uuid.uuid4().bytes)]) for _ in range(KEPT_RECORDS)]
    with Crowd(server.port, guests, per_second=100.0, patience_s=0.2):
        pass


def ends(steady: Quality, calls: int, window_s: float) -> tuple[Judgement, Judgement]:
    """Return the first and the last `window_s` of the steady calls."""
    arrivals, report = steady.arrivals, steady.report
    first = arrivals[arrivals["at_s"] < report.measured_from_s + window_s]
    last = arrivals[arrivals["at_s"] >= report.measured_until_s - window_s]
    return judge([first], calls, window_s), judge([last], calls, window_s)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the soak and return the exit code."""
    options = _options(arguments)
    console = Console()
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    try:
        machine = Machine.this(("numpy", "uvloop", "webrtcvad-wheels"))
        cores = check_machine(needs_root=False)
        console.print(str(machine), highlight=False)
        with tempfile.TemporaryDirectory(prefix="soak-") as name:
            os.environ["RAYMAL_RUNTIME"] = name
            place = workplace(Path(name), cores, lambda text: None)
            with Progress(*columns, console=console, auto_refresh=False) as progress:
                bar = progress.add_task(f"{options.calls} calls", total=options.minutes * 60)

                def show(passed_s: float, ended: int) -> None:
                    text = f"{options.calls} calls, {ended} short ones over"
                    progress.update(bar, completed=passed_s, description=text, refresh=True)

                result = soak(place, options.minutes, options.calls, show)
    except RaymalError as error:
        console.print(f"[red]not measured:[/] {error}", highlight=False)
        return 2
    except KeyboardInterrupt:
        console.print("interrupted")
        return 130
    outcomes = {f"soak, {options.minutes:g} min": result.outcomes()}
    console.print(outcome_table(outcomes))
    code = exit_code(row for rows in outcomes.values() for row in rows)
    if options.json:
        memory = {
            "seconds": [round(at_s - result.memory.at_s[0], 1) for at_s in result.memory.at_s],
            "bytes": result.memory.bytes_of,
        }
        write_figures(options.json, machine, "benchmarks.soak", arguments, outcomes, memory=memory)
    return code


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="1 to 60 (10)")
    parser.add_argument("--calls", type=int, default=100, help="at a time, all the time (100)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there")
    options = parser.parse_args(arguments)
    if not 1 <= options.minutes <= 60 or not 1 <= options.calls <= 900:
        parser.error("1 to 60 minutes, 1 to 900 calls")
    return options


def _holes(judgement: Judgement) -> tuple[int, int]:
    return judgement.long_gaps, judgement.phone(PHONE_BUFFER_MS).underruns


def _name(process: psutil.Process) -> str:
    """Return what a process of the server is: its command, with a media worker's number."""
    try:
        command = process.cmdline()
    except psutil.Error:
        command = []
    for name in ("gateway", "media-worker", "serve"):
        if name in command:
            return f"{name} {process.pid}" if name == "media-worker" else name
    return "other"


def _resident_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


if __name__ == "__main__":
    sys.exit(main())
