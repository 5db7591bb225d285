"""X6, X7: peers do not read, or the media worker itself is stopped."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from itertools import groupby

import numpy as np

from benchmarks.faults.reference import CALLS, Quality, calm_quality, pacing_holds, reference_calls
from benchmarks.harness.arrivals import frames_of_calls
from benchmarks.harness.outcomes import Outcome, at_most, judged
from benchmarks.harness.server import TONE
from benchmarks.harness.strict_peer import StrictCall, voice
from benchmarks.harness.workplace import Workplace
from ingress.media.endings import Ending

MUTE_PEERS = 20
MUTE_S = 10.0
BACKLOG_S = 2.0
PEER_BUFFER_BYTES = 4_096
PEER_BUFFER_S = 0.5
"""What the peer's own kernel takes, beyond the server's backlog."""
CALL_KIB = 256

STOPS_S = (0.09, 0.5, 5.0)
CALM_BEFORE_S = 1.5
RESUME_S = 0.1
BURST_FRAMES = 2
BACK_TO_BACK_S = 0.005
FRESH_S = 0.5
"""Of what piled up, as much may be kept."""
KEPT_MARGIN_S = 0.3


def mute_peers(workplace: Workplace) -> Iterator[Outcome]:
    """X6: peers that send but never read."""
    with workplace.serving(*TONE) as server:
        calm = calm_quality(workplace, server)
        memory_bytes = peak_bytes = server.resident_bytes()
        workplace.say(f"{MUTE_PEERS} peers that do not read beside {CALLS} calls")
        peers = [
            StrictCall(
                server.port,
                outgoing=voice(MUTE_S),
                seconds=MUTE_S,
                reads=False,
                receive_buffer_bytes=PEER_BUFFER_BYTES,
            )
            for _ in range(MUTE_PEERS)
        ]
        with reference_calls(workplace, server, MUTE_S) as reference:
            for peer in peers:
                peer.start()
            until_s = time.monotonic() + MUTE_S
            while time.monotonic() < until_s:
                peak_bytes = max(peak_bytes, server.resident_bytes())
                time.sleep(0.1)
            quality = reference()
        for peer in peers:
            peer.wait()
        names = {str(peer.call_id) for peer in peers}
        ended = [call for call in server.ended_calls() if call.call_id in names]
    yield from pacing_holds(f"{CALLS} calls", calm, quality)
    fitting = [call for call in ended if call.reason == Ending.NOT_READING.value]
    longest_s = max((call.duration_s for call in ended), default=float("nan"))
    limit_s = BACKLOG_S + PEER_BUFFER_S
    yield judged(
        "who does not read is ended",
        f"{MUTE_PEERS} within {limit_s:g} s",
        f"{len(fitting)}, the last after {longest_s:.1f} s",
        len(fitting) == MUTE_PEERS and longest_s <= limit_s,
    )
    growth_kib = (peak_bytes - memory_bytes) / MUTE_PEERS / 1024
    yield at_most("memory of the media worker, for each of them", CALL_KIB, growth_kib, "KiB")


def stopped_worker(workplace: Workplace) -> Iterator[Outcome]:
    """X7: the media worker is stopped and goes on."""
    with workplace.serving(*TONE) as server:
        for stop_s in STOPS_S:
            workplace.say(f"the media worker is stopped for {stop_s:g} s")
            seconds = CALM_BEFORE_S + stop_s + 3.0
            [worker] = server.media_workers()
            speaker = StrictCall(server.port, outgoing=voice(seconds), seconds=seconds, keeps_audio=False)
            with reference_calls(workplace, server, seconds) as reference:
                speaker.start()
                time.sleep(CALM_BEFORE_S)
                os.kill(worker.pid, signal.SIGSTOP)
                try:
                    time.sleep(stop_s)
                finally:
                    os.kill(worker.pid, signal.SIGCONT)
                quality = reference()
            speaker.wait()
            record = server.call_record(str(speaker.call_id))
            yield from _judge_stop(stop_s, quality)
            discarded_s = float("nan") if record is None else record.discarded_ms / 1000
            due_s = max(0.0, stop_s - FRESH_S - KEPT_MARGIN_S)
            most_s = max(stop_s, KEPT_MARGIN_S)
            yield judged(
                f"{stop_s:g} s: old audio of the caller thrown away",
                f"{due_s:.1f} to {most_s:g} s",
                f"{discarded_s:.2f} s",
                due_s <= discarded_s <= most_s,
            )


def _judge_stop(stop_s: float, quality: Quality) -> Iterator[Outcome]:
    bursts, gaps_s = [0], [0.0]
    for at_s, _ in frames_of_calls(quality.arrivals):
        between_s = np.diff(at_s)
        gaps_s.append(float(between_s.max(initial=0.0)))
        runs = (sum(run) for _, run in groupby((between_s < BACK_TO_BACK_S).tolist()))
        bursts.append(max(runs, default=0) + 1)
    yield judged(
        f"{stop_s:g} s: lost calls; frames back to back",
        f"none; {BURST_FRAMES}",
        f"{quality.report.lost_calls}; {max(bursts)}",
        quality.report.lost_calls == 0 and 0 < max(bursts) <= BURST_FRAMES,
        quality.is_disturbed,
    )
    limit_ms, longest_ms = (stop_s + RESUME_S) * 1_000, max(gaps_s) * 1_000
    yield at_most(f"{stop_s:g} s: longest gap", limit_ms, longest_ms, "ms", quality.is_disturbed)
