"""The files of deploy/ for Prometheus and Grafana, and the mark of tests that need Prometheus."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "raymal.rules.yml"
RULE_TESTS = DEPLOY / "prometheus" / "raymal.rules.test.yml"
DASHBOARD = DEPLOY / "grafana" / "raymal.json"

HAS_PROMETHEUS = all(map(shutil.which, ("prometheus", "promtool")))
needs_prometheus = pytest.mark.skipif(
    not HAS_PROMETHEUS and "CI" not in os.environ,
    reason="prometheus is not installed (`apt-get install prometheus`); .ci/run installs it",
)


def rules() -> list[dict[str, Any]]:
    """Return the alert rules."""
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def dashboard_expressions() -> list[str]:
    """Return what the dashboard's panels ask for."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel.get("targets", ())]
