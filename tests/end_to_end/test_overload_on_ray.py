"""Too much at once on a cluster of two slots, and a manager that dies: what callers notice of it."""

from __future__ import annotations

import asyncio
import signal
import statistics
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import psutil
import pytest
from running_server import RunningServer, free_port, running_server

from actors.errors import LinkError
from actors.messages import Level
from benchmarks.harness.speech_like import recorded_words
from benchmarks.harness.strict_peer import KIND_SLIN8, StrictCall, voice
from ingress.link.records import CallRecord
from ingress.link.status import ServerStatus
from ingress.server import observer

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(240),
    pytest.mark.usefixtures("runtime_folder"),
]

WORD = recorded_words(1)
SCRIPTED = ["--stt", "scripted", "--tts", "scripted", "--greeting", ""]
TWO_SLOTS = ["--max-transcriptions", "2", "--max-syntheses", "2"]
NOT_JUDGED = """
[throttle]
down_hold_s = 2
lateness_p99_ms = [1000, 2000, 3000]
loop_lag_ms = [5000, 6000, 7000]
cpu_percent = [101, 101, 101]
memory_percent = [101, 101, 101]
"""


def configuration(folder: Path, text: str) -> list[str]:
    """Return flags for a configuration with `text` in it, on a machine that is not judged itself.

    Other programs run there as well: its CPU and its late frames say nothing about the flood.
    """
    file = folder / "raymal.toml"
    file.write_text(text + NOT_JUDGED)
    return ["--config", str(file)]


def talk(seconds: float, pause_s: float, offset_s: float = 0.0) -> bytes:
    """Return a caller who says a word, waits, and says it again, for so long; then nothing."""
    beat = WORD + bytes(int(pause_s * 8_000) * 2)
    return bytes(int(offset_s * 8_000) * 2) + beat * int(seconds / (len(beat) / 16_000))


async def watch(
    server: RunningServer, until: Callable[[ServerStatus], bool], deadline_s: float
) -> list[ServerStatus]:
    """Return the server's status, looked at often, until a condition holds."""
    seen: list[ServerStatus] = []
    async with asyncio.timeout(deadline_s):
        while True:
            with suppress(LinkError):  # the gateway is busy, or its manager is gone
                seen.append(await observer.status(server.port))
            if seen and until(seen[-1]):
                return seen
            await asyncio.sleep(0.2)


async def test_a_flood_slows_the_senders_down_and_nobody_hears_it(tmp_path: Path) -> None:
    """Ten talkative callers of three classes on two slots of most of a second: up the ladder and down again.

    Senders go to 30 ms frames and back, no sentence has a hole, and urgent callers are answered first.
    """
    ports = {"urgent": free_port(), "bulk": free_port()}
    flags = configuration(
        tmp_path,
        f"""
        [admission]
        enabled = false
        [fleet]
        aging_s = 60
        [speech.scripted]
        stt_delay_s = 0.8
        [extensions.urgent]
        port = {ports["urgent"]}
        priority = "emergency"
        [extensions.bulk]
        port = {ports["bulk"]}
        priority = "background"
        """,
    )
    with running_server(tmp_path, *SCRIPTED, *TWO_SLOTS, *flags) as server:
        everybody = {
            name: [
                StrictCall(port, outgoing=voice(90.0, audio=talk(10.0, 1.4, 0.15 * index)), seconds=90.0)
                for index in range(count)
            ]
            for name, port, count in (
                ("urgent", ports["urgent"], 1),
                ("default", server.port, 6),
                ("bulk", ports["bulk"], 3),
            )
        }
        calls = [call.start() for group in everybody.values() for call in group]
        levels: list[int] = []

        def has_come_down(status: ServerStatus) -> bool:
            levels.append(status.level)
            return max(levels) >= Level.LOADED and levels[-1] == Level.NORMAL

        await watch(server, has_come_down, deadline_s=80.0)
        await asyncio.sleep(1.0)
        for call in calls:
            call.hang_up()
        reports = [await asyncio.to_thread(call.wait) for call in calls]
        records = {
            name: [await observer.call_record(server.port, str(call.call_id), 5.0) for call in group]
            for name, group in everybody.items()
        }
    assert {Level.NORMAL, Level.BUSY, Level.LOADED} <= set(levels)
    for call, report in zip(calls, reports, strict=True):
        lengths = [message.length for message in call.received if message.kind == KIND_SLIN8]
        changes = [lengths[0]] + [b for a, b in pairwise(lengths) if a != b]
        assert changes == [320, 480, 320], changes
        assert not report.violations
        sent_s, elapsed_s = sum(lengths) / 16_000, call.received[-1].arrived_s - call.received[0].arrived_s
        assert sent_s / elapsed_s == pytest.approx(1.0, abs=0.03)  # 0.67 if only the pace changed
    assert sum(record.underruns for group in records.values() for record in group if record) == 0
    urgent, bulk = (_answers_ms(records[name]) for name in ("urgent", "bulk"))
    assert statistics.median(urgent) < 3_000
    # By number: of the background calls' answers only those that were soon are there at all.
    assert len(urgent) > 2 * len(bulk) / len(records["bulk"])
    assert len(bulk) < 3 or statistics.median(urgent) < statistics.median(bulk)


