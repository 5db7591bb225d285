"""`python -m benchmarks`: comparisons, pages and exit codes, with tiny programs in the benchmarks' place."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from math import inf
from pathlib import Path
from typing import Any

import psutil
import pytest
from capacity_fixture import capacity_result, step
from hypothesis import given
from hypothesis import strategies as st
from running_server import wait_until

from benchmarks import soak
from benchmarks.__main__ import SUITE
from benchmarks.capacity import study
from benchmarks.compare import report as compare_report
from benchmarks.compare.__main__ import climb
from benchmarks.compare.callers import CallersReport
from benchmarks.compare.judgement import Figures
from benchmarks.compare.ladder import LADDER, next_rung
from benchmarks.compare.measurement import Measurement, Usage
from benchmarks.compare.servers import Contestant
from benchmarks.faults.report import write_figures
from benchmarks.faults.verdicts import judged as judged_row
from benchmarks.faults.verdicts import shown as shown_row
from benchmarks.harness.machine import Machine
from benchmarks.harness.strict_peer import Ending as CallEnding
from benchmarks.overload.__main__ import Extent
from benchmarks.overload.judgement import Measured, Phase, Seen, verdicts
from benchmarks.overload.newcomers import Newcomer, Stream
from benchmarks.overload.standing import StandingCall
from benchmarks.suite import child, headlines, runner
from benchmarks.suite.catalogue import BENCHMARKS, Benchmark, chosen, total_minutes
from benchmarks.suite.command import Suite
from benchmarks.suite.comparison import Change, compare
from benchmarks.suite.figures import Better, Figure, number, shown
from benchmarks.suite.page import kept_page
from benchmarks.suite.places import MissingFigureError, at
from benchmarks.suite.records import read_records
from benchmarks.suite.results import Result, ResultError

ROOT = Path(__file__).parents[2]
PYTHON = Machine("a CPU", 2, 8.0, "3.11.7", {"numpy": "2.0"}, "abc1234")
MACHINE = asdict(PYTHON)
OTHER = MACHINE | {"cores": 64}
SPEED = Figure("speed", "calls", at("speed"), Better.HIGHER)
DELAY = Figure("delay", "ms", at("delay"), Better.LOWER, 1.5)
ROW = {"test": "calls", "criterion": "late", "limit": "5 ms", "measured": "9 | 10 ms"}


def result(**values: object) -> Result:
    """Return a result of the usual machine."""
    return Result.of({"machine": MACHINE} | values)


# ---- figures ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("figure", "new", "kept", "change"),
    [
        (SPEED, 80.0, 100.0, Change.AS_KEPT),
        (SPEED, 79.0, 100.0, Change.REGRESSION),
        (SPEED, 126.0, 100.0, Change.BETTER),
        (SPEED, 0.0, 100.0, Change.REGRESSION),
        (DELAY, 150.0, 100.0, Change.AS_KEPT),
        (DELAY, 151.0, 100.0, Change.REGRESSION),
        (DELAY, 66.0, 100.0, Change.BETTER),
        (DELAY, 0.0, 0.0, Change.AS_KEPT),
        (DELAY, 1.0, 0.0, Change.REGRESSION),
        (DELAY, 0.0, 1.0, Change.BETTER),
    ],
)
def test_a_regression_is_worse_by_more_than_the_limit(
    figure: Figure, new: float, kept: float, change: Change
) -> None:
    """Whichever way is better, on either side of the limit, and where there was or is nothing."""
    name = figure.name
    found = compare(figure, result(**{name: new}), result(**{name: kept}))
    assert (found.change, found.new, found.kept) == (change, new, kept)
    assert found.ratio == (None if kept == 0 else new / kept)


@given(new=st.floats(0.01, 1e6), kept=st.floats(0.01, 1e6))
def test_worse_one_way_is_better_the_other_way(new: float, kept: float) -> None:
    """No figure is a regression and better at once; what is worse for one is better for its opposite."""
    assert SPEED.worsening(new, kept) == pytest.approx(1 / SPEED.worsening(kept, new))
    assert SPEED.worsening(new, kept) == pytest.approx(DELAY.worsening(kept, new))


def test_what_cannot_be_compared_says_why() -> None:
    """Another machine, nothing kept, a kept result without the figure, a quick run of too few values."""
    new, kept = result(speed=1.0), result(speed=100.0)
    assert compare(SPEED, new, None).change is Change.NOTHING_KEPT
    assert compare(SPEED, new, result(other=1.0)).change is Change.NOTHING_KEPT
    assert compare(SPEED, new, Result.of({"machine": OTHER, "speed": 100.0})).change is Change.OTHER_MACHINE
    assert compare(SPEED, new, kept, is_quick=True).change is Change.QUICK
    assert compare(replace(SPEED, is_quick=True), new, kept, is_quick=True).change is Change.REGRESSION
    assert all(
        compare(SPEED, new, other).ratio is None
        for other in (None, Result.of({"machine": OTHER, "speed": 9.0}))
    )


def test_a_disturbed_figure_is_no_regression() -> None:
    """Only those that the disturbance concerns."""
    disturbed = result(speed=1.0, delay=100.0, outcomes=[ROW | {"verdict": "DISTURBED"}])
    kept = result(speed=100.0, delay=1.0)
    assert compare(SPEED, disturbed, kept).change is Change.WORSE_DISTURBED
    assert (
        compare(replace(SPEED, disturbed_by=("calls: late",)), disturbed, kept).change
        is Change.WORSE_DISTURBED
    )
    assert compare(replace(SPEED, disturbed_by=("memory",)), disturbed, kept).change is Change.REGRESSION
    assert compare(replace(SPEED, disturbed_by=()), disturbed, kept).change is Change.REGRESSION


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({}, "not in the result: rows[name=raymal, calls=4].p99"),
        (
            {"rows": [{"name": "raymal", "calls": 8, "p99": 1.0}]},
            "not in the result: rows[name=raymal, calls=4].p99",
        ),
        ({"rows": None}, "not in the result: rows[name=raymal, calls=4].p99"),
        ({"rows": [{"name": "raymal", "calls": 4, "p99": None}]}, "not to be read from rows"),
        ({"rows": [{"name": "raymal", "calls": 4, "p99": inf}]}, "no number at rows"),
    ],
)
def test_a_missing_figure_is_a_sentence(values: dict[str, Any], why: str) -> None:
    """It names the place; the comparison has it."""
    figure = Figure("p99", "ms", at("rows", {"name": "raymal", "calls": 4}, "p99"), Better.LOWER)
    with pytest.raises(MissingFigureError, match=re.escape(why)):
        figure.read({"machine": MACHINE} | values)
    found = compare(figure, result(**values), None)
    assert (found.change, found.new) == (Change.MISSING, None)
    assert why in found.problem


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (48, "48"), (2.01, "2.01"), (0.1949, "0.195"), (18.02, "18.0"), (1022.4, "1,022"), (5.0, "5")],
)
def test_figures_are_shown_with_what_matters(value: float, text: str) -> None:
    """Three digits, whole numbers without a point."""
    assert shown(value) == text


def test_numbers_are_read_from_sentences() -> None:
    """By their place, signs included."""
    said = "34, 145, 186 ms (-3 %, +56.5 %; 392 callers)"
    assert [number(said, index) for index in range(6)] == [34, 145, 186, -3, 56.5, 392]
    with pytest.raises(IndexError):
        number("none")


# ---- results ------------------------------------------------------------------------------------------


def test_every_format_says_what_was_missed_and_disturbed() -> None:
    """All the ways of the benchmarks."""
    target = {"name": "cost", "limit": "2x", "measured": "3x", "is_met": False}
    assert result(missed=["too slow"]).missed == ("too slow",)
    for key in ("targets", "criteria"):
        assert result(**{key: [target, target | {"is_met": True}]}).missed == ("cost: 3x (limit 2x)",)
    rows = [ROW | {"verdict": verdict} for verdict in ("PASS", "MISS", "SHOWN", "DISTURBED", "IMPOSSIBLE")]
    outcomes = result(outcomes=rows)
    assert outcomes.missed == ("calls: late: 9 | 10 ms (limit 5 ms)",)
    assert outcomes.disturbed == outcomes.impossible == ("calls: late: 9 | 10 ms",)
    paced = {"server": "raymal", "calls": 4, "measurements": [{"invalid_because": ["a busy core"]}]}
    assert result(disturbed=["a busy machine"]).disturbed == ("a busy machine",)
    assert result(results=[paced]).disturbed == ("raymal, 4 calls: a busy core",)
    assert result(calls_held=0, steps=[]).missed == ("calls held: not even one",)


@pytest.mark.parametrize(
    ("steps", "disturbed"),
    [
        ([(8, ()), (40, ())], ()),
        ([(8, ("late",)), (8, ()), (16, ())], ()),
        ([(8, ()), (16, ("late",)), (16, ("stolen",)), (32, ())], ("16 calls: stolen",)),
        ([(8, ()), (16, ()), (16, ("confirming was disturbed",))], ("16 calls: confirming was disturbed",)),
        ([(8, ())], ()),
    ],
)
def test_a_capacity_is_disturbed_where_it_ended(
    steps: list[tuple[float, tuple[str, ...]]], disturbed: tuple[str, ...]
) -> None:
    """What is held is held; only the least number that was not held may have been somebody else's fault."""
    tried = tuple(step(calls, 1_000.0, invalid=invalid) for calls, invalid in steps)
    values = json.loads(capacity_result(steps=tried, calls_held=8).model_dump_json())
    assert Result.of(values).disturbed == disturbed


