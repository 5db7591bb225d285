"""Open files passed to another process over a Unix socket (SCM_RIGHTS, unix(7)), with bytes that say
what they are.

The channel keeps the bounds of what is sent (SOCK_SEQPACKET): a piece comes whole, with its files, or not
at all. Nothing here waits, if the channel does not.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence

MAXIMUM_BYTES = 128 * 1024
"""Of one piece: below what Linux lets wait on a Unix socket (net.core.wmem_default, 208 KiB)."""
MAXIMUM_DESCRIPTORS = 128
"""In one piece: two listening sockets for each media worker. Linux allows 253 (SCM_MAX_FD)."""


def send(channel: socket.socket, data: bytes, descriptors: Sequence[int] = ()) -> None:
    """Send one piece; the files stay open here. Raises OSError: BlockingIOError when there is no room."""
    if descriptors:
        socket.send_fds(channel, [data], descriptors)
    else:
        channel.send(data)


def receive(channel: socket.socket) -> tuple[bytes, list[int]]:
    """Return the next piece and its descriptors, which are ours; no bytes: the other side is gone.

    Raises OSError: BlockingIOError when nothing has come.
    """
    data, descriptors, _, _ = socket.recv_fds(
        channel, MAXIMUM_BYTES, MAXIMUM_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC
    )
    return data, descriptors
