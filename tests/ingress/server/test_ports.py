"""The listening sockets of a server, and what is said when there can be none."""

from __future__ import annotations

import re
import socket

import pytest

from ingress.configuration.extension_book import ExtensionBook
from ingress.configuration.settings import Settings
from ingress.server.checking import extension_book
from ingress.server.ports import Ports


def book(port: int = 0, **extensions: object) -> ExtensionBook:
    """Return the book of a server with these extensions."""
    settings = {"server": {"port": port}, "extensions": extensions}
    return extension_book(Settings.model_validate(settings))


def bind_all(
    port: int = 0, workers: int = 1, host: str = "127.0.0.1", sales_port: int = 0
) -> tuple[list[int], dict[str, str]]:
    """Bind the ports of two extensions, close them; return those of `sales` by media worker, and problems."""
    ports = Ports(Settings.model_validate({"server": {"host": host, "media_workers": workers}}).server)
    planned, problems = ports.plan(book(port, sales={"port": sales_port}))
    numbers = [each.getsockname()[1] for each in planned["sales", "caller"].sockets] if problems == {} else []
    ports.discard(planned)
    return numbers, problems


def test_media_workers_share_a_port_that_the_system_chose() -> None:
    """One for each extension."""
    (first, second), problems = bind_all(workers=2)
    assert first == second > 0
    assert not problems


@pytest.mark.parametrize("workers", [1, 2])
def test_a_port_in_use_is_named_with_its_setting(workers: int) -> None:
    """Also where several sockets share it. Nothing stays open."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        found = bind_all(port, workers)[1]["default"]
        assert re.search(rf"127\.0\.0\.1:{port} is in use .* choose another with --port", found)
        numbers, problems = bind_all(0, workers, sales_port=port)
        assert re.search(rf"{port} is in use .* with extensions\.sales\.port", problems["sales"])
        assert (numbers, list(problems)) == ([], ["sales"])


def test_an_address_of_another_machine_is_named() -> None:
    """With the flag that changes it."""
    problems = bind_all(host="192.0.2.1")[1]
    assert (
        "192.0.2.1 is not an address of this machine; choose one of its own with --host"
        in problems["default"]
    )
    assert problems["sales"].endswith("with extensions.sales.host")


def test_a_socket_stays_where_it_fits_and_goes_over_with_its_port() -> None:
    """No connection that waits on it is lost: not for other settings, another name, or two that swap."""
    ports = Ports(Settings().server)

    def follow(newer: ExtensionBook) -> dict[str, socket.socket]:
        planned, problems = ports.plan(newer)
        assert not problems
        ports.commit(planned)
        return {name: each.sockets[0] for (name, _), each in ports.listening.items()}

    first = follow(book(a={"port": "auto"}, b={"port": "auto"}, c={"port": "shared"}))
    assert set(first) == {"default", "a", "b"}
    numbers = ports.numbers()
    assert follow(book(a={"port": "auto", "language": "es"}, b={"port": numbers["b"]})) == first
    swapped = follow(book(a={"port": numbers["b"]}, b={"port": numbers["a"]}))
    assert (swapped["a"], swapped["b"]) == (first["b"], first["a"])
    renamed = follow(book(z={"port": numbers["a"]}, b={"port": "shared"}))
    assert renamed == {"default": first["default"], "z": first["a"]}
    assert first["b"].fileno() == -1
    ports.close()
    assert first["a"].fileno() == -1


def test_both_ports_of_an_extension_are_in_one_media_worker() -> None:
    """All their sockets, so that none is lost when a return port comes or goes; other extensions share."""
    server = Settings.model_validate({"server": {"media_workers": 3}}).server
    ports = Ports(server)
    without, with_return = book(door={"port": "auto"}), book(door={"port": "auto", "return_port": "auto"})
    sockets: list[list[socket.socket]] = []
    for newer in (without, with_return, without):
        planned, problems = ports.plan(newer)
        assert not problems
        ports.commit(planned)
        has_return = newer is with_return
        assert list(ports.numbers("return")) == ["door"] * has_return
        assert all(len(ports.of_worker(newer.extensions["default"], worker)) == 1 for worker in range(3))
        of_workers = [ports.of_worker(newer.extensions["door"], worker) for worker in range(3)]
        assert sorted(map(len, of_workers)) == ([0, 0, 6] if has_return else [1, 1, 1])
        held = [each for of_worker in of_workers for each in of_worker]
        sockets.append([listener for leg, listener in held if leg == "caller"])
        returns = {listener.getsockname()[1] for leg, listener in held if leg == "return"}
        assert returns == set(ports.numbers("return").values())
    assert sockets[0] == sockets[1] == sockets[2]
    ports.close()


def test_an_extension_without_its_return_port_takes_no_calls() -> None:
    """It has both ports or none; what it had stays open until the plan is taken."""
    ports = Ports(Settings().server)
    ports.commit(ports.plan(book(door={"port": "auto"}))[0])
    with socket.create_server(("127.0.0.1", 0)) as other:
        busy = other.getsockname()[1]
        planned, problems = ports.plan(book(door={"port": "auto", "return_port": busy}))
        assert list(planned) == [("default", "caller")]
        assert re.search(rf"{busy} is in use .* with extensions\.door\.return_port", problems["door"])
    assert ports.listening["door", "caller"].sockets[0].fileno() != -1
    ports.close()
