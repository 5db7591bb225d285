"""Who goes first on this machine's cores: the media workers, or what runs beside them.

The processes are found in /proc, so that the answer is what the kernel does and not what was asked of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from actors.machine.control_groups import ROOT, read
from actors.machine.order import goes_before, place
from ingress.link.status import RankStatus

RAY_SERVERS = {"raylet", "gcs_server"}
RAY_WORKER = "ray::"
MEDIA_WORKER = "media-worker"
"""Argument of a media worker's command line (`ingress.__main__`)."""


@dataclass(frozen=True, slots=True)
class _Process:
    number: int
    parent: int
    name: str


def ranks(is_on_ray: bool, root: Path = ROOT) -> tuple[RankStatus, ...]:
    """Return the rank of this gateway's media workers, of itself and of Ray, as far as it is on this machine.

    Ray's processes are those below this server's supervisor; if there is none, those of any Ray: one that was
    joined. Reads all of /proc: some milliseconds.
    """
    processes = {process.number: process for process in _processes(root)}
    supervisor = os.getppid()
    children = [process for process in processes.values() if process.parent == supervisor]
    media = [process for process in children if MEDIA_WORKER in _arguments(process.number, root)]
    of_ray = [process for process in processes.values() if is_on_ray and _is_of_ray(process.name)]
    own_ray = [process for process in of_ray if _is_below(process, supervisor, processes)]
    media_places = [there for process in media if (there := place(process.number, root)) is not None]
    gateway = _Process(os.getpid(), supervisor, "gateway")
    found: list[RankStatus] = []
    for process in (*media, gateway, *(own_ray or of_ray)):
        there = place(process.number, root)
        if there is None:  # it has ended
            continue
        is_media = process in media
        found.append(
            RankStatus(
                process="media worker" if is_media else process.name,
                pid=process.number,
                niceness=there.niceness,
                group=there.group,
                is_behind_media=not is_media and all(goes_before(it, there) for it in media_places),
                is_media=is_media,
            )
        )
    return tuple(found)


def _is_of_ray(name: str) -> bool:
    return name in RAY_SERVERS or name.startswith(RAY_WORKER)


def _is_below(process: _Process, ancestor: int, processes: dict[int, _Process]) -> bool:
    above: _Process | None = process
    while above is not None:
        if above.parent == ancestor:
            return True
        above = processes.get(above.parent)
    return False


def _processes(root: Path) -> Iterator[_Process]:
    for folder in (root / "proc").iterdir():
        if folder.name.isdigit():
            head, _, tail = read(folder / "stat").rpartition(")")
            if tail:  # it has not ended meanwhile
                yield _Process(int(folder.name), int(tail.split()[1]), head.partition("(")[2])


def _arguments(process: int, root: Path) -> list[str]:
    return read(root / "proc" / str(process) / "cmdline").split("\0")
