"""`python -m benchmarks.pacing`: its instruments measure known faults right, and its verdicts follow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.harness.native.compiler import CompilerError, program
from benchmarks.pacing.__main__ import contestants, in_turns
from benchmarks.pacing.callers import Callers, callers
from benchmarks.pacing.generator import GeneratorReport, Heard, Load, generate
from benchmarks.pacing.judgement import ARRIVAL, PHONE_BUFFERS_MS, Judgement, Phone, judge
from benchmarks.pacing.measurement import Measurement, Result, Usage, measure
from benchmarks.pacing.processes import cpu_time
from benchmarks.pacing.servers import (
    C_LOOP,
    DEADLINES,
    RAYMAL,
    RAYMAL_THROTTLED,
    Contestant,
    running,
)
from benchmarks.pacing.speech_quality import opinion_score, played
from benchmarks.pacing.targets import targets
from ingress.caller.listening_quality import (
    ReceivedFrame,
    lateness_ms,
    listening_quality,
    percentile,
    phone_holes_ms,
)

ROOT = Path(__file__).parents[2]
CORES = sorted(os.sched_getaffinity(0))
CALLS = 5
SHORT = Load(calls=CALLS, warm_up_s=0.3, measured_s=1.0, core=CORES[-1])

pytestmark = pytest.mark.skipif(len(CORES) < 2, reason="two cores: one for the server, one for the callers")


@pytest.fixture(scope="module")
def speakers() -> Callers:
    """What the callers say."""
    return callers()


@contextmanager
def c_server(*flags: str) -> Iterator[int]:
    """Run the C server with known faults; yield its port."""
    process = subprocess.Popen(
        ["taskset", "--cpu-list", str(CORES[0]), str(program("epoll_server")), *flags],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline().removeprefix("listening "))
    finally:
        process.terminate()
        process.communicate()


def heard_of(speakers: Callers, *flags: str) -> tuple[Heard, Judgement]:
    """Let five callers hear the C server for a second."""
    with c_server(*flags) as port:
        heard = generate(SHORT, port, speakers)
    return heard, judge([heard.arrivals], CALLS, SHORT.measured_s)


# ---- the native programs ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["epoll_server", "load_generator"])
def test_the_native_programs_build_without_a_warning(name: str, tmp_path: Path) -> None:
    """Warnings are errors; a second call finds the first one's work."""
    built = program(name, tmp_path)
    first = built.stat().st_mtime_ns
    assert program(name, tmp_path).stat().st_mtime_ns == first
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_a_machine_without_a_compiler_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the package."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CompilerError, match="apt-get install gcc"):
        program("epoll_server", tmp_path)


def test_wrong_options_are_refused() -> None:
    """The native programs say which value is wrong."""
    finished = subprocess.run(
        [program("load_generator"), "--port", "12x"], capture_output=True, text=True, timeout=10
    )
    assert finished.returncode == 2
    assert "12x" in finished.stderr


@pytest.mark.parametrize(("frame_ms", "reading"), [(20, []), (30, ["--read-on-tick"])])
def test_an_undisturbed_server_is_on_time(speakers: Callers, frame_ms: int, reading: list[str]) -> None:
    """All frames of all calls come, no phone with a 60 ms buffer conceals, and the tone is a whole one."""
    heard, judgement = heard_of(speakers, "--frame-ms", str(frame_ms), *reading)
    assert judgement.frames == pytest.approx(CALLS * 1_000 / frame_ms, abs=CALLS)
    assert set(heard.arrivals["bytes"]) == {frame_ms * 16}
    assert judgement.missing_ratio < 0.04
    assert judgement.lateness_at_ms(50) < 10.0
    assert judgement.phone(60.0).underruns == 0
    assert heard.report.sent_frames == pytest.approx(CALLS * 50, abs=CALLS)
    assert (heard.report.unanswered_calls, heard.report.ended_calls, judgement.foreign_messages) == (0, 0, 0)
    tone = np.frombuffer(heard.first_call, "<i2").astype(float)
    spectrum = np.abs(np.fft.rfft(tone[:7200] * np.hanning(7200))) ** 2
    assert np.argmax(spectrum) == 440 * 7200 // 8000
    assert spectrum[388:405].sum() > 0.999 * spectrum.sum()  # a lost or repeated sample would splatter


