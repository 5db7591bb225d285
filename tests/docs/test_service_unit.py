"""deploy/raymal.service: systemd reads it without a complaint, and it says what the program needs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from ingress.configuration.settings import ServerSettings
from ingress.server.exit_codes import ExitCode
from ingress.server.supervisor import GATEWAY_STOP_S, MEDIA_STOP_MARGIN_S, RAY_STOP_S, SECOND_SIGNAL_AFTER_S

UNIT = Path(__file__).parents[2] / "deploy" / "raymal.service"
PROGRAM = "/opt/raymal/bin/raymal"


def values() -> dict[str, list[str]]:
    """Return the unit's settings; one that stands there twice has two values."""
    found: dict[str, list[str]] = defaultdict(list)
    for line in UNIT.read_text().splitlines():
        name, separator, value = line.partition("=")
        if separator and not line.startswith("#"):
            found[name].append(value)
    return found


def verified(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    """Return what `systemd-analyze verify` says of a unit whose program is there."""
    file = folder / "raymal.service"
    file.write_text(text.replace(PROGRAM, sys.executable))
    command = ["systemd-analyze", "verify", "--man=no", str(file)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None and "CI" not in os.environ,
    reason="systemd-analyze is not installed (Debian package systemd); .ci/run installs it",
)


@needs_systemd
def test_systemd_finds_nothing_to_complain_about(tmp_path: Path) -> None:
    """Unknown names, wrong values and missing programs would be reported."""
    result = verified(tmp_path, UNIT.read_text())
    assert (result.returncode, result.stderr, result.stdout) == (0, "", "")


@needs_systemd
@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("OOMPolicy=continue", "OOMPolicy=carry-on"),
        ("RestartSec=", "RestartSecs="),
        ("/bin/kill", "/bin/kil"),
    ],
)
def test_the_check_can_fail(tmp_path: Path, right: str, wrong: str) -> None:
    """A misspelt value, name or program."""
    assert right in UNIT.read_text()
    result = verified(tmp_path, UNIT.read_text().replace(right, wrong))
    assert result.stderr


def test_a_wrong_configuration_is_not_started_again() -> None:
    """The supervisor ends with that code; anything else that fails is."""
    unit = values()
    assert unit["Restart"] == ["on-failure"]
    assert unit["RestartPreventExitStatus"] == [str(int(ExitCode.CONFIGURATION))]


def test_it_waits_for_the_network() -> None:
    """`After` alone orders, and starts nothing."""
    assert values()["Wants"] == ["network-online.target"]
    assert values()["After"] == ["network-online.target"]


def test_it_reloads_by_the_signal_that_reloads() -> None:
    """`systemctl reload raymal`."""
    assert values()["ExecReload"] == ["/bin/kill -HUP $MAINPID"]


def test_stopping_may_take_its_time() -> None:
    """Longer than all deadlines of a stop together, with default settings."""
    media_s = ServerSettings().drain_deadline_s + MEDIA_STOP_MARGIN_S + SECOND_SIGNAL_AFTER_S
    worst_s = media_s + GATEWAY_STOP_S + RAY_STOP_S
    assert float(values()["TimeoutStopSec"][0]) >= worst_s + 10.0


def test_no_rank_is_inherited() -> None:
    """Nice would reach the speech models too; with a weight niceness is void beside Asterisk's unit."""
    forbidden = {
        "Nice",
        "CPUWeight",
        "StartupCPUWeight",
        "CPUQuota",
        "CPUSchedulingPolicy",
        "Delegate",
        "Slice",
    }
    assert not forbidden & set(values())


def test_a_worker_that_was_killed_for_memory_ends_nothing_else() -> None:
    """The default, `stop`, ends the whole unit with all its calls."""
    assert values()["OOMPolicy"] == ["continue"]
    assert values()["MemoryMax"]


def test_the_folders_that_a_replacing_server_uses_stay() -> None:
    """Its sockets are there already when the one that it replaces ends; systemd would remove them."""
    unit = values()
    assert unit["RuntimeDirectory"] == ["raymal"]
    assert unit["RuntimeDirectoryPreserve"] == ["yes"]
    assert "RAYMAL_RUNTIME=/run/raymal" in unit["Environment"]


def test_it_may_write_where_the_page_has_it_write() -> None:
    """In docs/install.md and in its own examples: with `ProtectSystem=strict` it may write nowhere else."""
    unit = values()
    assert unit["ProtectSystem"] == ["strict"]
    bases = {"CacheDirectory": "/var/cache", "LogsDirectory": "/var/log", "StateDirectory": "/var/lib"}
    writable = tuple(f"{base}/{unit[name][0]}/" for name, base in bases.items())
    text = UNIT.read_text() + (UNIT.parents[1] / "docs" / "install.md").read_text()
    written = re.findall(r'^(?:#.*)?\b(?:file|folder) = "([^"]+)"', text, re.MULTILINE)
    assert len(written) >= 4
    assert [path for path in written if not path.startswith(writable)] == []
