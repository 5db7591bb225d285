"""Disks and shared memory, against what would be written."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from actors.checks.folders import expanded
from actors.errors import ConfigurationError
from ingress.phrases.disk import phrase_directory
from ingress.server.doctor.finding import Finding, Subject
from ingress.server.doctor.host import Host
from ingress.server.files import default_cache_problem

MIB = 2**20
RECORDS_BYTES = 256 * MIB
"""Some 100,000 calls."""

cache = Subject("cache")
disk = Subject("disk")
shared = Subject("shared memory")


def phrases(host: Host) -> Iterator[Finding]:
    """Yield whether the phrases that are kept have a folder and room."""
    settings = host.settings.cache
    if settings.disk_bytes == 0:
        yield cache.ok("phrases are not kept on disk", "cache.disk_bytes")
        return
    problem, folder = default_cache_problem(settings), phrase_directory(settings)
    if problem is not None or folder is None:
        yield cache.warning(
            f"phrases are not kept on disk: {problem or 'this user has no home'}", "set cache.directory"
        )
        return
    kept = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) if folder.is_dir() else 0
    yield from _room(cache, folder, settings.disk_bytes - kept, f"phrases of {kept / MIB:.0f} MiB are kept")


def records(host: Host) -> Iterator[Finding]:
    """Yield whether there is room for the records of calls."""
    if host.settings.records.file is None:
        return
    try:
        file = expanded(host.settings.records.file, "records.file")
    except ConfigurationError:
        return  # the configuration's check says it
    yield from _room(disk, file.parent, RECORDS_BYTES, "records of calls")


def object_store(host: Host) -> Iterator[Finding]:
    """Yield whether a private Ray's object store fits into shared memory; else Ray puts it on a disk."""
    fleet, folder = host.settings.fleet, host.root / "dev/shm"
    if fleet.backend != "ray" or fleet.ray_address is not None or not folder.is_dir():
        return
    whole = shutil.disk_usage(folder).total
    if whole < fleet.object_store_bytes:
        yield shared.warning(
            f"{whole / MIB:.0f} MiB, and Ray's object store has {fleet.object_store_bytes / MIB:.0f}: "
            "Ray puts it on a disk",
            "in a container: --shm-size=1g; or lower fleet.object_store_bytes",
            "/dev/shm",
        )
    else:
        yield shared.ok(f"{whole / MIB:.0f} MiB, for an object store of {fleet.object_store_bytes / MIB:.0f}")


def _room(subject: Subject, folder: Path, wanted_bytes: int, what: str) -> Iterator[Finding]:
    there = next((above for above in (folder, *folder.parents) if above.is_dir()), None)
    if there is None:
        return
    try:
        free = shutil.disk_usage(there).free
    except OSError as error:
        yield subject.warning(f"{what}; free room not known: {error.strerror}", f"`df {there}`", str(folder))
        return
    if free < wanted_bytes:
        yield subject.warning(
            f"{what}; {free / MIB:.0f} MiB are free, up to {wanted_bytes / MIB:.0f} may be needed",
            "make room, or name a folder on another disk",
            str(folder),
        )
    else:
        yield subject.ok(f"{what}; {free / MIB:.0f} MiB are free", str(folder))
