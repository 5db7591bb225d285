"""What a measurement ran on, so that a figure is never read without it."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from actors.machine.processors import processor_name

COMMAND_DEADLINE_S = 10.0


@dataclass(frozen=True, slots=True)
class Machine:
    """Hardware, software and commit of one run."""

    processor: str
    cores: int
    """Cores that this process may use."""
    memory_gib: float
    python: str
    packages: dict[str, str]
    commit: str
    """Short hash; `+` behind it if files differ from the commit, `unknown` outside a repository."""
    gpus: tuple[str, ...] = ()

    @classmethod
    def this(cls, packages: Sequence[str]) -> Machine:
        """Describe this machine and the versions of those `packages` that are installed."""
        gpus = _output("nvidia-smi", "--query-gpu=name", "--format=csv,noheader")
        return cls(
            processor=processor_name(),
            cores=available_cores(),
            memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
            python=platform.python_version(),
            packages=_versions(packages),
            commit=_output("git", "describe", "--always", "--dirty=+", "--exclude=*") or "unknown",
            gpus=tuple(gpus.splitlines()),
        )

    @property
    def software(self) -> str:
        """Python and the packages, in one line."""
        packages = (f"{name} {number}" for name, number in self.packages.items())
        return ", ".join((f"Python {self.python}", *packages))

    def __str__(self) -> str:
        hardware = (self.processor, f"{self.cores} cores", f"{self.memory_gib} GiB", *self.gpus)
        return f"{', '.join(hardware)}; {self.software}; commit {self.commit}"


def available_cores() -> int:
    """Return the number of cores this process may run on."""
    return len(os.sched_getaffinity(0))


def _versions(packages: Sequence[str]) -> dict[str, str]:
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _output(*command: str) -> str:
    """Return what a command prints, run in this repository; nothing if it is not there or fails."""
    try:
        done = subprocess.run(
            command,
            cwd=Path(__file__).parent,
            check=True,
            capture_output=True,
            text=True,
            timeout=COMMAND_DEADLINE_S,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
