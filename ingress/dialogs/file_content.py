"""What a file of an operator holds, read within bounds."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def file_content(path: Path, maximum_bytes: int) -> bytes:
    """Return what a file holds; of one that is too long one byte more than the maximum.

    Raises OSError, also for what is no regular file: a pipe may never open, a device never end. Raises
    ValueError for a path that cannot be one.
    """
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise OSError(errno.EINVAL, "this is no regular file")
        return stream.read(maximum_bytes + 1)
