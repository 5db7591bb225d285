"""What a run needs of its machine: two cores, root, the tools, a folder, and the callers' audio.

The server has one core to itself and this program with its peers another, so that what the peers cost is
not taken from the server. Only where the fault is a busy machine may the server run anywhere.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from actors.errors import RaymalError
from benchmarks.harness.native.compiler import program
from benchmarks.pacing.callers import Callers, callers

TOOLS = {"ip": "iproute2", "tc": "iproute2", "nft": "nftables", "taskset": "util-linux", "chrt": "util-linux"}
"""Program → the package of Debian that has it."""


class MachineError(RaymalError):
    """This machine lacks something that the tests need."""


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where and with what the tests run."""

    folder: Path
    cores: tuple[int, ...]
    """All that this program may use: the first is the server's, the last the peers'."""
    speakers: Callers
    say: Callable[[str], None]
    """Tells what is being done."""

    @property
    def server_core(self) -> int:
        """The core of the server, where it has one to itself."""
        return self.cores[0]

    @property
    def peer_core(self) -> int:
        """The core of the callers and of this program."""
        return self.cores[-1]


def check_machine(needs_root: bool = True) -> tuple[int, ...]:
    """Return the cores to use. Raises MachineError, CompilerError with what is missing."""
    if needs_root and os.geteuid() != 0:
        raise MachineError("root is needed, for network namespaces and SCHED_RR: `sudo make faults`")
    missing = sorted({package for tool, package in TOOLS.items() if shutil.which(tool) is None})
    if missing:
        raise MachineError(f"tools are missing: `apt-get install {' '.join(missing)}`")
    cores = tuple(sorted(os.sched_getaffinity(0)))
    if len(cores) < 2:
        raise MachineError("two cores are needed, one for the server and one for its callers")
    program("load_generator")
    return cores


def workplace(folder: Path, cores: tuple[int, ...], say: Callable[[str], None]) -> Workplace:
    """Return a workplace, and move this program to the peers' core."""
    os.sched_setaffinity(0, {cores[-1]})
    return Workplace(folder, cores, callers(), say)
