"""Ports of this machine where something listens that is not Ray."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

HOST = "127.0.0.2"
"""Not 127.0.0.1, which Ray replaces by an outward address."""


@contextmanager
def silent_listener() -> Iterator[str]:
    """Yield host:port that accepts connections and never says a word."""
    with socket.create_server((HOST, 0)) as listener:
        yield f"{HOST}:{listener.getsockname()[1]}"


@contextmanager
def web_server() -> Iterator[str]:
    """Yield host:port that answers everything in HTTP/1.1."""
    with socket.create_server((HOST, 0)) as listener:
        threading.Thread(target=_answer, args=(listener,), daemon=True).start()
        yield f"{HOST}:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def _answer(listener: socket.socket) -> None:
    with suppress(OSError):
        while True:
            peer, _ = listener.accept()
            with peer:
                peer.recv(4_096)
                peer.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