def test_twenty_milliseconds_every_thirty_lose_a_third(speakers: Callers) -> None:
    """The measured holes, lateness and missing audio are those of ideal frames on that schedule."""
    _, judgement = heard_of(speakers, "--interval-ms", "30")
    ideal = [ReceivedFrame(0.030 * number, 0.020) for number in range(33)]
    quality = listening_quality(ideal, 60.0)
    assert judgement.missing_ratio == pytest.approx(1 / 3, abs=0.03)
    assert judgement.lateness_at_ms(100) == pytest.approx(quality.lateness_max_ms, abs=30.0)
    assert judgement.phone(60.0).underruns == pytest.approx(CALLS * quality.underruns, abs=CALLS * 4)
    assert judgement.phone(60.0).concealed_ratio == pytest.approx(quality.concealed_ratio, abs=0.04)
    assert judgement.long_gaps == 0


def test_one_stall_is_one_hole_in_each_call(speakers: Callers) -> None:
    """After 150 ms without a send two frames come at once: 130 to 150 ms late, and a phone is 60 ms ahead."""
    _, judgement = heard_of(speakers, "--stall-ms", "150", "--stall-after-ms", "800")
    assert judgement.long_gaps == CALLS
    assert 125.0 < judgement.lateness_at_ms(100) < 190.0
    for buffer_ms in PHONE_BUFFERS_MS:
        phone = judgement.phone(buffer_ms)
        assert CALLS <= phone.underruns <= 2 * CALLS
        late_ms = judgement.lateness_at_ms(100) - buffer_ms
        assert phone.concealed_ratio == pytest.approx(late_ms / (1_000 + late_ms), abs=0.035)


def test_a_server_that_does_not_answer_is_noticed(speakers: Callers) -> None:
    """Where nobody listens every call ends, nothing was heard and all audio is missing."""
    with c_server() as port:
        pass
    heard = generate(SHORT, port, speakers)
    judgement = judge([heard.arrivals], CALLS, SHORT.measured_s)
    assert (heard.report.ended_calls, heard.report.unanswered_calls) == (CALLS, CALLS)
    assert (judgement.missing_ratio, judgement.frames) == (1.0, 0)


def test_a_disturbed_generator_says_that_its_figures_are_not_valid(speakers: Callers) -> None:
    """Stopped for 0.2 s of the second, its own clock was late."""

    def disturb() -> None:
        (own,) = [child for child in psutil.Process().children() if child.name() == "load_generator"]
        own.suspend()
        time.sleep(0.2)
        own.resume()

    with c_server() as port:
        heard = generate(SHORT, port, speakers, on_begin=disturb)
    assert heard.report.tick_max_ms > 150.0
    assert any("own clock" in reason for reason in heard.report.invalid_because())


# ---- judgement -------------------------------------------------------------------------------------


@given(
    calls=st.lists(
        st.lists(st.tuples(st.integers(0, 250), st.integers(1, 60)), min_size=1, max_size=30),
        min_size=1,
        max_size=4,
    )
)
def test_many_calls_are_judged_as_one_is(calls: list[list[tuple[int, int]]]) -> None:
    """Vectorised and interleaved, every figure is that of `listening_quality` over the single calls."""
    frames = [
        [
            ReceivedFrame(float(at_ms) / 1_000, lasts_ms / 1_000)
            for at_ms, (_, lasts_ms) in zip(np.cumsum([gap for gap, _ in call]), call, strict=True)
        ]
        for call in calls
    ]
    records = [
        (frame.arrived_s, number, round(frame.duration_s * 16_000), 0x10, 0)
        for number, call in enumerate(frames)
        for frame in call
    ]
    run = np.array(records, ARRIVAL)
    judgement = judge([run[np.argsort(run["at_s"], kind="stable")]], len(calls), 1.0)
    late = [each for call in frames for each in lateness_ms(call)]
    assert judgement.frames == len(late)
    for percent in (50, 99, 99.9, 100):
        assert judgement.lateness_at_ms(percent) == pytest.approx(percentile(late, percent), abs=1e-6)
    for phone in judgement.phones:
        holes = [hole for call in frames for hole in phone_holes_ms(call, phone.buffer_ms)]
        audio_ms = sum(frame.duration_s for call in frames for frame in call) * 1_000
        assert phone.underruns == sum(hole > 0 for hole in holes)
        assert phone.concealed_ratio == pytest.approx(sum(holes) / (sum(holes) + audio_ms), abs=1e-9)
    assert judgement.long_gaps == sum(listening_quality(call).long_gaps for call in frames)


