"""cluster.yaml passes Ray's own checks, and says what it must not forget."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "deploy" / "ray-start"


@pytest.fixture(scope="module")
def written() -> dict[str, Any]:
    """cluster.yaml as it stands in the file."""
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "cluster.yaml").read_text())
    return loaded


def start_options() -> dict[str, str]:
    """Return the options that the start script hands to `ray start`."""
    return dict(re.findall(r"--([a-z-]+)=([^\s\"]+)", SCRIPT.read_text().partition("set -eu")[2]))


def test_rays_own_checks_accept_it(written: dict[str, Any]) -> None:
    """What `ray up` checks first: the schema, and what the local provider makes of it."""
    prepared = prepare_config(written)
    validate_config(prepared)
    assert prepared["provider"]["type"] == "local"
    assert prepared["max_workers"] == len(written["provider"]["worker_ips"])


def test_a_misspelt_key_would_be_noticed(written: dict[str, Any]) -> None:
    """The check above can fail."""
    with pytest.raises(Exception, match="worker_start_ray_comands"):
        validate_config(prepare_config(written | {"worker_start_ray_comands": []}))


def test_the_two_traps_of_the_launcher_are_avoided(written: dict[str, Any]) -> None:
    """Without the older autoscaler only the head comes up; the launcher's thread count must not stay."""
    head, workers = written["head_start_ray_commands"][-1], written["worker_start_ray_commands"][-1]
    assert "RAY_enable_autoscaler_v2=0" in head
    assert "--autoscaling-config=~/ray_bootstrap_config.yaml" in head
    assert head.startswith("unset OMP_NUM_THREADS;")
    assert workers.startswith("unset OMP_NUM_THREADS;")
    assert "--address=$RAY_HEAD_IP:6379" in workers


def test_every_local_path_it_copies_is_ours(written: dict[str, Any]) -> None:
    """What is copied is in the repository, but for the built package and the operator's token."""
    ours = set(written["file_mounts"].values()) - {"~/.ray/auth_token", "./dist"}
    assert len(ours) == 2
    assert all((ROOT / path).exists() for path in ours)


def test_no_port_is_in_asterisks_rtp_range() -> None:
    """Ray's default ports for workers are those of Asterisk's RTP; ours are 6379 and 30000-30999."""
    ports = {name: int(value) for name, value in start_options().items() if name.endswith("port")}
    assert len(ports) == 10
    assert len(set(ports.values())) == len(ports)
    assert all(port == 6379 or 30_000 <= port <= 30_999 for port in ports.values())


def test_the_start_script_is_a_script() -> None:
    """The shell can read it, and Ray knows every option in it."""
    subprocess.run(["sh", "-n", str(SCRIPT)], check=True, timeout=10)
    from ray.scripts.scripts import start

    known = {name for parameter in start.params for name in parameter.opts}
    assert {f"--{name}" for name in start_options()} <= known


def test_the_start_script_refuses_strangers() -> None:
    """The token is asked for on every machine."""
    assert "export RAY_AUTH_MODE=token" in SCRIPT.read_text()
