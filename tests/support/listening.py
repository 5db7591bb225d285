"""The listening TCP sockets of a process and of all that it started, read from /proc."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psutil

LISTENING = "0A"
"""TCP_LISTEN in the `st` column of /proc/net/tcp."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Listener(NamedTuple):
    """One socket that accepts connections."""

    program: str
    """First words of the command line."""
    address: Address
    port: int


def listeners(pid: int) -> set[Listener]:
    """Return every listening socket of the process tree under `pid`."""
    sockets = dict(_sockets())
    root = psutil.Process(pid)
    found = set()
    for process in [root, *root.children(recursive=True)]:
        with suppress(psutil.Error, OSError):
            program = " ".join(Path(word).name for word in process.cmdline()[:4])
            for inode in _inodes(process.pid):
                if inode in sockets:
                    found.add(Listener(program, *sockets[inode]))
    return found


def _inodes(pid: int) -> Iterator[str]:
    for entry in os.scandir(f"/proc/{pid}/fd"):
        with suppress(OSError):  # closed since
            target = os.readlink(entry.path)
            if target.startswith("socket:["):
                yield target[len("socket:[") : -1]


def _sockets() -> Iterator[tuple[str, tuple[Address, int]]]:
    """Yield inode, address and port of each listening socket of this network namespace."""
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            columns = line.split()
            if columns[3] == LISTENING:
                host, port = columns[1].split(":")
                yield columns[9], (_address(host), int(port, 16))


def _address(written: str) -> Address:
    """Return an address that is written as 32-bit words in the machine's byte order."""
    words = [bytes.fromhex(written[start : start + 8])[::-1] for start in range(0, len(written), 8)]
    address = ipaddress.ip_address(b"".join(words))
    return getattr(address, "ipv4_mapped", None) or address
