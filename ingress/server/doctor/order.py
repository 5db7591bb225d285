"""Who goes first on the cores: raymal's audio clocks and Asterisk, before all that computes."""

from __future__ import annotations

from collections.abc import Iterator

from actors.machine.order import goes_before, place
from actors.machine.processes import Process
from ingress.server.doctor.finding import Finding, Subject
from ingress.server.doctor.host import Host

ASTERISK = "asterisk"

subject = Subject("order")


def findings(host: Host) -> Iterator[Finding]:
    """Yield what the kernel would run before, or beside, what must not wait."""
    clocks, asterisk = host.media_workers, host.named(ASTERISK)
    if not clocks:
        yield subject.ok("no server of this configuration runs, so there is nothing to compare")
        return
    ahead = [(clock, "the audio clock") for clock in clocks] + [(it, "Asterisk") for it in asterisk]
    is_fine = True
    for process in host.background:
        for other, name in ahead:
            if not _comes_first(host, other, process):
                is_fine = False
                yield subject.warning(
                    f"{process.name} (process {process.number}) is not behind {name}, process {other.number}",
                    "give neither service a CPUWeight, and Asterisk no niceness above 0; start your own Ray "
                    "by `python -m actors.machine.rank 0 ray start …` (docs/resources.md)",
                    f"process {process.number}",
                )
    if is_fine:
        names = "the audio clock and Asterisk go" if asterisk else "the audio clock goes"
        yield subject.ok(f"{names} before raymal's other processes ({len(host.background)})")


def _comes_first(host: Host, first: Process, other: Process) -> bool:
    one, two = place(first.number, host.root), place(other.number, host.root)
    return one is None or two is None or goes_before(one, two)
