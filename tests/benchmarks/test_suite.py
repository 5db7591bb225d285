"""`python -m benchmarks`: comparisons and exit codes, with tiny programs in the benchmarks' place."""

from __future__ import annotations

import asyncio
import importlib
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import psutil
import pytest
from capacity_fixture import capacity_result, step
from running_server import wait_until

from benchmarks import suite
from benchmarks.__main__ import SUITE
from benchmarks.catalogue import BENCHMARKS, Benchmark, Figure, chosen
from benchmarks.comparison import Change, Result, compare
from benchmarks.suite import Suite, read_records

ROOT = Path(__file__).parents[2]
MACHINE = {
    "processor": "a CPU", "cores": 2, "memory_gib": 8.0, "python": "3.11.7", "packages": {"numpy": "2.0"},
    "commit": "abc1234",
}  # fmt: skip
SPEED = Figure("speed", "calls", 1.25, lambda it: it["speed"], more_is_better=True)
DELAY = Figure("delay", "ms", 1.5, lambda it: it["delay"])
ROW = {"test": "calls", "criterion": "late", "limit": "5 ms", "measured": "9 | 10 ms"}


def result(**values: object) -> Result:
    """Return a result of the usual machine."""
    return Result({"machine": MACHINE} | values)


# ---- comparison ---------------------------------------------------------------------------------------


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
        (DELAY, None, 1.0, Change.MISSING),
        (DELAY, inf, 1.0, Change.MISSING),
        (DELAY, 1.0, None, Change.NOTHING_KEPT),
    ],
)
def test_a_regression_is_worse_by_more_than_the_limit(
    figure: Figure, new: float | None, kept: float | None, change: Change
) -> None:
    """Less or more is better, on either side of the limit, and where there was or is nothing."""
    name = figure.name
    assert compare(figure, result(**{name: new}), result(**{name: kept})) is change


def test_what_says_nothing_is_no_regression() -> None:
    """Nothing kept, another machine, a disturbed run."""
    kept = result(speed=100.0)
    other = Result({"machine": MACHINE | {"cores": 64}, "speed": 1.0})
    disturbed = result(speed=1.0, outcomes=[ROW | {"verdict": "DISTURBED"}])
    assert compare(SPEED, result(speed=1.0), None) is Change.NOTHING_KEPT
    assert compare(SPEED, other, kept) is Change.OTHER_MACHINE
    assert compare(SPEED, disturbed, kept) is Change.WORSE_DISTURBED


def test_every_format_says_what_was_missed_and_disturbed() -> None:
    """All the ways of the benchmarks."""
    target = {"name": "cost", "limit": "2x", "measured": "3x", "is_met": False}
    for key in ("targets", "criteria"):
        assert result(**{key: [target, target | {"is_met": True}]}).missed == ["cost: 3x (limit 2x)"]
    rows = [ROW | {"verdict": verdict} for verdict in ("PASS", "MISS", "SHOWN", "DISTURBED", "IMPOSSIBLE")]
    outcomes = result(outcomes=rows)
    assert outcomes.missed == ["calls: late: 9 | 10 ms (limit 5 ms)"]
    assert outcomes.disturbed == ["calls: late: 9 | 10 ms"]
    assert outcomes.impossible == ["calls: late: 9 | 10 ms"]
    paced = {"server": "raymal", "calls": 4, "measurements": [{"invalid_because": ["a busy core"]}]}
    assert result(results=[paced]).disturbed == ["raymal, 4 calls: a busy core"]


@pytest.mark.parametrize(
    ("steps", "disturbed"),
    [
        ([(8, ()), (40, ())], []),
        ([(8, ("late",)), (8, ()), (16, ())], []),
        ([(8, ()), (16, ("late",)), (16, ("stolen",)), (32, ())], ["16 calls: stolen"]),
        ([(8, ())], []),
    ],
)
def test_a_capacity_is_disturbed_where_it_ended(
    steps: list[tuple[float, tuple[str, ...]]], disturbed: list[str]
) -> None:
    """What is held is held; only the least number that was not held may have been disturbed."""
    tried = tuple(step(calls, 1_000.0, invalid=invalid) for calls, invalid in steps)
    found = capacity_result(steps=tried, calls_held=8, raymal="0.1.0 (abc1234+)")
    read = Result(json.loads(found.model_dump_json()))
    assert (read.disturbed, read.missed) == (disturbed, [])
    assert str(read) == "commit abc1234+; a CPU, 2 cores, 7.5 GiB; Python 3.11"
    assert Result(read.values | {"calls_held": 0, "steps": []}).missed == ["calls held: not even one"]