def test_repetitions_are_one_population() -> None:
    """Percentiles are taken over all frames, never averaged, and call 0 of two runs is two calls."""
    early = np.array([(number * 0.02, 0, 320, 0x10, 0) for number in range(50)], ARRIVAL)
    late = early.copy()
    late["at_s"][25:] += 0.05
    judgement = judge([early, late], 1, 1.0)
    assert judgement.frames == 100
    assert judgement.lateness_at_ms(75) == pytest.approx(0.0, abs=1e-9)
    assert judgement.lateness_at_ms(76) == pytest.approx(50.0)
    assert [phone.underruns for phone in judgement.phones] == [1, 0, 0]


def test_the_phone_plays_the_prompt_with_its_holes() -> None:
    """Frames on time are the prompt itself; a late one is preceded by as much silence as the buffer lacks."""
    speech = np.arange(1, 1_601, dtype=np.int16)
    lasts_s = np.full(10, 0.02)
    on_time = np.arange(10) * 0.02
    said, heard = played(on_time, lasts_s, speech)
    assert np.array_equal(said, speech)
    assert np.array_equal(heard, speech)
    late = on_time + np.where(np.arange(10) >= 5, 0.1, 0.0)
    said, heard = played(late, lasts_s, speech)
    assert np.array_equal(said, speech)
    assert np.array_equal(heard[:800], speech[:800])
    assert not heard[800:1_120].any()  # 100 ms late, 60 ms in the buffer
    assert np.array_equal(heard[1_120:], speech[800:])


def test_pesq_hears_a_starved_phone(speakers: Callers) -> None:
    """A perfect path scores the maximum; 20 ms of audio every 30 ms are at the bottom."""
    pytest.importorskip("pesq")
    lasts_s = np.full(400, 0.02)
    assert opinion_score(np.arange(400) * 0.02, lasts_s, speakers.prompt) > 4.5
    assert opinion_score(np.arange(400) * 0.03, lasts_s, speakers.prompt) < 1.5


def test_cpu_time_is_what_was_burnt() -> None:
    """As the process itself counts it, to a few hundredths of a second."""
    before, before_s = cpu_time(os.getpid()), time.process_time()
    while time.process_time() - before_s < 0.2:
        pass
    used_s = (cpu_time(os.getpid()) - before).total_s
    assert used_s == pytest.approx(time.process_time() - before_s, abs=0.03)


# ---- the command -----------------------------------------------------------------------------------


def test_raymal_is_measured(speakers: Callers) -> None:
    """It answers all calls with a tone, uses some CPU, and its processes are told apart."""
    measurement = measure(RAYMAL, SHORT, CORES[0], speakers)
    result = Result.of((measurement,))
    assert result.judgement.frames == pytest.approx(CALLS * 50, abs=CALLS * 5)
    assert (measurement.generator.ended_calls, measurement.generator.unanswered_calls) == (0, 0)
    assert 0.0 < result.cpu_percent_per_call < 20.0
    assert measurement.usage.idle_bytes > 10_000_000


def test_a_deadline_per_call_loses_no_audio(speakers: Callers) -> None:
    """With five calls the asyncio design with deadlines is on time as well."""
    with running(DEADLINES, CORES[0]) as server:
        heard = generate(SHORT, server.port, speakers)
    judgement = judge([heard.arrivals], CALLS, SHORT.measured_s)
    assert judgement.frames == pytest.approx(CALLS * 50, abs=CALLS * 2)
    assert judgement.phone(100.0).underruns == 0


def test_a_server_is_gone_after_its_measurement() -> None:
    """Nothing is left behind, whatever it was doing."""
    with running(C_LOOP, CORES[0]) as server:
        assert server.is_alive()
        assert psutil.Process(server.worker).cpu_affinity() == [CORES[0]]
    assert not server.is_alive()


def test_servers_take_turns() -> None:
    """Each is measured as often as any other at each number of calls, and each time another begins."""
    field = contestants(throttled=False, seed_throttle=False, c_on_tick=False)
    turns = in_turns(field, [50, 400], 2)
    assert len(turns) == 16
    assert {turns.count(turn) for turn in turns} == {2}
    assert len({turns[start][0] for start in (0, 4, 8, 12)}) == 4


