"""What a run needs of its machine: two cores, the tools, and for networks root.

The server has one core and this program with its peers another, so that what the peers cost is not taken
from the server.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from actors.errors import RaymalError
from benchmarks.harness.caller_audio import CallerAudio, caller_audio
from benchmarks.harness.native.compiler import program
from benchmarks.harness.server import Server, serving

PINNING = {"taskset": "util-linux", "chrt": "util-linux"}
NETWORK = {"ip": "iproute2", "tc": "iproute2", "nft": "nftables"}
"""Program → the package of Debian that has it."""


class MachineError(RaymalError):
    """This machine lacks something that the benchmark needs."""


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where and with what a benchmark runs."""

    cores: tuple[int, ...]
    """All that this program may use: the first is the server's, the last the peers'."""
    say: Callable[[str], None] = lambda _: None
    """Shows what is being done."""
    audio: CallerAudio = field(default_factory=caller_audio)

    @classmethod
    def here(
        cls, say: Callable[[str], None] = lambda text: None, *, with_networks: bool = False
    ) -> Workplace:
        """Check this machine and move this program to the peers' core.

        Raises MachineError or CompilerError with what is missing.
        """
        cores = check_machine(with_networks)
        os.sched_setaffinity(0, {cores[-1]})
        return cls(cores, say)

    @property
    def server_core(self) -> int:
        """The core of the server, where it has one to itself."""
        return self.cores[0]

    @property
    def peer_core(self) -> int:
        """The core of the callers and of this program."""
        return self.cores[-1]

    @contextmanager
    def serving(
        self, *command: str, inside: tuple[str, ...] = (), is_pinned: bool = True
    ) -> Iterator[Server]:
        """Run a server on its core, or on all of them. Raises ServerError."""
        cores = [self.server_core] if is_pinned else self.cores
        with serving("the server", command, cores, inside) as server:
            yield server


def check_machine(with_networks: bool = False) -> tuple[int, ...]:
    """Return the cores to use. Raises MachineError, CompilerError with what is missing."""
    if with_networks and os.geteuid() != 0:
        raise MachineError("root is needed, for network namespaces and SCHED_RR: `sudo make faults`")
    tools = PINNING | (NETWORK if with_networks else {})
    if missing := sorted({package for tool, package in tools.items() if shutil.which(tool) is None}):
        raise MachineError(f"tools are missing: `apt-get install {' '.join(missing)}`")
    cores = tuple(sorted(os.sched_getaffinity(0)))
    if len(cores) < 2:
        raise MachineError("two cores are needed, one for the server and one for its callers")
    for name in ("load_generator", "epoll_server"):
        program(name)
    return cores
