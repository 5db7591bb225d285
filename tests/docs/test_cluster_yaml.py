"""cluster.yaml passes the checks of Ray itself and has what the launcher needs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray._raylet import Config  # type: ignore[attr-defined]  # compiled
from ray.autoscaler._private.util import prepare_config, validate_config

from actors.fleet.gpu_memory import MEMORY_LABEL
from actors.fleet.sizing import INGRESS_LABEL, WORK_LABEL
from actors.machine.limits import limits
from actors.machine.rank import background_niceness
from actors.settings import SpeechSettings

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "deploy" / "ray-start"


@pytest.fixture(scope="module")
def written() -> dict[str, Any]:
    """cluster.yaml as it stands in the file."""
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "cluster.yaml").read_text())
    return loaded


def start_options() -> dict[str, str]:
    """Return the options that the start script hands to `ray start`."""
    return dict(re.findall(r"--([a-z-]+)=([^\s\"]+)", SCRIPT.read_text().partition("set -eu")[2]))


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A home with raymal's Python, and a `ray` that says its environment, its arguments and its niceness."""
    ray = tmp_path / "raymal" / "venv" / "bin" / "ray"
    ray.parent.mkdir(parents=True)
    ray.write_text('#!/bin/sh\nenv\nprintf "%s\\n" "$@"\necho "niceness=$(nice)"\n')
    python = ray.parent / "python"
    python.write_text(f'#!/bin/sh\nexport PYTHONPATH={ROOT}\nexec {sys.executable} "$@"\n')
    for program in (ray, python):
        program.chmod(0o700)
    return tmp_path


def started(home: Path, *arguments: str) -> list[str]:
    """Return the lines that `ray` would be started with there."""
    environment = {"HOME": str(home), "PATH": os.environ["PATH"]}
    command = ["sh", str(SCRIPT), *arguments]
    return subprocess.check_output(command, env=environment, text=True, timeout=10).splitlines()


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
    head = next(it for it in written["head_start_ray_commands"] if "ray-start" in it)
    workers = written["worker_start_ray_commands"][-1]
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


def test_the_start_script_asks_for_the_token() -> None:
    """The token is asked for on every machine."""
    assert "export RAY_AUTH_MODE=token" in SCRIPT.read_text()


def test_a_dead_machine_is_missed_before_its_callers_work_is_late(machine: Path) -> None:
    """By Ray's own names, within a request's deadline; Ray's defaults would not do."""
    lines = dict(line.split("=", 1) for line in started(machine, "--head") if "=" in line)
    names = [f"health_check_{name}" for name in ("failure_threshold", "period_ms", "timeout_ms")]
    ours = [int(lines[f"RAY_{name}"]) for name in names]
    rays = [getattr(Config, name)() for name in names]

    def missed_after_s(misses: int, period_ms: int, timeout_ms: int) -> float:
        return misses * (period_ms + timeout_ms) / 1000.0

    assert missed_after_s(*ours) < SpeechSettings().transcription_deadline_s < missed_after_s(*rays)
    first_ms = int(lines["RAY_health_check_initial_delay_ms"])
    assert first_ms < Config.health_check_initial_delay_ms()
    assert int(lines["RAY_gcs_rpc_server_reconnect_timeout_s"]) == 600


def test_ray_gets_what_it_may_use(machine: Path) -> None:
    """CPUs and memory with the limits of its unit or container, and the operator's arguments after them."""
    own = limits()
    lines = started(machine, "--head", "--num-gpus=1", "a b")
    assert [line for line in lines if line.startswith(("--num-cpus", "--memory"))] == [
        f"--num-cpus={max(1, int(own.cpus))}",
        f"--memory={own.memory_bytes}",
    ]
    assert lines[-4:-1] == ["--head", "--num-gpus=1", "a b"]


def test_ray_stands_behind_the_audio_clock_of_its_machine(machine: Path) -> None:
    """All of it, workers included, in a session that is ranked as well (`actors.machine.rank`)."""
    lines = started(machine, "--head")
    assert f"niceness={background_niceness(0, os.getpriority(os.PRIO_PROCESS, 0))}" in lines
    assert "RAY_worker_niceness=0" in lines


def test_ray_gets_the_labels_of_a_machine(machine: Path) -> None:
    """Those in its file, if it has one; the command line still has the last word."""
    labels = machine / "raymal" / "labels.yaml"
    assert not any(line.startswith("--labels") for line in started(machine, "--head"))
    labels.write_text(f'{WORK_LABEL}: none\n{MEMORY_LABEL}: "24"\n')
    lines = started(machine, "--address=192.0.2.1:6379", "--labels-file=other.yaml")
    assert [line for line in lines if line.startswith("--labels-file")] == [
        f"--labels-file={labels}",
        "--labels-file=other.yaml",
    ]


def test_the_labels_that_are_explained_are_read_by_ray(tmp_path: Path) -> None:
    """The lines of cluster.yaml, as they stand, are a file that Ray accepts."""
    from ray._private.label_utils import parse_node_labels_from_yaml_file

    lines = re.findall(r"^#   (raymal-[a-z-]+: .*)$", (ROOT / "cluster.yaml").read_text(), re.MULTILINE)
    file = tmp_path / "labels.yaml"
    file.write_text("\n".join(lines))
    read = parse_node_labels_from_yaml_file(str(file))
    assert read == {INGRESS_LABEL: "yes", WORK_LABEL: "transcription", MEMORY_LABEL: "24"}


def test_a_head_without_its_door_is_a_head(written: dict[str, Any], tmp_path: Path) -> None:
    """The last command opens the door, with the token if there is one; its failure is none of the start."""
    raymal = tmp_path / "raymal" / "venv" / "bin" / "raymal"
    raymal.parent.mkdir(parents=True)
    raymal.write_text('#!/bin/sh\nprintf "%s\\n" "$RAY_AUTH_MODE" "$@"\nexit 3\n')
    raymal.chmod(0o700)

    def opened() -> list[str]:
        command = ["bash", "-c", written["head_start_ray_commands"][-1]]
        environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
        return subprocess.check_output(command, env=environment, text=True, timeout=10).splitlines()

    without_token = ["token", "cluster", "door", "--ray-address", "auto", "--deadline", "60"]
    assert opened() == without_token
    (tmp_path / "raymal" / "token").write_text("x" * 32)
    assert opened() == [*without_token, "--set", "web.token_file=~/raymal/token"]
