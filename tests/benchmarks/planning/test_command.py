"""`raymal plan`: files in, tables, JSON and a picture out; what goes wrong is said."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from capacity_fixture import capacity_result, step

from actors.errors import ConfigurationError
from benchmarks.capacity.result import Machine
from benchmarks.planning import command as plan_command
from ingress.server.exit_codes import ExitCode


def run(*arguments: str | Path) -> int:
    """Run the command as the command line does."""
    parser = argparse.ArgumentParser(prog="raymal")
    plan_command.add_parser(parser.add_subparsers())
    parsed = parser.parse_args(["plan", *map(str, arguments)])
    return int(parsed.run(parsed))


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Return the fixture's machine: 2 cores, 32 calls."""
    path = tmp_path / "small.json"
    path.write_text(capacity_result().model_dump_json())
    return path


@pytest.fixture
def big(tmp_path: Path) -> Path:
    """Return a machine of 16 cores that held 200 calls, with other models."""
    path = tmp_path / "measured-there.json"
    machine = Machine(name="big", processor="a CPU", cores=16, memory_bytes=1, python="3.11")
    result = capacity_result(
        machine=machine,
        calls_held=200,
        confirmed=step(200, 1_200.0),
        models={"transcription": "whisper small"},
        services={
            kind: service.model_copy(update={"slots": 16})
            for kind, service in capacity_result().services.items()
        },
    )
    path.write_text(result.model_dump_json())
    return path


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> dict[str, Any]:
    """Return what `--json` prints."""
    assert run(*arguments, "--json") == ExitCode.OK
    found = json.loads(capsys.readouterr().out)
    return dict(found)


