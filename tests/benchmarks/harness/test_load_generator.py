"""The native programs and the load generator: known faults are measured right."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from benchmarks.harness.arrivals import PHONE_BUFFERS_MS, Judgement, judge
from benchmarks.harness.caller_audio import CallerAudio, caller_audio
from benchmarks.harness.load_generator import GeneratorReport, Heard, Load, generate
from benchmarks.harness.native.compiler import CompilerError, program
from ingress.caller.listening_quality import ReceivedFrame, listening_quality

CORES = sorted(os.sched_getaffinity(0))
CALLS = 5
SHORT = Load(calls=CALLS, warm_up_s=0.3, measured_s=1.0, core=CORES[-1])

pytestmark = pytest.mark.skipif(len(CORES) < 2, reason="two cores: one for the server, one for the callers")


@pytest.fixture(scope="module")
def speakers() -> CallerAudio:
    """What the callers say."""
    return caller_audio()


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


def heard_of(speakers: CallerAudio, *flags: str) -> tuple[Heard, Judgement]:
    """Let five callers hear the C server for a second."""
    with c_server(*flags) as port:
        heard = generate(SHORT, port, speakers)
    return heard, judge(heard.arrivals, CALLS, SHORT.measured_s)


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


@pytest.mark.parametrize("frame_ms", [20, 30])
def test_an_undisturbed_server_is_on_time(speakers: CallerAudio, frame_ms: int) -> None:
    """All frames of all calls come, no phone with a 60 ms buffer conceals, and the tone is a whole one."""
    heard, judgement = heard_of(speakers, "--frame-ms", str(frame_ms))
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


def test_twenty_milliseconds_every_thirty_lose_a_third(speakers: CallerAudio) -> None:
    """The measured holes, lateness and missing audio are those of ideal frames on that schedule."""
    _, judgement = heard_of(speakers, "--interval-ms", "30")
    ideal = [ReceivedFrame(0.030 * number, 0.020) for number in range(33)]
    quality = listening_quality(ideal, 60.0)
    assert judgement.missing_ratio == pytest.approx(1 / 3, abs=0.03)
    assert judgement.lateness_at_ms(100) == pytest.approx(quality.lateness_max_ms, abs=30.0)
    assert judgement.phone(60.0).underruns == pytest.approx(CALLS * quality.underruns, abs=CALLS * 4)
    assert judgement.phone(60.0).concealed_ratio == pytest.approx(quality.concealed_ratio, abs=0.04)
    assert judgement.long_gaps == 0


def test_one_stall_is_one_hole_in_each_call(speakers: CallerAudio) -> None:
    """After 150 ms without a send two frames come at once: 130 to 150 ms late, and a phone is 60 ms ahead."""
    _, judgement = heard_of(speakers, "--stall-ms", "150", "--stall-after-ms", "800")
    assert judgement.long_gaps == CALLS
    assert 125.0 < judgement.lateness_at_ms(100) < 190.0
    for buffer_ms in PHONE_BUFFERS_MS:
        phone = judgement.phone(buffer_ms)
        assert CALLS <= phone.underruns <= 2 * CALLS
        late_ms = judgement.lateness_at_ms(100) - buffer_ms
        assert phone.concealed_ratio == pytest.approx(late_ms / (1_000 + late_ms), abs=0.035)


def test_a_server_that_does_not_answer_is_noticed(speakers: CallerAudio) -> None:
    """Where there is no server every call ends, nothing was heard and all audio is missing."""
    with c_server() as port:
        pass
    heard = generate(Load(CALLS, 0.1, 0.1, CORES[-1]), port, speakers)
    judgement = judge(heard.arrivals, CALLS, 0.1)
    assert (heard.report.ended_calls, heard.report.unanswered_calls) == (CALLS, CALLS)
    assert (judgement.missing_ratio, judgement.frames) == (1.0, 0)


def test_a_disturbed_generator_says_that_its_figures_are_not_valid(speakers: CallerAudio) -> None:
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


REPORT = GeneratorReport(0.0, 10.0, 40.0, 0.5, 3.0, 200_000, 0, 0, 0, 0)


def test_a_busy_generator_is_invalid() -> None:
    """The limits: 70 % of its core, 2 ms at p99, no arrival lost."""
    assert REPORT.invalid_because() == []
    assert "71 %" in replace(REPORT, cpu_percent=71.0).invalid_because()[0]
    assert "2.1 ms" in replace(REPORT, tick_p99_ms=2.1).invalid_because()[0]
    assert "3 messages" in replace(REPORT, lost_arrivals=3).invalid_because()[0]