def test_a_file_that_is_no_result_is_an_error_of_one_kind(tmp_path: Path) -> None:
    """Absent, cut off, of another form."""
    file = tmp_path / "x.json"
    for text in (None, '{"machine": {', "[]", "{}", '{"machine": {"cores": 2}}'):
        if text is not None:
            file.write_text(text)
        with pytest.raises(ResultError, match=r"x\.json"):
            Result.load(file)


# ---- the benchmarks' own results ------------------------------------------------------------------------


def figures_of(name: str, values: Mapping[str, Any]) -> dict[str, float]:
    """Return every headline of a benchmark's result, as its JSON has it."""
    (benchmark,) = chosen(BENCHMARKS, name)
    return {each.name: each.read(json.loads(json.dumps(values))) for each in benchmark.figures}


def test_what_is_kept_has_every_headline() -> None:
    """All that lies in `benchmarks/results/` is known, and nothing is missing in it."""
    kept = sorted((ROOT / "benchmarks" / "results").glob("*.json"))
    names = {each.stem for each in kept} - {"runs"}
    assert names
    for name in names:
        values = Result.load(SUITE.kept / f"{name}.json").values
        assert all(value >= 0 for value in figures_of(name, values).values())


def test_the_page_of_what_is_kept_is_current() -> None:
    """Run `python -m benchmarks --summary-of benchmarks/results` when this fails."""
    assert (SUITE.kept / "README.md").read_text() == kept_page(SUITE.kept, BENCHMARKS)


