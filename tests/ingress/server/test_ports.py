"""The listening sockets of a server, and what is said when there can be none."""

from __future__ import annotations

import socket

import pytest

from actors.errors import PortError
from ingress.configuration.settings import Settings
from ingress.server.checking import extension_book
from ingress.server.ports import bind, close


def bind_all(port: int = 0, workers: int = 1, host: str = "127.0.0.1", sales_port: int = 0) -> list[int]:
    """Bind the ports of two extensions and close them; return those of the second, by media worker."""
    server = {"host": host, "port": port, "media_workers": workers}
    settings = Settings.model_validate({"server": server, "extensions": {"sales": {"port": sales_port}}})
    listeners = bind(settings.server, extension_book(settings))
    ports = [each["sales"].getsockname()[1] for each in listeners]
    close(listeners)
    return ports


def test_media_workers_share_a_port_that_the_system_chose() -> None:
    """One for each extension."""
    first, second = bind_all(workers=2)
    assert first == second > 0


@pytest.mark.parametrize("workers", [1, 2])
def test_a_port_in_use_is_named_with_its_setting(workers: int) -> None:
    """Also where several sockets share it. Nothing stays open."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortError, match=rf"127\.0\.0\.1:{port} is in use .* choose another with --port"):
            bind_all(port, workers)
        with pytest.raises(PortError, match=rf"{port} is in use .* with extensions\.sales\.port"):
            bind_all(0, workers, sales_port=port)


def test_an_address_of_another_machine_is_named() -> None:
    """With the flag that changes it."""
    with pytest.raises(PortError, match=r"192\.0\.2\.1 is not an address of this machine; .* --host"):
        bind_all(host="192.0.2.1")
