"""Unix sockets that only this server's user may open, in a folder that only this user may enter."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path


def bound(path: Path, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    """Return a socket bound to `path`, in place of one that an ended process left there. Raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX, kind)
    try:
        listener.bind(str(path))
        path.chmod(0o600)
    except OSError:
        listener.close()
        raise
    return listener


def is_there(path: Path) -> bool:
    """Whether the socket can be reached: programs that clean the temporary folder remove it."""
    return path.exists()