def measured(contestant: Contestant, calls: int) -> Measurement:
    """Return what is measured where raymal holds 32 calls, and the seed answers 3."""
    is_raymal = contestant is Contestant.RAYMAL
    turn_ms = 1_000.0 if calls <= 32 else inf
    turn_ms = turn_ms if is_raymal else 2_000.0 if calls <= 3 else inf
    found = Figures(calls, 20, 0, turn_ms, turn_ms, 80.0, 0 if is_raymal else 9, 0.0, 0.0, 0)
    return Measurement(contestant, found, Usage(50.0, 0.0), (4.5,), CallersReport((0.0,), 0, 5.0, 1.0, 2.0))


def test_the_comparison_is_read_as_it_is_written(tmp_path: Path) -> None:
    """Its headlines and its misses, from what its own report writes; at a rung that it always tries."""
    assert next_rung(LADDER, {}) == headlines.COMPARED_CALLS
    found = climb(LADDER, measured, 0)
    file = tmp_path / "compare.json"
    write_figures(
        file, PYTHON, "benchmarks.compare", [], compare_report.verdicts(found, 2),
        limits=compare_report.limits_as_json(found), measurements=compare_report.as_json(found),
    )  # fmt: skip
    read = Result.load(file)
    assert read.missed == ()
    assert figures_of("compare", read.values) == {
        "calls held": 32.0,
        "held against the seed's answered": pytest.approx(32 / 3),
        "turn p95 at 8 calls": 1_000.0,
        "CPU per call at 8 calls": 6.25,
    }


