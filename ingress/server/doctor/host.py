"""What is looked at: the machine, the settings, and the server that runs here with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from actors.errors import LinkError
from actors.machine.control_groups import ROOT
from actors.machine.processes import Process, arguments, processes
from ingress.configuration.settings import Settings
from ingress.gateway.ranks import MEDIA_WORKER, is_of_ray
from ingress.server.finding import find
from ingress.server.runtime_directory import RuntimeDirectory

GATEWAY = "gateway"
"""Argument of a gateway's command line (`ingress.__main__`)."""


@dataclass(frozen=True, slots=True)
class Host:
    """The machine with one configuration. `root` holds /proc, /sys and the programs."""

    settings: Settings
    environment: Mapping[str, str]
    root: Path = ROOT
    runtime: RuntimeDirectory | None = None
    """Of the server that runs with the settings' port; None: none runs, or it is another user's."""
    processes: Mapping[int, Process] = field(default_factory=dict)
    """All of the machine, by number."""

    @classmethod
    def of(
        cls,
        settings: Settings,
        environment: Mapping[str, str],
        root: Path = ROOT,
        runtime: RuntimeDirectory | None = None,
    ) -> Host:
        """Return the machine as it is now, with the server that runs on it, if this user may know of it."""
        everything = {process.number: process for process in processes(root)}
        return cls(settings, environment, root, runtime or _running(settings), everything)

    @property
    def media_workers(self) -> list[Process]:
        """The audio clocks of the running server."""
        return self._children(MEDIA_WORKER)

    @property
    def background(self) -> list[Process]:
        """The running server's gateway, and its private Ray."""
        gateways = self._children(GATEWAY)
        supervisors = {gateway.parent for gateway in gateways}
        of_ray = (process for process in self.processes.values() if is_of_ray(process.name))
        own = [it for it in of_ray if any(it.is_below(above, self.processes) for above in supervisors)]
        return gateways + own

    def named(self, name: str) -> list[Process]:
        """Return the processes of that name."""
        return [process for process in self.processes.values() if process.name == name]

    def _children(self, role: str) -> list[Process]:
        if self.runtime is None:
            return []
        folder = str(self.runtime.path)
        return [
            process
            for process in self.processes.values()
            if {role, folder} <= set(arguments(process.number, self.root))
        ]


def _running(settings: Settings) -> RuntimeDirectory | None:
    try:
        found = find(settings.server.port)
        return found if found.ports_held() else None
    except (LinkError, OSError):
        return None
