"""What a measurement ran on, so that a figure is never read without it."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import psutil


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

    @classmethod
    def this(cls, packages: Sequence[str]) -> Machine:
        """Describe this machine and the installed versions of `packages`."""
        return cls(
            processor=_processor(),
            cores=available_cores(),
            memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
            python=platform.python_version(),
            packages={package: version(package) for package in packages},
            commit=_commit(),
        )

    def __str__(self) -> str:
        packages = ", ".join(f"{name} {number}" for name, number in self.packages.items())
        return (
            f"{self.processor}, {self.cores} cores, {self.memory_gib} GiB; "
            f"Python {self.python}, {packages}; commit {self.commit}"
        )


def available_cores() -> int:
    """Return the number of cores this process may run on."""
    return len(os.sched_getaffinity(0))


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _commit() -> str:
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty=+", "--exclude=*"],
            cwd=Path(__file__).parent,
            check=True,
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return described.stdout.strip()
