"""`raymal cluster door`: on a Ray that no server uses."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import psutil
import pytest
from ray_fixture import RayCluster
from running_server import free_port, raymal

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(120)]

TOKEN = "correct-horse-battery-staple"


@pytest.fixture
def door(ray_cluster: RayCluster, tmp_path: Path) -> Iterator[tuple[list[str], str]]:
    """The command, and where the door is; whatever happens, it is closed."""
    port = free_port()
    (tmp_path / "token").write_text(TOKEN + "\n")
    (tmp_path / "token").chmod(0o600)
    where = ["--ray-address", ray_cluster.address, "--namespace", ray_cluster.namespace()]
    settings = ["--set", f"api.port={port}", "--set", f"web.token_file={tmp_path / 'token'}"]
    command = ["cluster", "door", *where, *settings]
    yield command, f"http://127.0.0.1:{port}"
    if replicas():
        raymal(*command, "--close")


def test_it_is_opened_once_and_closed(door: tuple[list[str], str]) -> None:
    """Also after a failure; opened again it stays as it is. Without a server there is no speech."""
    command, url = door
    with socket.create_server(("127.0.0.1", int(url.rpartition(":")[2]))):
        refused = raymal(*command)
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (3, "", 1)
    assert "Failed to bind to address" in refused.stderr
    opened = raymal(*command)
    assert (opened.returncode, opened.stderr) == (0, "")
    assert opened.stdout == f"the cluster's door has been opened at {url}\n"
    replica = replicas()
    assert raymal(*command).stdout == f"the cluster's door is open at {url}\n"
    assert replicas() == replica
    elsewhere = raymal(*command, "--set", f"api.port={free_port()}")
    assert (elsewhere.returncode, elsewhere.stderr.count("\n")) == (3, 1)
    assert f"listens on {url.removeprefix('http://')}" in elsewhere.stderr
    assert replicas() == replica
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        assert client.get("/api/v1/fleet").json()["ingresses"] == 0
        models = client.get("/v1/models")
        assert models.status_code == 503
        assert "raymal serve" in models.json()["error"]["message"]
        assert client.get("/v1/models", headers={"Authorization": ""}).status_code == 401
    closed = raymal(*command, "--close")
    assert closed.stdout == "the cluster's door is closed, and Ray Serve has ended\n"
    assert not replicas()


def replicas() -> list[int]:
    """Return the doors' processes, of the Ray of these tests."""
    family = psutil.Process().children(recursive=True)
    return [it.pid for it in family if " ".join(it.cmdline()).startswith("ray::ServeReplica")]


def test_without_a_ray_it_says_so() -> None:
    """One line, exit code 3."""
    refused = raymal("cluster", "door", "--ray-address", f"127.0.0.1:{free_port()}", "--deadline", "1")
    assert (refused.returncode, refused.stderr.count("\n")) == (3, 1)
    assert "no Ray answered" in refused.stderr


def test_beyond_loopback_without_a_token_it_is_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is asked."""
    monkeypatch.delenv("RAYMAL_TOKEN", raising=False)
    refused = raymal("cluster", "door", "--set", "api.host=192.0.2.1")
    assert refused.returncode == 2
    assert "a token is needed" in refused.stderr
