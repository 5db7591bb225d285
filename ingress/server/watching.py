"""Files whose changes are noticed: also where an editor puts a new file in the place of the old one."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from watchfiles import Change, awatch

DEBOUNCE_MS = 300
"""An editor has written the whole file by then."""
RETRY_S = 5.0
"""When a folder is not there, or the kernel has no more watches."""

MOUNTED = "..data"
"""The link that Kubernetes changes when a mounted configuration has another content."""

logging.getLogger("watchfiles").setLevel(logging.WARNING)  # it logs every event
log = logging.getLogger(__name__)


async def watch(files: Sequence[Path], on_change: Callable[[], None]) -> None:
    """Call `on_change` whenever one of the files is another one, until cancelled."""
    before = _signatures(files)
    is_logged = False
    while True:
        folders = {folder for file in files for folder in (file.parent, _real(file).parent)}
        try:
            names = {file.name for path in files for file in (path, _real(path))} | {MOUNTED}

            def is_ours(change: Change, path: str, names: set[str] = names) -> bool:
                return os.path.basename(path) in names

            async for _ in awatch(*folders, debounce=DEBOUNCE_MS, recursive=False, watch_filter=is_ours):
                after = _signatures(files)
                if after != before:
                    before = after
                    on_change()
        except (OSError, RuntimeError) as error:
            if not is_logged:
                is_logged = True
                log.warning("the configuration is not watched: %s; after a change: raymal reload", error)
        await asyncio.sleep(RETRY_S)


def _real(file: Path) -> Path:
    return Path(os.path.realpath(file))


def _signatures(files: Sequence[Path]) -> list[tuple[int, int, int] | None]:
    return [_signature(file) for file in files]


def _signature(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
