"""Who goes first on this machine's cores: the media workers, or what runs beside them.

The processes are found in /proc, so that the answer is what the kernel does and not what was asked of it.
"""

from __future__ import annotations

import os
from pathlib import Path

from actors.machine.control_groups import ROOT
from actors.machine.order import goes_before, place
from actors.machine.processes import Process, arguments, processes
from ingress.link.status import RankStatus

RAY_SERVERS = {"raylet", "gcs_server"}
RAY_WORKER = "ray::"
MEDIA_WORKER = "media-worker"
"""Argument of a media worker's command line (`ingress.__main__`)."""


def ranks(is_on_ray: bool, root: Path = ROOT) -> tuple[RankStatus, ...]:
    """Return the rank of this gateway's media workers, of itself and of Ray, as far as it is on this machine.

    Ray's processes are those below this server's supervisor; if there is none, those of any Ray: one that was
    joined. Reads all of /proc: some milliseconds.
    """
    everything = {process.number: process for process in processes(root)}
    supervisor = os.getppid()
    children = [process for process in everything.values() if process.parent == supervisor]
    media = [process for process in children if MEDIA_WORKER in arguments(process.number, root)]
    of_ray = [process for process in everything.values() if is_on_ray and is_of_ray(process.name)]
    own_ray = [process for process in of_ray if process.is_below(supervisor, everything)]
    media_places = [there for process in media if (there := place(process.number, root)) is not None]
    gateway = Process(os.getpid(), supervisor, "gateway")
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


def is_of_ray(name: str) -> bool:
    """Return whether a process's name is one of Ray's."""
    return name in RAY_SERVERS or name.startswith(RAY_WORKER)
