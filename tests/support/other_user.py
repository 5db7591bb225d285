"""Do something as a user who may not: root may do everything."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OTHER_USER = 65_534
"""Of Linux: it owns nothing."""


@contextmanager
def without_permission(folder: Path, mode: int) -> Iterator[None]:
    """Let this process have no more rights in `folder` than `mode`; whoever runs the tests."""
    opened = [above for above in folder.parents if above.stat().st_uid == os.getuid()]
    before = {path: path.stat().st_mode for path in (folder, *opened)}
    for above in opened:
        above.chmod(before[above] | 0o111)
    folder.chmod(mode)
    if os.getuid() == 0:
        os.seteuid(OTHER_USER)
    try:
        yield
    finally:
        if os.getuid() == 0:
            os.seteuid(0)
        for path, was in before.items():
            path.chmod(was)
