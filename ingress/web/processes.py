"""CPU time and memory of a server's processes, as the kernel counts them."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass

import psutil

MAXIMUM_MEDIA_WORKERS = 64
"""With names of their own; more are counted together."""
SUPERVISOR = "supervisor"
RAY = "ray"
"""All processes of a private Ray together. One that was joined is another program's."""


@dataclass(slots=True)
class ProcessUse:
    """One process of the server, or all that have a name together."""

    cpu_s: float = 0.0
    """Since its start, with what it has waited for: of the name's processes only the sum never falls."""
    memory_bytes: int = 0
    """Resident; pages that processes share are counted for each."""
    processes: int = 0


def processes(supervisor: int | None = None) -> dict[str, ProcessUse]:
    """Return what each process uses, by its name: supervisor, media-0, gateway, web, ray.

    `supervisor`: its id; None: this process's parent. Reads all of /proc: some milliseconds.
    """
    root = psutil.Process(os.getppid() if supervisor is None else supervisor)
    found: defaultdict[str, ProcessUse] = defaultdict(ProcessUse)
    _add(found[SUPERVISOR], root, with_waited_for=False)  # its children's are their own
    names = {root.pid: SUPERVISOR}
    for process in root.children(recursive=True):
        try:
            parent = names.get(process.ppid(), SUPERVISOR)
            name = _name(process) if parent == SUPERVISOR else parent
        except psutil.Error:  # it has ended
            continue
        names[process.pid] = name
        _add(found[name], process, with_waited_for=True)
    return dict(found)


def _name(process: psutil.Process) -> str:
    """Return what a child of the supervisor is, by its command line (`ingress.server.supervisor`)."""
    match process.cmdline()[1:]:
        case ["-m", "ingress", "media-worker", _, index, *_]:
            number = int(index)
            return f"media-{index}" if number < MAXIMUM_MEDIA_WORKERS else "media-more"
        case ["-m", "ingress", ("gateway" | "web") as name, *_]:
            return name
        case _:
            return RAY


def _add(use: ProcessUse, process: psutil.Process, with_waited_for: bool) -> None:
    try:
        with process.oneshot():
            times, memory = process.cpu_times(), process.memory_info()
    except psutil.Error:
        return
    use.cpu_s += times.user + times.system
    if with_waited_for:
        use.cpu_s += times.children_user + times.children_system
    use.memory_bytes += memory.rss
    use.processes += 1
