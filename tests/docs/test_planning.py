"""docs/planning.md quotes Erlang's table and every flag: both are compared with the code."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

from benchmarks.planning import command as plan
from benchmarks.planning.erlang import erlangs_for

PAGE = (Path(__file__).parents[2] / "docs" / "planning.md").read_text()
ROWS = re.findall(r"^\| (\d+) \| ([\d.]+) \| ([\d.]+) \|$", PAGE, re.MULTILINE)


@pytest.mark.parametrize(("lines", "one_percent", "one_in_a_thousand"), ROWS)
def test_the_table_is_the_formula(lines: str, one_percent: str, one_in_a_thousand: str) -> None:
    """To the last digit."""
    assert one_percent == f"{erlangs_for(int(lines), 0.01):.2f}"
    assert one_in_a_thousand == f"{erlangs_for(int(lines), 0.001):.2f}"


def test_the_page_has_the_flags_and_their_defaults() -> None:
    """Those of the forecast and the nodes, none that is not there."""
    assert len(ROWS) == 6
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers()
    plan.add_parser(commands)
    defaults = vars(parser.parse_args(["plan", "--busy-hour-calls", "1"]))
    rows = dict(re.findall(r"^\| `(--[a-z0-9-]+)` \| .* \| (.*) \|$", PAGE, re.MULTILINE))
    for flag, unsaid in rows.items():
        default = defaults[flag.removeprefix("--").replace("-", "_")]
        if isinstance(default, float | int) and not isinstance(default, bool) and flag != "--busy-hour-calls":
            assert unsaid == f"{default:g}", flag
    printed = {"--" + name.replace("_", "-") for name in defaults} - {"--results", "--run"}
    for flag in printed:
        assert f"`{flag}" in PAGE, flag
    assert {flag for flag in re.findall(r"`(--[a-z0-9-]+)", PAGE)} <= printed | {"--period-s"}