def standing_call() -> StandingCall:
    """Return a call of 30 s that hears a second of sound every four."""
    frames = [(number * 0.02, 0.02, number % 200 >= 150) for number in range(1_500)]
    return StandingCall(0.0, CallEnding.CALLER, (), frames)


def test_the_overload_is_read_as_it_is_written(tmp_path: Path) -> None:
    """Its phases have the names that the headlines look for; the figures are those of its table."""
    assert {"2 times", "10 times"} <= {f"{load:g} times" for load in Extent().loads}
    told = Newcomer(16.0, first_sound_s=16.05, hung_up_s=18.0, left_s=18.0)
    stream = Stream([told, Newcomer(10.0, first_sound_s=10.02, left_s=30.0)], 10.0, 30.0, 10.0, 1.0, 1.0)
    phases = [Phase("before", 0.0, 0.0, 10.0, Seen(1, 0, ()))]
    phases += [Phase(f"{load:g} times", load, 10.0, 30.0, Seen(2, 0, ()), stream) for load in (2.0, 10.0)]
    run = Measured(2, [standing_call()], phases, {"busy": 2})
    times = {each.name: [run.standing[0].answer_times_ms(each.begin_s, each.end_s)] for each in phases}
    file = tmp_path / "overload.json"
    write_figures(file, PYTHON, "benchmarks.overload", [], verdicts(run), answer_times_ms=times)
    figures = figures_of("overload", Result.load(file).values)
    assert figures["served at 2 times"] == figures["served at 10 times"] == 100.0
    assert figures["refusal p95 at 10 times"] == 50.0
    assert figures["answers p50 at 10 times against before"] == pytest.approx(1.0)
    assert figures["lateness p99 at 10 times"] == 0.0


def test_a_capacity_is_read_as_it_is_written() -> None:
    """From the model that `raymal capacity` writes; what was not measured is missing and not zero."""
    assert study.FIRST_CALLS == headlines.FIRST_CALLS
    overload = tuple(step(32 * ratio, None, calls_mean=mean) for ratio, mean in ((1.5, 32.0), (3.0, 30.0)))
    found = capacity_result(steps=(step(4, 900.0), step(32, 1_350.0)), overload=overload)
    values = json.loads(found.model_dump_json())
    assert list(figures_of("capacity", values).values()) == [32.0, 3.0, 900.0, pytest.approx(30 / 32)]
    read = Result.of(values)
    assert (read.command, read.taken_at, read.commit) == (
        "raymal capacity",
        "2026-01-02T03:04:05Z",
        "unknown",
    )
    assert read.machine == "a CPU, 2 cores, 7.5 GiB; Python 3.11"
    assert Result.of(values | {"raymal": "0.1.0 (abc1234+)"}).commit == "abc1234+"
    nothing = json.loads(
        capacity_result(confirmed=None, calls_held=0, core_s_per_call_minute=None).model_dump_json()
    )
    changes = [compare(each, Result.of(nothing), None).change for each in headlines.CAPACITY]
    assert changes == [Change.NOTHING_KEPT, Change.MISSING, Change.MISSING, Change.MISSING]


def test_faults_and_soak_are_read_as_they_are_written(tmp_path: Path) -> None:
    """Shares of what was asked; a soak's criteria are those of its source."""
    rows = [judged_row("late", "5 ms", "9 ms", is_met) for is_met in (True, True, True, False)]
    file = tmp_path / "faults.json"
    write_figures(file, PYTHON, "benchmarks.faults", [], {"X1": [*rows, shown_row("CPU", "9 %")]})
    assert figures_of("faults", Result.load(file).values) == {"criteria passed": 75.0}

    source = inspect.getsource(soak)
    late = judged_row("p99.9 lateness at the end", "5 ms", "2.5 ms (beginning 2.1 ms)", is_met=True)
    cpu = shown_row("CPU", "CPU: server 38 %, others on its core 3 %")
    assert all(f'"{row.criterion}"' in source for row in (late, cpu))
    memory = {"seconds": [0.0, 1.0], "bytes": {"serve": [0, 2**20], "gateway": [0, 2**21]}}
    write_figures(file, PYTHON, "benchmarks.soak", [], {"soak, 10 min": [late, cpu]}, memory=memory)
    assert list(figures_of("soak", Result.load(file).values).values()) == [3.0, 2.5, 38.0]


