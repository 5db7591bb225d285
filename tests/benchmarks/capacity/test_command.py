"""`raymal capacity`: its arguments, and a whole measurement of a server with scripted engines."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from rich.console import Console
from running_server import wait_until

from actors.errors import ConfigurationError, LinkError
from benchmarks.capacity import command as capacity
from benchmarks.capacity import study
from benchmarks.capacity.agenda import Agenda, Timing
from benchmarks.capacity.limits import limits_toml
from benchmarks.capacity.report import write_report
from benchmarks.capacity.result import CapacityResult, Objectives
from benchmarks.planning.erlang import erlang_b
from ingress.configuration.loading import load_settings
from ingress.server.exit_codes import ExitCode


def parsed(*arguments: str) -> argparse.Namespace:
    """Parse the command's arguments."""
    parser = argparse.ArgumentParser()
    capacity.add_parser(parser.add_subparsers())
    return parser.parse_args(["capacity", *arguments])


def request_of(*arguments: str) -> object:
    """Return what is to be measured."""
    return capacity.request_of(parsed(*arguments))


def test_objectives_can_be_changed_one_by_one() -> None:
    """What is not named keeps its default."""
    changed = capacity.objectives(["turn_p95_ms=900", "underruns=3"])
    assert changed == Objectives(turn_p95_ms=900.0, underruns=3)
    assert capacity.objectives([]) == Objectives()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--objective", "speed=1"], "the names are turn_p95_ms"),
        (["--objective", "turn_p95_ms=fast"], "turn_p95_ms: .* valid number"),
        (["--objective", "underruns=0.5"], "underruns"),
        (["--period-s", "0"], "--period-s 0.0: must be more than 0"),
        (["--recordings", "/nowhere"], "no such folder"),
        (["--port", "9092", "--no-ray"], "has its settings already"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_starts(arguments: list[str], message: str) -> None:
    """The message names the argument."""
    with pytest.raises(ConfigurationError, match=message):
        request_of(*arguments)


def test_too_few_minutes_are_refused() -> None:
    """The least that would do is said."""
    with pytest.raises(ConfigurationError, match="--minutes: 1 minutes are too short"):
        capacity.run(parsed("--minutes", "1"))


def test_a_port_without_a_server_is_said_to_be_one() -> None:
    """There is nothing to measure."""
    with pytest.raises(LinkError):
        capacity.run(parsed("--port", "1"))


def test_flags_of_the_server_reach_it() -> None:
    """In the order in which `raymal serve` knows them; what was not given is not passed on."""
    request = capacity.request_of(
        parsed("--stt", "scripted", "--media-workers", "2", "--no-ray", "--set", "server.nice=1")
    )
    assert request.flags == (
        "--media-workers", "2", "--stt", "scripted", "--no-ray", "--set", "server.nice=1",
    )  # fmt: skip
    assert request.port is None


@pytest.mark.parametrize("own", [["capacity"], []], ids=["raymal", "python -m benchmarks.capacity"])
def test_the_command_can_be_repeated(own: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """As it was given, also where a folder has the command's name."""
    monkeypatch.setattr(sys, "argv", ["program", *own, "--report", "capacity"])
    assert capacity.request_of(parsed("--report", "capacity")).command == "raymal capacity --report capacity"


FLAGS = (
    *("--no-ray", "--stt", "scripted", "--tts", "scripted", "--greeting", ""),
    *("--max-transcriptions", "2", "--max-syntheses", "2"),
    *("--set", "speech.scripted.stt_delay_s=0.1", "--set", "speech.scripted.tts_delay_s=0.05"),
    # Refused for want of a line, not for a busy machine: that is what the formula is about.
    *("--set", "throttle.enabled=false"),
)


class Shown:
    """Keeps the lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def begin(self, text: str, seconds: float | None = None) -> None:
        """Not looked at."""

    def line(self, text: str) -> None:
        """Keep it."""
        self.lines.append(text)


@pytest.mark.timeout(300)
async def test_a_measurement_from_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server is started, called, judged and stopped; the result can be written in every form.

    The objectives are wide: this runs every part, on any machine, and does not measure it.
    """
    wide = [f"{name}=100000" for name in ("turn_p95_ms", "lateness_p999_ms", "underruns")]
    wide += ["content_error_percent=50"]
    request = capacity.request_of(
        parsed(
            *FLAGS,
            *("--period-s", "3", "--call-s", "4", "--first-calls", "8", "--most-calls", "8"),
            *(part for objective in wide for part in ("--objective", objective)),
        )
    )
    shown = Shown()
    monkeypatch.setattr(study, "OVERLOADS", (2.0,))
    step = Timing(warm_up_s=3.0, counted_s=7.0, after_s=0.5)
    confirmation = Timing(warm_up_s=3.0, counted_s=7.0, after_s=0.5)
    result = await study.Study(request, shown, Agenda(step, confirmation, search_steps=1)).run()

    assert result.calls_held == 8
    assert [step.calls for step in result.steps] == [8, 8]
    assert [step.calls for step in result.overload] == [16]
    assert result.confirmed == result.steps[1]
    assert result.confirmed.turns > 0
    assert result.workload.speech == "scripted"
    assert result.models == {"transcription": "scripted", "synthesis": "scripted"}
    assert result.limited_by == "nothing that was found: no more calls were tried"
    for step in result.overload:  # as Erlang says of 7 lines, within four standard deviations
        taken = step.offered_calls - step.refused_calls
        expected = step.offered_calls * (1.0 - erlang_b(step.calls, 7))
        assert abs(taken - expected) <= 4.0 * taken**0.5, step
    assert [line.partition(" calls: ")[0] for line in shown.lines] == ["8", "8", "16"]

    assert CapacityResult.model_validate_json(result.model_dump_json()) == result
    assert write_report(result, tmp_path).is_file()
    limits = tmp_path / "limits.toml"
    limits.write_text(limits_toml(result) or "")
    assert load_settings(limits, {}, {}).admission.maximum_calls == 8
    with (tmp_path / "shown.txt").open("w") as file:
        capacity.show(result, Console(file=file, width=200))
    assert "held: 8 calls" in (tmp_path / "shown.txt").read_text()


@pytest.mark.usefixtures("runtime_folder")
def test_an_interrupted_measurement_leaves_no_server(tmp_path: Path) -> None:
    """SIGTERM, as Ctrl-C: what it started is stopped in order; the exit code says that it was interrupted."""
    flags = ["--no-ray", "--stt", "scripted", "--tts", "scripted", "--minutes", "8"]
    with (tmp_path / "output").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "ingress", "capacity", *flags], stdout=output, stderr=output
        )
    command = psutil.Process(process.pid)
    wait_until(lambda: len(command.children(recursive=True)) >= 3, 60.0, "the server's processes")
    family = command.children(recursive=True)
    process.terminate()
    assert process.wait(60.0) == ExitCode.INTERRUPTED, (tmp_path / "output").read_text()
    _, alive = psutil.wait_procs(family, timeout=10.0)
    assert not alive
