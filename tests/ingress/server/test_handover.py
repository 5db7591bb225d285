"""What passes between a server and the one that takes its place."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from actors.errors import LinkError
from actors.liveness.threads import in_thread
from ingress.server import handover
from ingress.server.handover import Handover, offer, say_left
from ingress.server.ports import Listening, PortName


def close(taken: Handover | None) -> None:
    """Close all that was taken over."""
    assert taken is not None
    taken.close()
    taken.lock.close()
    for each in (*taken.doors.values(), *taken.listening.values()):
        each.close()


async def test_the_sockets_go_over_once_somebody_can_use_them(runtime_folder: Path) -> None:
    """Nonsense and a server that ends too early change nothing; 300 extensions are too many for one piece."""
    path, failures = runtime_folder / "handover.sock", []
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    both = Listening("127.0.0.1", tuple(listeners))
    sockets: dict[PortName, Listening] = {(f"n{number}", "caller"): both for number in range(299)}
    sockets["n7", "return"] = both
    doors = {name: Listening("127.0.0.1", (listeners[0],)) for name in ("web", "agi")}
    with (runtime_folder / "lock").open("ab") as lock:
        waiting = asyncio.create_task(offer(path, lambda: sockets, doors, lock, lambda: failures.append(1)))
        await asyncio.sleep(0.05)
        for nonsense in (b"", b"{", b"[1]", b'{"handover": 99}'):
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as other:
                other.connect(str(path))
                if nonsense:
                    other.send(nonsense)
                await asyncio.sleep(0.02)
        assert not failures
        close(await in_thread(Handover.begin, path, None))
        taken = await in_thread(Handover.begin, path, 7.5)
        assert len(failures) == 1
        assert taken is not None
        assert list(taken.listening) == list(sockets)
        assert taken.listening["n7", "return"].port == listeners[0].getsockname()[1]
        assert {name: door.port for name, door in taken.doors.items()} == {
            name: door.port for name, door in doors.items()
        }
        assert taken.lock.fileno() != lock.fileno()
        finishing = asyncio.create_task(in_thread(taken.finish))
        channel, deadline_s = await asyncio.wait_for(waiting, 5.0)
        assert deadline_s == 7.5
        say_left(channel)
        await asyncio.wait_for(finishing, 5.0)
    close(taken)
    for each in listeners:
        each.close()


async def test_a_server_that_says_nothing_is_not_replaced(
    runtime_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It hangs: the newer one says so and ends. Where nobody listens there is nothing to take over."""
    path = runtime_folder / "handover.sock"
    assert Handover.begin(path, None) is None
    monkeypatch.setattr(handover, "PIECE_DEADLINE_S", 0.1)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as silent:
        silent.bind(str(path))
        silent.listen(1)
        with pytest.raises(LinkError, match="the running server does not answer"):
            Handover.begin(path, None)
    assert Handover.begin(path, None) is None  # its socket is left


@pytest.mark.parametrize("asked", [b"[" * 60_000, b"null", b'{"handover": 1, "drain_deadline_s": NaN}'])
async def test_whatever_a_newer_server_says_the_older_one_goes_on(runtime_folder: Path, asked: bytes) -> None:
    """It hands nothing to what it does not understand; a deadline that is none is its own."""
    path = runtime_folder / "handover.sock"
    failures: list[None] = []
    with (runtime_folder / "lock").open("ab") as lock:
        offering = asyncio.create_task(offer(path, dict, {}, lock, lambda: failures.append(None)))
        await asyncio.sleep(0)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as strange:
            strange.settimeout(5.0)
            strange.connect(str(path))
            strange.send(asked)
            await in_thread(strange.recv, 100)
        assert not offering.done()
        taken = await in_thread(Handover.begin, path, 7.5)
        assert taken is not None
        finishing = asyncio.create_task(in_thread(taken.finish))
        channel, deadline_s = await asyncio.wait_for(offering, 5.0)
        assert deadline_s == 7.5
        say_left(channel)
        await finishing
        taken.lock.close()