# ---- the catalogue ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_quick", [False, True], ids=["whole", "quick"])
@pytest.mark.parametrize("benchmark", BENCHMARKS, ids=lambda each: each.name)
def test_every_command_is_accepted(
    benchmark: Benchmark, is_quick: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The module exists, knows every flag and takes every value: its own parser says so."""
    arguments = benchmark.command(tmp_path, is_quick)[3:]
    main = importlib.import_module(
        f"{benchmark.module}.__main__"
        if (ROOT / benchmark.module.replace(".", "/")).is_dir()
        else benchmark.module
    ).main
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--help"])
    assert ended.value.code == 0
    known = set(re.findall(r"(?<![\w-])--[a-z0-9-]+", capsys.readouterr().out))
    assert {each for each in arguments if each.startswith("--")} <= known
    assert str(tmp_path / benchmark.result) in arguments


def test_no_benchmark_is_forgotten() -> None:
    """Whatever in `benchmarks/` can write a result is in the catalogue."""
    files = [*(ROOT / "benchmarks").glob("*.py"), *(ROOT / "benchmarks").glob("*/__main__.py")]
    found = {each for each in files if '"--json"' in each.read_text()} | {ROOT / "benchmarks" / "capacity.py"}
    modules = {".".join(each.relative_to(ROOT).with_suffix("").parts) for each in found}
    assert {each.removesuffix(".__main__") for each in modules} == {each.module for each in BENCHMARKS}


def test_the_catalogue_keeps_its_promises() -> None:
    """Quick is below ten minutes, the default set about three quarters of an hour; names are told apart."""
    default = chosen(BENCHMARKS, None)
    assert total_minutes(default, is_quick=True) <= 10
    assert 40 <= total_minutes(default, is_quick=False) <= 50
    assert {each.name for each in BENCHMARKS} - {each.name for each in default} == {"faults", "soak"}
    assert len({each.name for each in BENCHMARKS}) == len(BENCHMARKS)
    for each in BENCHMARKS:
        assert len({figure.name for figure in each.figures}) == len(each.figures) > 0
        assert all(figure.limit > 1 for figure in each.figures)
        assert all((SUITE.images / picture).is_file() for picture in each.pictures)
        assert f"python -m {each.module}" in (ROOT / "benchmarks" / "README.md").read_text()


def test_benchmarks_are_chosen_by_name() -> None:
    """In their own order; what there is not is named, with what there is."""
    assert [each.name for each in chosen(BENCHMARKS, "soak, stt")] == ["stt", "soak"]
    for names in ("stt,nothing", ""):
        with pytest.raises(ValueError, match=r"no such benchmark: .* \(there are demo, stt"):
            chosen(BENCHMARKS, names)


# ---- runs -------------------------------------------------------------------------------------------------

STAND_IN = """
import argparse, json, os, pathlib, subprocess, sys, time
parser = argparse.ArgumentParser()
for flag in ("--json", "--values", "--plot", "--say"):
    parser.add_argument(flag)
parser.add_argument("--exit", type=int, default=0)
parser.add_argument("--hang", action="store_true")
options = parser.parse_args()
busy = pathlib.Path("busy")
busy.mkdir()  # fails if another one runs
servers = []
try:
    if options.hang:
        servers.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]))
        pathlib.Path("hangs").touch()
        time.sleep(600)
    if options.say:
        print(options.say)
    if options.values:
        pathlib.Path(options.json).write_text(options.values)
    if options.plot:
        pathlib.Path(options.plot).write_text("a picture")
finally:
    for server in servers:
        server.kill()
        server.wait()
    busy.rmdir()
