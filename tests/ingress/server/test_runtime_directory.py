"""The server's private folder."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from actors.errors import ConfigurationError
from ingress.configuration.settings import Settings
from ingress.server.checking import extension_book
from ingress.server.runtime_directory import RuntimeDirectory


def test_the_folder_is_private_and_goes_again(runtime_folder: Path) -> None:
    """No other user may enter; nothing is left. What the server's processes read is written to a new one."""
    runtime = RuntimeDirectory.of_port(9092)
    runtime.create()
    assert runtime.path.parent == runtime_folder
    assert stat.S_IMODE(runtime.path.stat().st_mode) == 0o700
    with runtime.lock():
        runtime.write(Settings(), extension_book(Settings()))
        runtime.remove()
    assert not runtime.path.exists()
    runtime.write(Settings(), extension_book(Settings()))
    assert runtime.read() == (Settings(), extension_book(Settings()))


def test_a_folder_that_others_may_enter_is_refused(runtime_folder: Path) -> None:
    """Another user may have put a socket there."""
    runtime = RuntimeDirectory.of_port(9092)
    runtime.path.mkdir()
    runtime.path.chmod(0o777)
    with pytest.raises(ConfigurationError, match="not a private folder"):
        runtime.create()


def test_a_link_is_refused(runtime_folder: Path, tmp_path: Path) -> None:
    """Even if it leads to a private folder."""
    runtime = RuntimeDirectory.of_port(9092)
    tmp_path.chmod(0o700)
    runtime.path.symlink_to(tmp_path)
    with pytest.raises(ConfigurationError, match="not a private folder"):
        runtime.create()


def test_two_servers_do_not_share_a_folder(runtime_folder: Path) -> None:
    """The same port number on two addresses: the second is refused, with the remedy."""
    runtime = RuntimeDirectory.of_port(9092)
    runtime.create()
    with runtime.lock(), pytest.raises(ConfigurationError, match="another raymal server"):
        runtime.lock()
    runtime.lock().close()


def test_a_path_too_long_for_a_socket_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is made."""
    monkeypatch.setenv("RAYMAL_RUNTIME", "/tmp/" + "x" * 120)
    with pytest.raises(ConfigurationError, match="too long a path"):
        RuntimeDirectory.of_port(9092).create()