REPORT = GeneratorReport(
    measured_from_s=0.0,
    measured_until_s=10.0,
    cpu_percent=40.0,
    ticks=20_000,
    tick_p50_ms=0.1,
    tick_p99_ms=0.5,
    tick_max_ms=3.0,
    sent_frames=200_000,
    send_p99_ms=0.6,
    send_max_ms=3.0,
    unsent_frames=0,
    unanswered_calls=0,
    ended_calls=0,
    lost_arrivals=0,
)


def result(
    contestant: Contestant,
    cpu_percent: float,
    late_ms: float = 1.0,
    underruns: int = 0,
    kb: int = 50,
    missing: float = 0.0,
) -> Result:
    """Return a made-up result at 400 calls."""
    usage = Usage(cpu_percent / 2, cpu_percent / 2, 0.0, 0.0, 0.0, 10_000, 10_000 + 400 * 1_000 * kb)
    heard = Heard(REPORT, np.empty(0, ARRIVAL), b"")
    measurement = Measurement(contestant, Load(400, 3.0, 10.0, 1), usage, heard, ())
    phones = tuple(Phone(buffer_ms, underruns, 0.0) for buffer_ms in PHONE_BUFFERS_MS)
    judgement = Judgement(400, 1_000, np.full(1_000, late_ms), phones, missing, 0, 0)
    return Result(contestant, (measurement,), judgement)


def missed(*results: Result) -> list[str]:
    """Return the first word of each target that was not met."""
    return [target.name.split()[0] for target in targets(results) if not target.is_met]


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


def test_a_busy_generator_or_a_shared_core_is_invalid() -> None:
    """The limits: 70 % of its core, 2 ms at p99, no arrival lost; 10 % of the server's core for others."""
    assert REPORT.invalid_because() == []
    assert "71 %" in replace(REPORT, cpu_percent=71.0).invalid_because()[0]
    assert "2.1 ms" in replace(REPORT, tick_p99_ms=2.1).invalid_because()[0]
    assert "3 messages" in replace(REPORT, lost_arrivals=3).invalid_because()[0]
    (measurement,) = result(RAYMAL, 60.0).measurements
    assert measurement.invalid_because() == []
    assert measurement.disturbance < 1.0
    shared = replace(measurement, usage=replace(measurement.usage, strangers_percent=11.0))
    assert "somebody else" in shared.invalid_because()[0]
    assert shared.disturbance == pytest.approx(1.1)


def test_one_core_is_too_few() -> None:
    """Exit code 2 and a sentence that says what is needed."""
    finished = subprocess.run(
        ["taskset", "--cpu-list", str(CORES[0]), sys.executable, "-m", "benchmarks.pacing"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert finished.returncode == 2
    assert "two cores are needed" in finished.stdout


def test_a_small_run_reports_what_it_saw(tmp_path: Path) -> None:
    """The throttle of the usual design starves a third of the audio; exit code, JSON and plot agree."""
    pytest.importorskip("pesq")
    pytest.importorskip("matplotlib")
    report_path, plot_path = tmp_path / "report.json", tmp_path / "plot.svg"
    arguments = [
        "--seed-throttle",
        "--calls",
        "3",
        "--second-tries",
        "0",
        "--seconds",
        "1.6",
        "--warm-up",
        "1",
    ]
    finished = subprocess.run(
        [sys.executable, "-m", "benchmarks.pacing", *arguments, "--json", report_path, "--plot", plot_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert finished.stderr == ""
    report = json.loads(report_path.read_text())
    assert finished.returncode == (0 if report["is_valid"] else 2), finished.stdout
    assert report["command"][-4:] == ["--json", str(report_path), "--plot", str(plot_path)]
    sleeps, throttled = report["results"]
    assert (sleeps["server"], throttled["server"]) == ("asyncio sleeps", "asyncio throttled")
    assert throttled["missing_ratio"] == pytest.approx(1 / 3, abs=0.06)
    assert sleeps["missing_ratio"] < throttled["missing_ratio"]
    assert throttled["pesq_nb"] < 2.0
    assert "How late frames are, 3 calls" in plot_path.read_text()