sys.exit(options.exit)
"""


def stand_in(name: str, *arguments: str, values: Mapping[str, Any] | None = None, **more: Any) -> Benchmark:
    """Return a benchmark that writes `values` and has a figure `speed`."""
    written = () if values is None else ("--values", json.dumps({"machine": MACHINE, **values}))
    return Benchmark(name, f"what is {name}?", "stand_in", 0.1, (SPEED,), (*arguments, *written), **more)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the stand-in in it; what is kept is a speed of 100."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "stand_in.py").write_text(STAND_IN)
    (tmp_path / "kept").mkdir()
    return tmp_path


def keep_speed(place: Path, name: str, speed: float = 100.0) -> None:
    """Let there be a kept result."""
    (place / "kept" / f"{name}.json").write_text(json.dumps({"machine": MACHINE, "speed": speed}))


def run(place: Path, benchmarks: list[Benchmark], *arguments: str) -> tuple[int, dict[str, Any]]:
    """Run a suite of stand-ins; return its exit code and its summary for machines."""
    suite = Suite(tuple(benchmarks), place / "kept", place / "images")
    code = suite.main([*arguments, "--json", "summary.json"])
    summary = json.loads((place / "summary.json").read_text())
    assert summary["exit_code"] == code
    return code, summary


GOOD = {"speed": 100.0}
MISSED = GOOD | {"outcomes": [ROW | {"verdict": "MISS"}]}
DISTURBED = GOOD | {"outcomes": [ROW | {"verdict": "DISTURBED"}]}
SLOW = DISTURBED | {"speed": 70.0}


@pytest.mark.parametrize(
    ("benchmark", "code", "ending", "verdict"),
    [
        (stand_in("one", values=GOOD), 0, "well", "all well"),
        (stand_in("one", "--exit", "1", values=MISSED), 1, "missed", "a target missed: one"),
        (stand_in("one", "--exit", "2", values=DISTURBED), 2, "disturbed", "disturbed: one"),
        (stand_in("one", values={"speed": 70.0}), 1, "well", "1 regression"),
        (stand_in("one", "--exit", "2", values=SLOW), 2, "disturbed", "disturbed: one"),
        (stand_in("one", values={}), 2, "well", "a figure is missing: one"),
        (stand_in("one", "--exit", "2"), 2, "not_measured", "not measured: one"),
        (stand_in("one", "--exit", "1", values=GOOD), 2, "not_measured", "not measured: one"),
        (stand_in("one", "--exit", "2", values=GOOD), 2, "not_measured", "not measured: one"),
        (stand_in("one"), 2, "not_measured", "not measured: one"),
        (stand_in("one", "--unknown"), 2, "not_measured", "not measured: one"),
    ],
    ids=[
        "well", "missed", "disturbed", "regression", "worse, disturbed", "figure missing", "refuses",
        "crash after", "no reason", "nothing written", "wrong flag",
    ],
)  # fmt: skip
def test_the_exit_code_says_what_came_of_it(
    place: Path, benchmark: Benchmark, code: int, ending: str, verdict: str
) -> None:
    """0 all well, 1 missed or worse, 2 not measured or disturbed; the others run all the same."""
    for name in ("one", "two"):
        keep_speed(place, name)
    found, summary = run(place, [benchmark, stand_in("two", values=GOOD)])
    assert (found, summary["verdict"]) == (code, verdict)
    first, second = summary["benchmarks"]
    assert (first["ending"], second["ending"]) == (ending, "well")
    assert second["figures"][0]["change"] == "as_kept"


def test_a_miss_outweighs_what_was_not_measured(place: Path) -> None:
    """As in each benchmark: exit code 1, and the sentence has both."""
    benchmarks = [stand_in("one", "--exit", "2"), stand_in("two", "--exit", "1", values=MISSED)]
    code, summary = run(place, benchmarks)
    assert (code, summary["verdict"]) == (1, "a target missed: two; not measured: one")


def test_nothing_old_is_read(place: Path) -> None:
    """A result that lies there from an earlier run is not taken for one of this run."""
    (place / "bench").mkdir()
    (place / "bench" / "one.json").write_text(json.dumps({"machine": MACHINE, "speed": 100.0}))
    code, summary = run(
        place, [stand_in("one", "--exit", "2", "--say", "not measured: two cores are needed")]
    )
    assert code == 2
    assert not (place / "bench" / "one.json").exists()
    problem = summary["benchmarks"][0]["problem"]
    assert problem == "exit code 2, one.json was not written; not measured: two cores are needed"


def test_one_that_hangs_is_stopped(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time, and the next one runs."""
    monkeypatch.setattr(runner, "SLOW_START_MINUTES", 0.0)
    monkeypatch.setattr(runner, "LOOK_S", 0.2)
    hung = replace(stand_in("one", "--hang"), minutes=0.01)
    code, summary = run(place, [hung, stand_in("two", values=GOOD)])
    assert code == 2
    assert "stopped: not over after" in summary["benchmarks"][0]["problem"]
    assert summary["benchmarks"][1]["ending"] == "well"


