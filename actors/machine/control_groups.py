"""Where a process stands in the kernel's control groups (cgroups), of version 1 and of version 2.

A systemd unit and a container are control groups. A group's limits hold for all groups below it, so every
reader here looks at the whole path. A group above the place that a container has mounted cannot be seen.
Sources: cgroups(7), proc_pid_mountinfo(5), the kernel's admin-guide/cgroup-v2 and admin-guide/cgroup-v1.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

ROOT = Path("/")


@dataclass(frozen=True, slots=True)
class GroupPath:
    """The groups of a process for one controller."""

    version: int
    """1 or 2; they name their files differently."""
    folders: tuple[Path, ...]
    """The topmost that can be seen first, the process's own last."""


def group_path(controller: str, root: Path = ROOT, process: str = "self") -> GroupPath | None:
    """Return the groups that `controller` (`cpu`, `cpuacct`, `memory`) has for a process, None if none.

    `root` holds `proc` and what it says is mounted.
    """
    inside = _paths(read(root / "proc" / process / "cgroup"))
    version = 1 if controller in inside else 2
    path = inside.get(controller if version == 1 else "")
    if path is None:
        return None
    for line in read(root / "proc" / "self" / "mountinfo").splitlines():
        left, _, right = line.partition(" - ")
        kind, _, options = right.split(" ", 2)
        is_it = kind == "cgroup2" if version == 2 else kind == "cgroup" and controller in options.split(",")
        if is_it:
            mounted, mount_point = left.split(" ")[3:5]
            return GroupPath(version, _folders(root / mount_point.lstrip("/"), mounted, path))
    return None


def read(file: Path) -> str:
    """Return a file's text; empty where it is not there or may not be read."""
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""


def read_number(file: Path) -> int | None:
    """Return a file's one number; None where there is none, or another word ("max")."""
    try:
        return int(read(file))
    except ValueError:
        return None


def _paths(text: str) -> dict[str, str]:
    """Return the path for each controller of version 1, and that of version 2 under the empty name."""
    paths: dict[str, str] = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        paths |= dict.fromkeys(controllers.split(","), path)
    return paths


def _folders(mount_point: Path, mounted: str, path: str) -> tuple[Path, ...]:
    """Return the folders from the mount point down to `path`, of which `mounted` is what was mounted there.

    A path that is not below it is the host's own name for it: what is mounted is then all there is to see.
    """
    try:
        parts = PurePosixPath(path).relative_to(PurePosixPath(mounted)).parts
    except ValueError:
        parts = ()
    folders = [mount_point]
    for part in parts:
        if part == ".." or not (folders[-1] / part).is_dir():
            break
        folders.append(folders[-1] / part)
    return tuple(folders)
