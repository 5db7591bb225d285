"""deploy/prometheus: the rules are right, and each alert fires when it should and not otherwise."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest
import yaml
from prometheus_tools import DEPLOY, RULE_TESTS, RULES, needs_prometheus, rules

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"


@needs_prometheus
@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "rules", str(RULES)],
        ["check", "config", str(DEPLOY / "prometheus" / "prometheus.yml")],
        ["test", "rules", str(RULE_TESTS)],
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_promtool_finds_no_fault(arguments: list[str]) -> None:
    """In the rules, the example, and in what the rules do."""
    result = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_each_alert_has_a_test_in_which_one_server_is_good() -> None:
    """And one is bad: the same series, other values."""
    tests = yaml.safe_load(RULE_TESTS.read_text())["tests"]
    assert [test["name"] for test in tests] == [rule["alert"] for rule in rules()]
    for test in tests:
        servers = Counter(
            server for it in test["input_series"] for server in re.findall(r'instance="(\w+)"', it["series"])
        )
        assert servers.keys() == {"good", "bad"}
        assert servers["good"] == servers["bad"]
        (asked,) = test["alert_rule_test"]
        assert [it["exp_labels"]["instance"] for it in asked["exp_alerts"]] == ["bad"]


def test_the_docs_say_what_to_do_for_each_alert() -> None:
    """By its name."""
    text = OPERATIONS.read_text()
    assert [rule["alert"] for rule in rules()] == re.findall(r"^\| `(Raymal\w+)` \|", text, re.MULTILINE)
