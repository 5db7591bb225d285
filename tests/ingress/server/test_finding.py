"""A running server is found by any of its ports, and by other users that may."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from other_user import without_permission

from actors.errors import LinkError
from ingress.server.finding import find
from ingress.server.runtime_directory import RuntimeDirectory


@contextmanager
def serving(path: Path, **ports: int) -> Iterator[RuntimeDirectory]:
    """Make the folder of a server that listens on these ports."""
    runtime = RuntimeDirectory(path)
    runtime.create()
    runtime.write_ports(ports)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(runtime.gateway_socket))
        yield runtime
    runtime.gateway_socket.unlink()
    runtime.remove()


def test_a_server_is_found_by_an_extensions_port(runtime_folder: Path) -> None:
    """As by its own; also one of several."""
    with (
        serving(runtime_folder / "9092", default=9092, sales=9100) as first,
        serving(runtime_folder / "9200", default=9200, sales=9201) as second,
    ):
        assert find(9092) == find(9100) == first
        assert find(9200) == find(9201) == second
        with pytest.raises(LinkError, match="no gateway at port 9999, its own or an extension's"):
            find(9999)


def test_the_services_folder_is_looked_into(
    runtime_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a user whose environment names no other place, or another one."""
    service = runtime_folder / "service"
    for has_other in (True, False):
        if not has_other:
            monkeypatch.delenv("RAYMAL_RUNTIME")
        with serving(service / "9092", default=9092, sales=9100) as running:
            assert find(9092, service) == find(9100, service) == running


def test_a_server_of_this_user_is_found_without_its_session(
    runtime_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was started where XDG_RUNTIME_DIR is not set, as by cron."""
    monkeypatch.delenv("RAYMAL_RUNTIME")
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(runtime_folder))
    with serving(RuntimeDirectory.of_port(9092).path, default=9092, sales=9100) as running:
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime_folder / "session"))
        assert find(9092) == find(9100) == running


def test_another_users_server_is_named(runtime_folder: Path) -> None:
    """With what to do; and one that is nowhere, with the variable."""
    runtime_folder.chmod(0o755)  # as systemd makes it
    with (
        serving(runtime_folder / "9092", default=9092, sales=9100) as running,
        without_permission(running.path, 0o000),
    ):
        for port in (9092, 9100):
            with pytest.raises(LinkError, match=r"9092 is another user's; ask as that user or as root"):
                find(port)
    with pytest.raises(LinkError, match="with RAYMAL_RUNTIME set as it is for the server"):
        find(9092)


@pytest.mark.parametrize("text", ["", "[", "[9100]", "null", '{"sales": "x"}'])
def test_a_file_that_is_no_list_of_ports_is_passed_over(runtime_folder: Path, text: str) -> None:
    """It may be half written."""
    folder = runtime_folder / "9092"
    folder.mkdir()
    (folder / "ports.json").write_text(text)
    with pytest.raises(LinkError, match="no gateway at port 9100"):
        find(9100)


def test_the_newer_of_two_servers_with_one_port_is_asked(runtime_folder: Path) -> None:
    """The other was killed and has left its folder."""
    with (
        serving(runtime_folder / "9092", default=9092, sales=9100) as killed,
        serving(runtime_folder / "9200", default=9200, sales=9100) as running,
    ):
        for newer, older in ((running, killed), (killed, running)):
            os.utime(older.path / "ports.json", (1.0, 1.0))
            os.utime(newer.path / "ports.json", (2.0, 2.0))
            assert find(9100) == newer
