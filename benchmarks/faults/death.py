"""W1: one of two media workers is killed while both have calls."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import psutil

from benchmarks.faults.reference import Quality, calm_quality, reference_calls
from benchmarks.harness.arrivals import frames_of_calls, long_gaps, phone_holes_ms
from benchmarks.harness.outcomes import Outcome, judged
from benchmarks.harness.server import TONE, Server, wait_for
from benchmarks.harness.strict_peer import Ending as SeenEnding
from benchmarks.harness.strict_peer import StrictCall, voice
from benchmarks.harness.workplace import Workplace

CALLS = 20
MEASURED_S = 10.0
KILLED_AFTER_S = 3.0
NEW_CALLS = 16
"""The kernel shares them out between both workers: that all went to the old one is 1 in 65,536."""
RESTART_S = 5.0
LAST_FRAME_S = 0.2
"""A call with no frame in this last part of the measured time was over before."""


def killed_worker(workplace: Workplace) -> Iterator[Outcome]:
    """W1: SIGKILL one of two media workers; its calls end, the others' go on, another takes its place."""
    with workplace.serving(*TONE, "--media-workers", "2") as server:
        calm = calm_quality(workplace, server, CALLS)
        workplace.say("one of two media workers is killed")
        with reference_calls(workplace, server, MEASURED_S, CALLS) as reference:
            time.sleep(KILLED_AFTER_S)
            victim, other = server.media_workers()
            its_calls, other_calls = _connections(victim, server.port), _connections(other, server.port)
            os.kill(victim.pid, signal.SIGKILL)
            new_calls = [
                StrictCall(server.port, outgoing=voice(7.0), keeps_audio=False).start()
                for _ in range(NEW_CALLS)
            ]
            served_s = wait_for(lambda: _is_served(server, new_calls, other), RESTART_S + 3.0)
            quality = reference()
            for call in new_calls:
                call.hang_up()
            ends = [call.wait().ending for call in new_calls]
    yield judged(
        "both workers had calls",
        "at least one each",
        f"{its_calls} and {other_calls}",
        min(its_calls, other_calls) > 0,
    )
    ended, gaps, holes = _survivors(quality)
    yield judged(
        "calls that ended",
        f"the killed worker's {its_calls}",
        f"{ended}",
        ended == its_calls and quality.report.ended_calls == its_calls,
    )
    yield judged(
        "the others: gaps of 100 ms, holes at 60 ms",
        "none",
        f"{gaps}, {holes} (calm {calm.judgement.long_gaps}, {calm.judgement.holes})",
        gaps == holes == 0,
        bool(calm.judgement.long_gaps or calm.judgement.holes or quality.is_disturbed),
    )
    lost = sum(end is not SeenEnding.CALLER for end in ends)
    yield judged(
        "new calls, right after the kill, heard on both workers",
        f"{NEW_CALLS} within {RESTART_S:g} s, none lost",
        f"{'not all' if served_s is None else f'{NEW_CALLS} after {served_s:.1f} s'}, {lost} lost",
        served_s is not None and served_s <= RESTART_S and lost == 0,
    )


def _connections(worker: psutil.Process, port: int) -> int:
    return sum(
        connection.status == psutil.CONN_ESTABLISHED and connection.laddr[1] == port
        for connection in worker.net_connections("tcp")
    )


def _is_served(server: Server, calls: list[StrictCall], survivor: psutil.Process) -> bool:
    """Whether every new call hears audio, and a worker that was not there before has some of them."""
    if not all(call.frames >= 10 for call in calls):
        return False
    new = [worker for worker in server.media_workers() if worker.pid != survivor.pid]
    return any(_connections(worker, server.port) for worker in new)


def _survivors(quality: Quality) -> tuple[int, int, int]:
    """Return how many calls ended before the time, and the gaps and holes of the others."""
    ended = gaps = holes = 0
    for at_s, lasts_s in frames_of_calls(quality.arrivals):
        if at_s[-1] < quality.report.measured_until_s - LAST_FRAME_S:
            ended += 1
            continue
        gaps += long_gaps(at_s)
        holes += int((phone_holes_ms(at_s, lasts_s) > 0).sum())
    return ended, gaps, holes
