"""`python -m benchmarks.pacing`: its servers run, its targets are judged, its report holds every result."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.harness.arrivals import ARRIVAL, PHONE_BUFFERS_MS, Judgement, Phone, judge
from benchmarks.harness.caller_audio import CallerAudio, caller_audio
from benchmarks.harness.load_generator import GeneratorReport, Heard, Load, generate
from benchmarks.harness.outcomes import Verdict
from benchmarks.harness.processes import CpuUse
from benchmarks.harness.server import serving
from benchmarks.pacing.__main__ import contestants, in_turns, main
from benchmarks.pacing.measurement import (
    C_LOOP,
    DEADLINES,
    RAYMAL,
    RAYMAL_THROTTLED,
    Contestant,
    Measurement,
    measure,
)
from benchmarks.pacing.plots import picture
from benchmarks.pacing.report import as_json, summary
from benchmarks.pacing.targets import targets

CORES = sorted(os.sched_getaffinity(0))
CALLS = 5
SHORT = Load(calls=CALLS, warm_up_s=0.3, measured_s=0.5, core=CORES[-1])
REPORT = GeneratorReport(0.0, 10.0, 40.0, 0.5, 3.0, 200_000, 0, 0, 0, 0)

pytestmark = pytest.mark.skipif(len(CORES) < 2, reason="two cores: one for the server, one for the callers")


@pytest.fixture(scope="module")
def audio() -> CallerAudio:
    """What the callers send."""
    return caller_audio()


def test_raymal_is_measured(audio: CallerAudio) -> None:
    """It answers all calls with a tone, uses some CPU, and its media worker is found."""
    measurement = measure(RAYMAL, SHORT, CORES[0], audio)
    assert measurement.judgement.frames == pytest.approx(CALLS * 25, abs=CALLS * 4)
    assert (measurement.heard.report.ended_calls, measurement.heard.report.unanswered_calls) == (0, 0)
    assert 0.0 < measurement.cpu_percent_per_call < 20.0


@pytest.mark.parametrize("contestant", [DEADLINES, C_LOOP])
def test_each_server_takes_calls_on_its_core_and_is_gone_afterwards(
    contestant: Contestant, audio: CallerAudio
) -> None:
    """With five calls the asyncio design with deadlines is on time as well."""
    with serving(contestant.name, contestant.command(), [CORES[0]]) as server:
        heard = generate(SHORT, server.port, audio)
        (process,) = server.tree()
        assert process.cpu_affinity() == [CORES[0]]
    assert not process.is_running()
    judgement = judge(heard.arrivals, CALLS, SHORT.measured_s)
    assert judgement.frames == pytest.approx(CALLS * 25, abs=CALLS * 2)
    assert judgement.phone(100.0).underruns == 0


def test_servers_take_turns() -> None:
    """Each is measured as often as any other at each number of calls, and each time another begins."""
    field = contestants(throttled=False, seed_throttle=False)
    turns = in_turns(field, [50, 100, 200, 400])
    assert len(set(turns)) == len(turns) == 16
    assert len({turns[start][0] for start in (0, 4, 8, 12)}) == 4


def result(
    contestant: Contestant,
    cpu_percent: float,
    late_ms: float = 1.0,
    underruns: int = 0,
    kb: int = 50,
    missing: float = 0.0,
) -> Measurement:
    """Return a made-up result at 400 calls."""
    heard = Heard(REPORT, np.empty(0, ARRIVAL), b"")
    phones = tuple(Phone(buffer_ms, underruns, 0.0) for buffer_ms in PHONE_BUFFERS_MS)
    judgement = Judgement(400, 1_000, np.full(1_000, late_ms), phones, missing, 0, 0)
    return Measurement(
        contestant,
        Load(400, 3.0, 10.0, 1),
        CpuUse(cpu_percent, 0.0),
        1_000 * kb,
        heard,
        judgement,
        float("nan"),
    )


def missed(*results: Measurement) -> list[str]:
    """Return the first word of each target that was not met."""
    return [row.criterion.split()[0] for row in targets(results) if row.verdict is Verdict.MISS]


def test_each_target_is_judged_by_itself() -> None:
    """Twice the C loop's CPU, 10 ms more lateness and 150 KB are allowed, an underrun is not."""
    limit = result(C_LOOP, 30.0, late_ms=2.0)
    assert missed(result(RAYMAL, 60.0, late_ms=12.0, kb=150), limit) == []
    assert missed(result(RAYMAL, 61.0), limit) == ["CPU"]
    assert missed(result(RAYMAL, 60.0, late_ms=12.1), limit) == ["p99.9"]
    assert missed(result(RAYMAL, 60.0, underruns=1), limit) == ["underruns"]
    assert missed(result(RAYMAL, 60.0, kb=151), limit) == ["memory"]
    # Half of the audio for a third of the CPU is no achievement.
    assert missed(result(RAYMAL, 20.0, missing=0.5), limit) == ["CPU", "underruns"]


def test_throttling_has_to_save_a_fifth() -> None:
    """And may cost no underrun."""
    plain = result(RAYMAL, 60.0)
    assert missed(plain, result(RAYMAL_THROTTLED, 47.9)) == []
    assert missed(plain, result(RAYMAL_THROTTLED, 49.0)) == ["CPU"]
    assert missed(plain, result(RAYMAL_THROTTLED, 40.0, underruns=1)) == ["underruns"]


def shared(measurement: Measurement, foreign_percent: float) -> Measurement:
    """Return the measurement, with others on the server's core."""
    return replace(measurement, use=replace(measurement.use, foreign_percent=foreign_percent))


def test_what_was_measured_on_a_shared_core_says_nothing() -> None:
    """10 % of the server's core are the limit; a target that is missed so is disturbed and not missed."""
    measurement = result(RAYMAL, 60.0)
    assert measurement.invalid_because() == []
    assert "other processes" in shared(measurement, 11.0).invalid_because()[0]
    assert missed(shared(measurement, 11.0), result(C_LOOP, 10.0)) == []


def test_the_report_holds_every_result() -> None:
    """As a line, in JSON, and in the picture."""
    results = [result(RAYMAL, 60.0, late_ms=2.0, missing=0.02), result(C_LOOP, 30.0)]
    assert summary(results[0]).startswith("raymal, 400 calls: 0.150 % of a core and 50 KB")
    first, second = json.loads(json.dumps(as_json(results), allow_nan=False))["results"]
    assert (first["server"], first["cpu_ratio_to_c_loop"], first["bytes_per_call"]) == ("raymal", 2.0, 50_000)
    assert (first["lateness_ms"]["p99.9"], second["missing_ratio"]) == (2.0, 0.0)
    assert "How late frames are, 400 calls" in picture(results, "a machine")


def test_one_core_is_too_few(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and a sentence that says what is needed."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    assert main([]) == 2
    assert "two cores are needed" in capsys.readouterr().out
