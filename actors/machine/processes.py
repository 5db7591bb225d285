"""The processes of this machine, as /proc shows them (proc_pid_stat(5)). All of them: some milliseconds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from actors.machine.control_groups import ROOT, read


@dataclass(frozen=True, slots=True)
class Process:
    """One process."""

    number: int
    parent: int
    name: str
    """The kernel's: 15 characters at most."""

    def is_below(self, ancestor: int, processes: Mapping[int, Process]) -> bool:
        """Return whether `ancestor` started it, or what started it. `processes`: all, by number."""
        above: Process | None = self
        while above is not None:
            if above.parent == ancestor:
                return True
            above = processes.get(above.parent)
        return False


def processes(root: Path = ROOT) -> Iterator[Process]:
    """Yield every process."""
    for folder in (root / "proc").iterdir():
        if folder.name.isdigit():
            head, _, tail = read(folder / "stat").rpartition(")")
            if tail:  # it has not ended meanwhile
                yield Process(int(folder.name), int(tail.split()[1]), head.partition("(")[2])


def arguments(number: int, root: Path = ROOT) -> list[str]:
    """Return a process's command line; empty if it has ended."""
    return read(root / "proc" / str(number) / "cmdline").split("\0")