def test_quick_runs_have_arguments_of_their_own(place: Path) -> None:
    """Where there are some; a headline that a quick run lacks is no failure of it."""
    keep_speed(place, "two")
    quick = ("--values", json.dumps({"machine": MACHINE}))
    benchmarks = [
        replace(stand_in("one", values=GOOD), quick=quick, quick_minutes=0.1),
        stand_in("two", values={"speed": 99.0}),
    ]
    code, summary = run(place, benchmarks, "--quick")
    one, two = summary["benchmarks"]
    assert (code, one["is_quick"], one["figures"][0]["change"]) == (0, True, "missing")
    assert (two["is_quick"], two["figures"][0]["change"]) == (False, "as_kept")


SUITE_OF_STAND_INS = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from benchmarks.suite.catalogue import Benchmark
from benchmarks.suite.command import Suite
hangs = Benchmark("one", "what?", "stand_in", 1, (), ("--hang",))
later = Benchmark("two", "what?", "stand_in", 1, ())
sys.exit(Suite((hangs, later), Path("kept"), Path("images")).main([]))
"""


def ignore_interrupts() -> None:
    """As a shell does for what it runs in the background."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name
)
def test_an_interruption_leaves_no_child(place: Path, number: signal.Signals) -> None:
    """Its child is asked to end and does so in order; the summary says what was not run."""
    (place / "suite.py").write_text(SUITE_OF_STAND_INS.format(root=str(ROOT)))
    process = subprocess.Popen(
        [sys.executable, "suite.py"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=ignore_interrupts,
    )
    wait_until(lambda: (place / "hangs").exists() or process.poll() is not None, 60.0, "the stand-in")
    family = psutil.Process(process.pid).children(recursive=True)
    assert len(family) == 2
    try:
        process.send_signal(number)
        process.send_signal(number)
        assert process.wait(30.0) == 130, process.communicate()
        assert psutil.wait_procs(family, timeout=0)[1] == []
        assert not (place / "busy").exists(), "it ended in order"
        page = (place / "bench" / "summary.md").read_text()
        assert "**Exit code 130: interrupted**" in page
        assert "| one | interrupted |" in page
        assert "| two | not run |" in page
    finally:
        for each in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        process.kill()
        process.communicate()


def test_one_that_does_not_listen_is_killed_with_its_children(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked twice, then killed, and what it has started as well."""
    monkeypatch.setattr(child, "PATIENCE_S", {signal.SIGINT: 0.2, signal.SIGTERM: 0.2})
    program = (
        "import pathlib, signal, subprocess, sys, time\n"
        "for number in (signal.SIGINT, signal.SIGTERM): signal.signal(number, lambda *_: None)\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True)\n"
        "pathlib.Path('ready').touch()\n"
        "while True: time.sleep(1)\n"
    )
    with child.running([sys.executable, "-c", program], place / "log") as process:
        wait_until((place / "ready").exists, 30.0, "the deaf program")
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        assert len(family) == 2
        began_s = time.monotonic()
    assert process.returncode == -signal.SIGKILL
    assert time.monotonic() - began_s >= 0.4
    assert psutil.wait_procs(family, timeout=10.0)[1] == []


# ---- pages and keeping ------------------------------------------------------------------------------------


def test_the_summary_has_it_all(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Machine, commit, date, figures new and kept, ratio, flag, targets, disturbance, command and links."""
    keep_speed(place, "one")
    benchmarks = [
        stand_in("one", "--exit", "1", values={"speed": 40.0} | {"outcomes": MISSED["outcomes"]}),
        stand_in("two", "--exit", "2", values=DISTURBED),
        stand_in("three", "--exit", "2", "--say", "not measured: no compiler"),
    ]
    code, _ = run(place, benchmarks)
    page = (place / "bench" / "summary.md").read_text()
    assert code == 1
    machine = Machine.this(())
    for text in (
        machine.processor,
        f"commit {machine.commit}",
        time.strftime("%Y-", time.gmtime()),
        "**Exit code 1: 1 regression; a target missed: one; disturbed: two; not measured: three**",
        "| speed | 40 calls | 100 calls | 0.400 | REGRESSION (limit 1.25 times) |",
        "| speed | 100 calls |  |  | nothing kept |",
        "- calls: late: 9 \\| 10 ms (limit 5 ms)",
        "Disturbed:",
        "not measured: no compiler",
        "`python -m stand_in --exit 1 ",
        "Kept: commit abc1234; a CPU, 2 cores, 8.0 GiB; Python 3.11.7, numpy 2.0",
    ):
        assert text in page, text
    links = re.findall(r"\]\(([^)]+)\)", page)
    assert {"one.json", "one.log", "two.json", "three.log"} <= set(links)
    assert all((place / "bench" / link).is_file() for link in links)
    printed = capsys.readouterr().out
    for text in ("one (1 of 3)", "REGRESSION", "two: disturbed", "three: not measured", "\nexit code 1"):
        assert text in printed, text


def test_what_was_measured_is_kept(place: Path) -> None:
    """Results, pictures, records and page; what was not measured stays as it was; disturbed ones say so."""
    for name in ("one", "three"):
        keep_speed(place, name)
    benchmarks = [
        stand_in(
            "one",
            values={"speed": 90.0},
            outputs=("--plot", "{into}/one.svg"),
            pictures=("one.svg",),
        ),
        stand_in("two", "--exit", "2", values=DISTURBED),
        stand_in("three", "--exit", "1", values={"speed": 55.0}),
    ]
    run(place, benchmarks, "--keep", "--into", "new")
    kept = place / "kept"
    speeds = [json.loads((kept / f"{name}.json").read_text())["speed"] for name in ("one", "two", "three")]
    assert speeds == [90.0, 100.0, 100.0]
    assert (place / "images" / "one.svg").read_text() == "a picture"
    assert set(read_records(kept)) == {"one", "two"}
    assert read_records(kept)["one"].command.endswith("--plot new/one.svg --json new/one.json")
    page = (kept / "README.md").read_text()
    assert page == kept_page(kept, benchmarks)
    one, two, three = page.split("\n## ")[1:]
    assert "| speed | 90 calls | ÷ 1.25 |" in one
    assert "**Disturbed**" not in one
    assert "**Disturbed**" in two
    assert "- calls: late: 9 \\| 10 ms" in two
    assert "date not noted" in three
    assert "make bench ONLY=three" in three

    run(place, [stand_in("one", values={"speed": 60.0})], "--keep", "--into", "new")
    assert set(read_records(kept)) == {"one", "two"}, "the others' records stay"


def test_a_page_is_rendered_without_any_run(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From the folder alone, whatever is missing in it."""
    keep_speed(place, "one")
    (place / "kept" / "two.json").write_text("{")
    (place / "kept" / "runs.json").write_text('{"one": 1}')
    slow = replace(stand_in("one"), figures=(SPEED, DELAY))
    suite = Suite((slow, stand_in("two")), place / "kept", place / "images")
    assert suite.main(["--summary-of", "kept"]) == 0
    assert "kept/README.md" in capsys.readouterr().out
    page = (place / "kept" / "README.md").read_text()
    assert "| delay | not in the result: delay | × 1.5 |" in page
    assert page.endswith("## Not here\n\ntwo\n")
    assert not (place / "bench").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--keep", "--quick"], "leave out --quick"),
        (["--keep", "--into", "/nowhere/at/all"], "inside the working directory"),
        (["--only", "three"], "there are one, two"),
        (["--summary-of", "nowhere"], "no such folder"),
    ],
)
def test_wrong_arguments_run_nothing(
    place: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message says what would do."""
    suite = Suite((stand_in("one"), stand_in("two")), place / "kept", place / "images")
    with pytest.raises(SystemExit) as ended:
        suite.main(arguments)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
    assert not (place / "bench").exists()


def test_the_list_shows_every_benchmark(capsys: pytest.CaptureFixture[str]) -> None:
    """By name."""
    assert SUITE.main(["--list"]) == 0
    printed = capsys.readouterr().out
    assert all(each.name in printed for each in BENCHMARKS)


def test_the_suite_runs_where_the_makefile_says() -> None:
    """`make bench` has the flags that the suite knows."""
    line = next(line for line in (ROOT / "Makefile").read_text().splitlines() if "-m benchmarks " in line)
    for flag in ("--quick", "--only", "--keep"):
        assert flag in line
    assert os.path.commonpath([SUITE.kept, ROOT]) == str(ROOT)