def test_the_tables_have_the_figures_of_the_plan(
    small: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proposal, one node less, twice the traffic; and what all of it assumes."""
    monkeypatch.setenv("COLUMNS", "140")
    assert run(small, "--busy-hour-calls", "1200") == ExitCode.OK
    out = capsys.readouterr().out
    lines = [" ".join(line.replace("│", " ").split()) for line in out.splitlines()]
    for begins in (
        "forecast: 1200 calls in the busy hour, 180 s each: 60.00 erlangs; 5 turns a minute and call",
        "proposed: 3 × small: 60.0 calls at once on average, at most 86",
        "3 × small 6 86 0.030 ",
        "2 × small 57 12.8* ",
        "traffic ×2 5 30.1* ",
        "- a refused caller does not call again within the hour",
    ):
        assert any(line.startswith(begins) for line in lines), begins


def test_json_has_all_of_it(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Plain JSON: no figure is NaN or infinite."""
    found = as_json(capsys, small, "--busy-hour-calls", "1200", "--turn-p95-ms", "1300")
    assert found["proposed"] == found["alone"][0]
    assert found["proposed"]["nodes"] == {"small": 3}
    assert found["forecast"]["turn_p95_ms"] == 1_300.0
    assert found["erlangs"] == pytest.approx(60.0)
    assert len(found["what_if"]) > 10
    assert len(found["assumptions"]) >= 5


def test_types_prices_and_nodes_that_are_there(
    small: Path, big: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A type is called as it is named; the cheapest is proposed; unequal models are noted."""
    monkeypatch.setenv("COLUMNS", "140")
    both: Sequence[str | Path] = (small, f"rack={big}", "--busy-hour-calls", "7000")
    prices = ("--price", "small=10", "--price", "rack=30")
    assert run(*both, *prices, "--have", "small=2") == ExitCode.OK
    out = " ".join(capsys.readouterr().out.split())
    assert "today: 2 × small" in out
    assert "price" in out
    assert "proposed: 2 × small + 2 × rack" in out
    assert "note: the types were measured with different models" in out
    cheap = as_json(capsys, *both, "--price", "small=1", "--price", "rack=30")
    assert set(cheap["proposed"]["nodes"]) == {"small"}
    with pytest.raises(ConfigurationError, match="missing: rack"):
        run(*both, "--price", "small=1")


def test_how_much_callers_say(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As turns a minute, or as the share of the time: 50 % of it, in utterances of 3 s, is 10 a minute."""
    for flags in (("--turns-per-minute", "10"), ("--talk-percent", "50")):
        found = as_json(capsys, small, "--busy-hour-calls", "1200", *flags)
        assert found["forecast"]["turns_per_minute"] == pytest.approx(10.0)
        assert found["proposed"]["nodes"] == {"small": 6}


def test_a_picture(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Written where it was asked for; only SVG, only where files can be written."""
    picture = tmp_path / "plan.svg"
    assert run(small, "--busy-hour-calls", "1200", "--plot", picture) == ExitCode.OK
    assert ElementTree.fromstring(picture.read_text()).tag.endswith("svg")
    assert str(picture) in capsys.readouterr().out.replace("\n", "")
    for path, message in (
        (tmp_path / "plan.png", "SVG"),
        (tmp_path / "no" / "plan.svg", "cannot be written"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            run(small, "--busy-hour-calls", "1200", "--plot", path)


def test_targets_that_cannot_be_met_are_exit_code_1(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the reason, and without a picture of nothing."""
    assert run(small, "--busy-hour-calls", "100", "--turn-p95-ms", "600") == ExitCode.FAILED
    assert "not waiting for a slot" in capsys.readouterr().out
    assert run(small, "--busy-hour-calls", "1200", "--have", "small=2", "--at-most", "0") == ExitCode.FAILED


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not JSON", "Invalid JSON"),
        ("{}", "taken_at: Field required.*more"),
        ("[]", "not a result of `raymal capacity`"),
        (capacity_result().model_dump_json().replace('"synthesis":{', '"dancing":{'), "services.dancing"),
        (
            capacity_result().model_dump_json().replace('"mean_ms":400.0', '"mean_ms":-1.0'),
            "mean_ms: .*or equal",
        ),
        (capacity_result(calls_held=0, confirmed=None).model_dump_json(), "not even one call"),
    ],
)
def test_files_that_are_no_results(tmp_path: Path, text: str, message: str) -> None:
    """The file is named, and what is wrong with it."""
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=message) as caught:
        run(path, "--busy-hour-calls", "100")
    assert "x" in str(caught.value)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--busy-hour-calls", "0"), "calls of the busy hour"),
        (("--call-s", "-3"), "length of a call"),
        (("--refused-percent", "0"), "refuses nothing"),
        (("--talk-percent", "100"), "--talk-percent"),
        (("--turns-per-minute", "0"), "turns per minute"),
        (("--turn-p95-ms", "nan"), "turn's p95"),
        (("--lines-percent", "0"), "--lines-percent"),
        (("--spare", "-1"), "--spare"),
        (("--have", "large=1"), "small"),
        (("--have", "small=1.5"), "whole"),
        (("--have", "small=inf"), "whole"),
        (("--have", "small=many"), "not a number"),
        (("--price", "small=0"), "price"),
    ],
)
def test_arguments_that_cannot_be(small: Path, flags: tuple[str, str], message: str) -> None:
    """Each is said with its own name."""
    with pytest.raises(ConfigurationError, match=message):
        run(small, "--busy-hour-calls", "100", *flags)


def test_files_that_are_missing_or_alike(small: Path, tmp_path: Path) -> None:
    """Without a measurement there is no plan: the error names the command that makes one."""
    with pytest.raises(ConfigurationError, match="`raymal capacity`"):
        run("--busy-hour-calls", "100")
    with pytest.raises(ConfigurationError, match="no such file; `raymal capacity`"):
        run(tmp_path / "gone.json", "--busy-hour-calls", "100")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        run(tmp_path, "--busy-hour-calls", "100")
    with pytest.raises(ConfigurationError, match="a type small already"):
        run(small, small, "--busy-hour-calls", "100")
    with pytest.raises(ConfigurationError, match="NAME=FILE"):
        run("=x.json", "--busy-hour-calls", "100")


def test_what_a_reader_should_know_of_the_measurement() -> None:
    """Scripted engines, runs that were not clean, waits that were not measured."""
    result = capacity_result()
    assert plan_command.notes({"a": result}) == []
    scripted = result.model_copy(
        update={
            "workload": result.workload.model_copy(update={"speech": "scripted"}),
            "confirmed": step(32, 1_400.0, invalid=("the generator was late",)),
            "services": {},
        }
    )
    said = " ".join(plan_command.notes({"a": scripted}))
    for words in ("scripted engines", "the generator was late", "no service times"):
        assert words in said
