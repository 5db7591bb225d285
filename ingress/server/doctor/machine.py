"""CPUs, memory, open files and queues of the machine, against what the settings ask for."""

from __future__ import annotations

import resource
from collections.abc import Iterator

from actors.fleet.sizing import NodeResources, plan
from actors.local import this_machine
from actors.machine.control_groups import read, read_number
from actors.machine.limits import cpu_quotas, limits, memory_limits
from actors.machine.use import memory_percent
from actors.messages import FurtherEngine, WorkKind
from ingress.media.acceptor import BACKLOG, MAXIMUM_HANDSHAKES
from ingress.media.calls import MAXIMUM_REFUSED
from ingress.media.closing import MAXIMUM_CLOSING
from ingress.server.doctor.finding import Finding, Subject
from ingress.server.doctor.host import Host

GIB = 2**30
OTHER_DESCRIPTORS = 64
"""Listening sockets, the link, libraries, logs."""

cpu = Subject("cpu")
memory = Subject("memory")
files = Subject("open files")
queues = Subject("kernel")


def processors(host: Host) -> Iterator[Finding]:
    """Yield what of the CPUs may be used, and how many workers that gives."""
    own = limits(host.root)
    for folder, quota in cpu_quotas(host.root):
        stopped = _throttled(read(folder / "cpu.stat"))
        yield cpu.warning(
            f"a quota of {quota:g} CPUs: used up, it stops the whole group for the rest of the period, "
            f"and callers hear it ({stopped} times so far)",
            "give it whole CPUs instead (systemd: AllowedCPUs=, Docker: --cpuset-cpus), or no quota",
            str(folder),
        )
    if host.settings.server.media_workers > own.cores:
        yield cpu.warning(
            f"{host.settings.server.media_workers} media workers share {own.cores:g} cores",
            "one media worker holds hundreds of calls; lower server.media_workers",
            "server.media_workers",
        )
    yield from _workers(host, own.cpus, own.cores, own.memory_bytes)


def _workers(host: Host, cpus: float, cores: float, memory_bytes: int) -> Iterator[Finding]:
    here = f"{cpus:g} CPUs, {cores:g} cores"
    fleet = host.settings.fleet
    if fleet.backend == "ray" and fleet.ray_address is not None:
        yield cpu.ok(f"{here}; the speech workers are in the cluster", fleet.ray_address)
        return
    node = NodeResources(
        "this machine", cpus, memory_bytes, this_machine().gpus, hosts_ingress=True, physical_cores=cores
    )
    engines = [
        FurtherEngine(chosen.tts, "", f"extensions.{name}.tts")
        for name, chosen in host.settings.extensions.items()
        if chosen.tts is not None
    ]
    planned = plan([node], fleet, host.settings.speech, engines)
    for problem in planned.problems:
        make = cpu.wrong if problem in planned.impossible else cpu.warning
        yield make(problem, "see docs/resources.md")
    slots = ", ".join(f"{planned.slots(kind)} of {kind.value}" for kind in WorkKind)
    yield cpu.ok(f"{here}: slots for speech, at a time: {slots}")


def room(host: Host) -> Iterator[Finding]:
    """Yield what of the memory may be used, and how full it is."""
    own = limits(host.root)
    used, threshold = memory_percent(host.root), host.settings.throttle.memory_percent[0]
    for folder, limit in memory_limits(host.root):
        yield memory.ok(f"a limit of {limit / GIB:.1f} GiB", str(folder))
    what = f"{own.memory_bytes / GIB:.1f} GiB may be used, {used:.0f} % of it is in use"
    if used >= threshold:
        yield memory.warning(
            f"{what}: that alone is a raised load level (throttle.memory_percent = {threshold:g})",
            "end other programs, give the machine or the group more memory, or configure fewer workers",
        )
    else:
        yield memory.ok(what)


def descriptors(host: Host) -> Iterator[Finding]:
    """Yield whether each call can have its socket. Media workers raise their limit to the hard one."""
    calls = host.settings.server.max_calls
    needed = calls + MAXIMUM_REFUSED + MAXIMUM_HANDSHAKES + MAXIMUM_CLOSING + OTHER_DESCRIPTORS
    limit, where = _descriptor_limit(host)
    if limit < needed:
        yield files.wrong(
            f"{limit} files at most: {calls} calls and the connections beside them need {needed}",
            f"set LimitNOFILE={max(65_536, needed)} in the service, `ulimit -Hn` in a shell, or lower "
            "server.max_calls",
            where,
        )
    else:
        yield files.ok(f"{limit} at most; {calls} calls need {needed}", where)


def _descriptor_limit(host: Host) -> tuple[int, str]:
    """Return the limit of the running server's media worker, else of this shell, and whose it is."""
    for worker in host.media_workers:
        for line in read(host.root / "proc" / str(worker.number) / "limits").splitlines():
            if line.startswith("Max open files"):
                return int(line.split()[4]), f"media worker, process {worker.number}"
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1], "this shell; a service has its own"


def network(host: Host) -> Iterator[Finding]:
    """Yield kernel settings that would lose connections (listen(2))."""
    longest = read_number(host.root / "proc/sys/net/core/somaxconn")
    where = "net.core.somaxconn"
    if longest is not None and longest < BACKLOG:
        yield queues.warning(
            f"{where} = {longest}: of a burst of calls, {longest} wait to be accepted and others are lost",
            f"`sysctl -w {where}=4096`, and in /etc/sysctl.d to keep it",
            where,
        )
    elif longest is not None:
        yield queues.ok(f"{longest} connections may wait to be accepted", where)


def _throttled(statistics: str) -> int:
    found = (line.split() for line in statistics.splitlines() if line.startswith("nr_throttled "))
    return next((int(words[1]) for words in found), 0)
