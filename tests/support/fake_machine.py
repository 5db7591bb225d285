"""A folder that looks like /proc and /sys of a machine, for what reads those."""

from __future__ import annotations

from pathlib import Path

GIB = 2**30
SECOND = 100
"""Ticks of /proc/stat."""


class FakeMachine:
    """Files of a machine of `cpus` logical CPUs and 16 GiB, half of them available."""

    def __init__(self, root: Path, cpus: int = 8, threads_per_core: int = 1) -> None:
        self.root = root
        self.set_memory(available_bytes=8 * GIB)
        self.set_idle(0.0, 0.0, cpus)
        for cpu in range(cpus):
            siblings = [
                other
                for other in range(cpus)
                if other % (cpus // threads_per_core) == cpu % (cpus // threads_per_core)
            ]
            self.write(
                f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list", ",".join(map(str, siblings))
            )

    def write(self, path: str, text: str) -> None:
        """Write a file, and the folders above it."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")

    def set_memory(self, available_bytes: int) -> None:
        """Set what /proc/meminfo says is available of 16 GiB."""
        self.write(
            "proc/meminfo", f"MemTotal: {16 * GIB // 1024} kB\nMemAvailable: {available_bytes // 1024} kB"
        )

    def set_idle(self, busy_s: float, idle_s: float, cpus: int = 8) -> None:
        """Set how long each CPU has been busy and idle since boot."""
        row = f"{int(busy_s * SECOND)} 0 0 {int(idle_s * SECOND)} 0 0 0 0 0 0"
        self.write("proc/stat", "\n".join([f"cpu {row}", *(f"cpu{cpu} {row}" for cpu in range(cpus))]))

    def control_groups_2(self, path: str, process: str = "self", mounted: str = "/") -> Path:
        """Mount version 2 and put a process into the group `path`; return the group's folder."""
        self.write(
            "proc/self/mountinfo",
            f"25 20 0:22 {mounted} /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw,nsdelegate",
        )
        self.write(f"proc/{process}/cgroup", f"0::{path}")
        folder = self.root / "sys/fs/cgroup" / path.removeprefix(mounted).lstrip("/")
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def control_groups_1(self, path: str, process: str = "self", mounted: str = "/") -> dict[str, Path]:
        """Mount `cpu,cpuacct` and `memory` of version 1, beside an empty version 2; return the folders."""
        folders: dict[str, Path] = {}
        mounts = ["31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755"]
        for name, controllers in (("cpu", "cpu,cpuacct"), ("memory", "memory")):
            mounts.append(
                f"32 31 0:29 {mounted} /sys/fs/cgroup/{controllers} rw - cgroup cgroup rw,{controllers}"
            )
            inside = path.removeprefix(mounted).lstrip("/")
            folders[name] = self.root / "sys/fs/cgroup" / controllers / inside
            folders[name].mkdir(parents=True, exist_ok=True)
        mounts.append("41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw")
        self.write("proc/self/mountinfo", "\n".join(mounts))
        self.write(f"proc/{process}/cgroup", f"4:memory:{path}\n2:cpu,cpuacct:{path}\n0::/")
        return folders

    def process(
        self,
        number: int,
        niceness: int = 0,
        *,
        session: str = "",
        policy: int = 0,
        name: str = "a name) with",
        parent: int = 1,
        arguments: str = "",
    ) -> None:
        """Add a process; `session`: what its `autogroup` says."""
        fields = ["S", str(parent), *["0"] * 14, str(niceness), *["0"] * 21, str(policy), "0"]
        self.write(f"proc/{number}/stat", f"{number} ({name}) {' '.join(fields)}")
        self.write(f"proc/{number}/autogroup", session)
        self.write(f"proc/{number}/cmdline", arguments.replace(" ", "\0"))