# ---- the catalogue ------------------------------------------------------------------------------------


def test_what_is_kept_has_every_headline() -> None:
    """All results are known, nothing is missing in them, and their page is current.

    `python -c "from benchmarks.__main__ import SUITE; print(SUITE.kept_page(), end='')"` renders it.
    """
    known = {each.name: each for each in BENCHMARKS}
    names = {file.stem for file in SUITE.kept.glob("*.json")} - {"runs"}
    assert names
    for name in names:
        found = Result.load(SUITE.kept / f"{name}.json")
        assert found is not None
        for figure in known[name].figures:
            assert (figure.read(found.values) or 0.0) >= 0.0, (name, figure.name)
            assert figure.read(found.values) is not None, (name, figure.name)
    assert (SUITE.kept / "README.md").read_text() == SUITE.kept_page()


@pytest.mark.parametrize("is_quick", [False, True], ids=["whole", "quick"])
@pytest.mark.parametrize("benchmark", BENCHMARKS, ids=lambda each: each.name)
def test_every_command_is_accepted(
    benchmark: Benchmark, is_quick: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The module exists, knows every flag and takes every value: its own parser says so."""
    arguments = benchmark.command(tmp_path, is_quick)[3:]
    is_package = (ROOT / benchmark.module.replace(".", "/")).is_dir()
    main = importlib.import_module(f"{benchmark.module}.__main__" if is_package else benchmark.module).main
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--help"])
    assert ended.value.code == 0
    known = set(re.findall(r"(?<![\w-])--[a-z0-9-]+", capsys.readouterr().out))
    assert {each for each in arguments if each.startswith("--")} <= known


def test_the_catalogue_is_whole() -> None:
    """Every benchmark that writes a result is in it, and in README; quick is below ten minutes."""
    files = [*(ROOT / "benchmarks").glob("*.py"), *(ROOT / "benchmarks").glob("*/__main__.py")]
    writers = re.compile(r'"--json"|command\.parser\(')
    found = {each for each in files if writers.search(each.read_text())} | {
        ROOT / "benchmarks" / "capacity.py"
    }
    modules = {".".join(each.relative_to(ROOT).with_suffix("").parts) for each in found}
    known = {each.module for each in BENCHMARKS}
    assert {each.removesuffix(".__main__") for each in modules} - {
        "benchmarks.suite",
        "benchmarks.catalogue",
    } == known
    assert sum(each.lasts_minutes(is_quick=True) for each in chosen(BENCHMARKS, None)) <= 10
    readme = (ROOT / "benchmarks" / "README.md").read_text()
    for each in BENCHMARKS:
        assert f"python -m {each.module}" in readme
        assert all((SUITE.images / picture).is_file() for picture in each.pictures)


def test_benchmarks_are_chosen_by_name() -> None:
    """In their own order; an unknown name is an error that has the known ones."""
    assert [each.name for each in chosen(BENCHMARKS, "soak, stt")] == ["stt", "soak"]
    assert {"faults", "soak"}.isdisjoint(each.name for each in chosen(BENCHMARKS, None))
    for names in ("stt,nothing", ""):
        with pytest.raises(ValueError, match=r"no such benchmark: .* \(there are demo, stt"):
            chosen(BENCHMARKS, names)


# ---- runs ---------------------------------------------------------------------------------------------

STAND_IN = """
import argparse, pathlib, subprocess, sys, time
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
    """A working directory with the stand-in in it; what is kept of "one" and "two" is a speed of 100."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "stand_in.py").write_text(STAND_IN)
    (tmp_path / "kept").mkdir()
    for name in ("one", "two"):
        (tmp_path / "kept" / f"{name}.json").write_text(json.dumps({"machine": MACHINE, "speed": 100.0}))
    return tmp_path


def run(place: Path, benchmarks: list[Benchmark], *arguments: str) -> tuple[int, dict[str, Any]]:
    """Run a suite of stand-ins; return its exit code and its summary for machines."""
    code = Suite(benchmarks, place / "kept", place / "images").main([*arguments, "--json", "summary.json"])
    summary = json.loads((place / "summary.json").read_text())
    assert summary["exit_code"] == code
    return code, summary


GOOD = {"speed": 100.0}
MISSED = GOOD | {"outcomes": [ROW | {"verdict": "MISS"}]}
DISTURBED = {"speed": 70.0, "outcomes": [ROW | {"verdict": "DISTURBED"}]}


@pytest.mark.parametrize(
    ("benchmark", "code", "verdict"),
    [
        (stand_in("one", values=GOOD), 0, "all well"),
        (stand_in("one", "--exit", "1", values=MISSED), 1, "a target missed: one"),
        (stand_in("one", "--exit", "2", values=DISTURBED), 2, "disturbed: one"),
        (stand_in("one", values={"speed": 70.0}), 1, "a regression: one"),
        (stand_in("one", values={}), 2, "incomplete: one"),
        (stand_in("one", "--exit", "1", values=GOOD), 2, "not measured: one"),
        (stand_in("one"), 2, "not measured: one"),
    ],
    ids=["well", "missed", "disturbed", "regression", "figure missing", "no reason", "nothing written"],
)
def test_the_exit_code_says_what_came_of_it(
    place: Path, benchmark: Benchmark, code: int, verdict: str
) -> None:
    """0 all well, 1 missed or worse, 2 not measured or disturbed; the others run all the same."""
    found, summary = run(place, [benchmark, stand_in("two", values=GOOD)])
    assert (found, summary["verdict"]) == (code, verdict)
    assert summary["benchmarks"][1]["figures"]["speed"] == {"new": 100.0, "kept": 100.0, "change": "as_kept"}


def test_a_miss_outweighs_what_was_not_measured(place: Path) -> None:
    """Exit code 1, and the sentence has both; an old result is not read; the log's end is quoted."""
    (place / "bench").mkdir()
    (place / "bench" / "one.json").write_text(json.dumps({"machine": MACHINE, "speed": 100.0}))
    unmeasured = stand_in("one", "--exit", "2", "--say", "not measured: two cores are needed")
    code, summary = run(place, [unmeasured, stand_in("two", "--exit", "1", values=MISSED)])
    assert (code, summary["verdict"]) == (1, "a target missed: two; not measured: one")
    assert summary["benchmarks"][0]["problem"] == "exit code 2; not measured: two cores are needed"
    page = (place / "bench" / "summary.md").read_text()
    assert "| speed | 100 calls | ÷ 1.25 | 100 calls: as kept |" in page
    assert "- calls: late: 9 \\| 10 ms (limit 5 ms)" in page


def test_one_that_hangs_is_stopped(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time, and the next one runs."""
    monkeypatch.setattr(suite, "SLOW_START_MINUTES", 0.0)
    monkeypatch.setattr(suite, "LOOK_S", 0.2)
    hung = replace(stand_in("one", "--hang"), minutes=0.01)
    code, summary = run(place, [hung, stand_in("two", values=GOOD)])
    assert (code, summary["verdict"]) == (2, "not measured: one")
    assert "stopped: not over after" in summary["benchmarks"][0]["problem"]


def test_of_a_quick_run_nothing_is_compared(place: Path) -> None:
    """It has arguments of its own; a headline that it lacks is no failure."""
    quick = ("--values", json.dumps({"machine": MACHINE}))
    benchmarks = [
        replace(stand_in("one", values=GOOD), quick=quick, quick_minutes=0.1),
        stand_in("two", values={"speed": 70.0}),
    ]
    code, summary = run(place, benchmarks, "--quick")
    assert (code, summary["verdict"]) == (1, "a regression: two")
    assert summary["benchmarks"][0]["figures"]["speed"]["kept"] is None


SUITE_OF_STAND_INS = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from benchmarks.suite import Benchmark, Suite
both = [Benchmark(name, "what?", "stand_in", 1, (), ("--hang",)) for name in ("one", "two")]
sys.exit(Suite(both, Path("kept"), Path("images")).main([]))
"""


def test_an_interruption_leaves_no_child(place: Path) -> None:
    """Sent twice: the child is asked to end and does so in order; the summary says what was not run."""
    (place / "suite.py").write_text(SUITE_OF_STAND_INS.format(root=str(ROOT)))
    process = subprocess.Popen([sys.executable, "suite.py"], stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: (place / "hangs").exists() or process.poll() is not None, 60.0, "the stand-in")
        family = psutil.Process(process.pid).children(recursive=True)
        assert len(family) == 2
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        assert process.wait(30.0) == suite.INTERRUPTED
        assert psutil.wait_procs(family, timeout=0)[1] == []
        assert not (place / "busy").exists(), "it ended in order"
        page = (place / "bench" / "summary.md").read_text()
        assert "exit code 130: interrupted: one; not run: two" in page
    finally:
        process.kill()
        process.wait()


async def test_one_that_ignores_signals_is_killed_with_its_children(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked twice, then killed, and what it has started as well."""
    monkeypatch.setattr(suite, "STOP_DEADLINES_S", {signal.SIGINT: 0.2, signal.SIGTERM: 0.2})
    program = (
        "import pathlib, signal, subprocess, sys, time\n"
        "for number in (signal.SIGINT, signal.SIGTERM): signal.signal(number, lambda *_: None)\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True)\n"
        "pathlib.Path('ready').touch()\n"
        "while True: time.sleep(1)\n"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
    await asyncio.to_thread(wait_until, (place / "ready").exists, 30.0, "the program")
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    assert len(family) == 2
    began_s = time.monotonic()
    await suite.stop(process)
    assert process.returncode == -signal.SIGKILL
    assert time.monotonic() - began_s >= 0.4
    _, alive = await asyncio.to_thread(psutil.wait_procs, family, 10.0)
    assert alive == []


def test_what_was_measured_is_kept(place: Path) -> None:
    """Results, pictures, records and page; what was not measured stays as it was."""
    benchmarks = [
        stand_in("one", "--exit", "1", values={"speed": 55.0}),
        stand_in("two", values={"speed": 90.0}, outputs=("--plot", "{into}/two.svg"), pictures=("two.svg",)),
        stand_in("three", "--exit", "2", values=DISTURBED),
    ]
    run(place, benchmarks, "--keep", "--into", "new")
    kept = place / "kept"
    speeds = [json.loads((kept / f"{each.name}.json").read_text())["speed"] for each in benchmarks]
    assert speeds == [100.0, 90.0, 70.0]
    assert (place / "images" / "two.svg").read_text() == "a picture"
    assert set(read_records(kept)) == {"two", "three"}
    assert read_records(kept)["two"].command.endswith("--plot new/two.svg --json new/two.json")
    one, two, three = (kept / "README.md").read_text().split("\n## ")[1:]
    assert "make bench ONLY=one" in one
    assert "| speed | 90 calls | ÷ 1.25 |" in two
    assert "- calls: late: 9 \\| 10 ms" in three


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--keep", "--quick"], "leave out --quick"), (["--only", "three"], "there are one, two")],
)
def test_wrong_arguments_run_nothing(
    place: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message says what would do."""
    with pytest.raises(SystemExit) as ended:
        run(place, [stand_in("one"), stand_in("two")], *arguments)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
    assert not (place / "bench").exists()


def test_the_suite_has_the_flags_of_the_makefile(capsys: pytest.CaptureFixture[str]) -> None:
    """`make bench QUICK=1 ONLY=… KEEP=1`; the list has every benchmark."""
    line = next(line for line in (ROOT / "Makefile").read_text().splitlines() if "-m benchmarks " in line)
    assert all(flag in line for flag in ("--quick", "--only", "--keep"))
    assert SUITE.main(["--list"]) == 0
    printed = capsys.readouterr().out
    assert all(each.name in printed for each in BENCHMARKS)
