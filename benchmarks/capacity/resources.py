"""Which part of a server used how much of the machine, as the kernel counts it.

A server's processes are known by the settings file that each of them is started with, Ray's by descent
from its supervisor, or, when it joined a Ray of this machine, by their titles. Without Ray the speech
workers are threads of the gateway: its first thread, with the event loop, is the gateway proper, the rest
is workers. Workers on other machines are not seen from here.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

import psutil

from benchmarks.harness.processes import CoreTime, core_time, cpu_s
from ingress.server.runtime_directory import RuntimeDirectory

MEDIA, GATEWAY, WORKERS, MANAGER, RAY = "media", "gateway", "workers", "manager", "ray"
CALLERS, MACHINE = "callers", "machine"
SERVER_PARTS = (MEDIA, GATEWAY, WORKERS, MANAGER, RAY)
STT_TITLE, TTS_TITLE, MANAGER_TITLE = "ray::Stt", "ray::Tts", "ray::Manager"


@dataclass(frozen=True, slots=True)
class Use:
    """What was used between two looks."""

    cores: dict[str, float]
    """By part; `callers` are the measurement's own, `machine` is everything."""
    stolen_percent: float
    """Of all cores, taken by the host for other machines."""

    @property
    def server_cores(self) -> float:
        """Of the server's parts together."""
        return sum(self.cores.get(part, 0.0) for part in SERVER_PARTS)

    @property
    def others_cores(self) -> float:
        """Used by programs that are neither the server's nor the measurement's."""
        return max(0.0, self.cores[MACHINE] - self.server_cores - self.cores.get(CALLERS, 0.0))


@dataclass(frozen=True, slots=True)
class Look:
    """Counters at one time."""

    at_s: float
    seconds: dict[tuple[int, str], float]
    """CPU of each process, by its id and the part it belongs to."""
    machine: CoreTime

    def since(self, before: Look) -> Use:
        """Return the use since an earlier look. A process that ended meanwhile is not in it."""
        passed_s = self.at_s - before.at_s
        used: defaultdict[str, float] = defaultdict(float)
        for process, seconds in self.seconds.items():
            used[process[1]] += max(0.0, seconds - before.seconds.get(process, 0.0))
        cores = {part: seconds / passed_s for part, seconds in used.items()}
        machine = self.machine - before.machine
        cores[MACHINE] = machine.busy_s / passed_s
        return Use(cores, 100.0 * machine.stolen_s / passed_s / (os.cpu_count() or 1))


class ServerProcesses:
    """The processes of the server on one port of this machine."""

    def __init__(self, port: int, has_joined_ray: bool) -> None:
        self._has_joined_ray = has_joined_ray
        self._runtime = str(RuntimeDirectory.of_port(port).path)
        self._parts = self._found()

    def look(self, callers: Iterable[int]) -> Look:
        """Read the counters, of the callers' processes and of this one as well."""
        seconds: dict[tuple[int, str], float] = {}
        has_workers = WORKERS in self._parts.values()
        for process, part in self._parts.items():
            with suppress(psutil.Error, OSError):
                total_s = cpu_s((process.pid,))
                if part == GATEWAY and not has_workers:
                    own_s = _first_thread_s(process)
                    seconds[process.pid, WORKERS] = total_s - own_s
                    total_s = own_s
                seconds[process.pid, part] = total_s
        for number in (*callers, os.getpid()):
            with suppress(OSError):
                seconds[number, CALLERS] = cpu_s((number,))
        return Look(time.monotonic(), seconds, core_time())

    def memory_bytes(self) -> int:
        """Return what the server's processes take, what they share counted once (PSS)."""
        taken = 0
        for process in self._parts:
            with suppress(psutil.Error):
                taken += process.memory_full_info().pss
        return taken

    def _found(self) -> dict[psutil.Process, str]:
        family: dict[psutil.Process, str] = {}
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                line = process.cmdline()
                if self._runtime in line:
                    family[process] = MEDIA if "media-worker" in line else GATEWAY
                    supervisor = process.parent()
                    for relative in supervisor.children(recursive=True) if supervisor else ():
                        family.setdefault(relative, RAY)
                elif self._has_joined_ray and line and line[0].startswith("ray::"):
                    family.setdefault(process, RAY)
        return {process: _ray_part(process) if part == RAY else part for process, part in family.items()}


def _ray_part(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        title = (process.cmdline() or [""])[0]
        if title.startswith((STT_TITLE, TTS_TITLE)):
            return WORKERS
        if title.startswith(MANAGER_TITLE):
            return MANAGER
    return RAY


def _first_thread_s(process: psutil.Process) -> float:
    return sum(each.user_time + each.system_time for each in process.threads() if each.id == process.pid)