async def test_killed_workers_and_a_killed_manager_cost_no_call_and_nothing_is_lost(tmp_path: Path) -> None:
    """SIGKILL, one after the other, with calls up: audio goes on and the next turns are answered.

    The workers are back within seconds, the new manager knows every call, and at the end nothing is left.
    """
    flags = configuration(tmp_path, "[speech.scripted]\nstt_delay_s = 0.3")
    with running_server(tmp_path, *SCRIPTED, *TWO_SLOTS, *flags) as server:
        calls = [
            StrictCall(
                server.port, outgoing=voice(120.0, audio=talk(110.0, 2.0, 0.3 * index)), seconds=120.0
            ).start()
            for index in range(4)
        ]
        await watch(server, lambda status: status.fleet.sessions == 4, 20.0)
        await watch(server, lambda status: _transcribed(status) >= 4, 30.0)
        for title in ("ray::SttActor", "ray::TtsActor"):
            await _kill_and_see_it_back(server, title)
        old = await watch(server, lambda status: _transcribed(status) >= 6, 30.0)
        _process_of(server, "ray::ManagerActor").send_signal(signal.SIGKILL)

        def is_back(status: ServerStatus) -> bool:
            is_new = status.decision.epoch != old[-1].decision.epoch
            return is_new and _transcribed(status) >= 8 and status.fleet.sessions == 4

        seen = await watch(server, is_back, 60.0)
        assert seen[-1].fleet.transcription.ready == 2
        for call in calls:
            call.hang_up()
        reports = [await asyncio.to_thread(call.wait) for call in calls]
        await watch(server, _is_at_rest, 6.0)
        records = [await observer.call_record(server.port, str(call.call_id), 5.0) for call in calls]
    for report in reports:
        assert not report.violations
        assert report.quality.longest_gap_ms < 1_000
    for record in records:
        assert record is not None
        failures = [turn.failure for turn in record.turns if turn.failure]
        assert len(failures) <= 3, failures  # one a kill
        assert record.turns_taken - len(failures) >= 3
        assert record.underruns == 0


async def _kill_and_see_it_back(server: RunningServer, title: str) -> None:
    """Kill a worker's process and wait until all workers serve again, one of them in a new process."""
    killed = _process_of(server, title)
    killed.send_signal(signal.SIGKILL)

    def are_back(status: ServerStatus) -> bool:
        ready = status.fleet.transcription.ready == status.fleet.synthesis.ready == 2
        return ready and not killed.is_running() and len(_processes_of(server, title)) == 2

    await watch(server, are_back, 30.0)


def _transcribed(status: ServerStatus) -> int:
    return status.fleet.transcription.tally.count


def _is_at_rest(status: ServerStatus) -> bool:
    fleet = status.fleet
    busy = sum(pool.busy + pool.waiting for pool in (fleet.transcription, fleet.synthesis))
    return not (busy or fleet.sessions or fleet.admission.calls or status.places)


def _answers_ms(records: list[CallRecord | None]) -> list[float]:
    return [
        turn.first_answer_ms
        for record in records
        if record is not None
        for turn in record.turns
        if turn.first_answer_ms is not None
    ]


def _processes_of(server: RunningServer, title: str) -> list[psutil.Process]:
    found = []
    for process in psutil.Process(server.process.pid).children(recursive=True):
        with suppress(psutil.Error, IndexError):
            if process.cmdline()[0].startswith(title) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def _process_of(server: RunningServer, title: str) -> psutil.Process:
    return _processes_of(server, title)[0]
