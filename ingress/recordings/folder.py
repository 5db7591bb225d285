"""The folder of recordings: what is in it, and how it is deleted. Files that are not ours are left alone.

Any number of servers may share a folder, and each may delete what another one is about to delete.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ingress.recordings.names import AUDIO, DAY, TRANSCRIPT, RecordingName
from ingress.recordings.retention import KeptRecording, Limits, due


@dataclass
class Deleted:
    """What was deleted, and what could not be."""

    recordings: int = 0
    bytes: int = 0
    problems: int = 0
    first_problem: str | None = None


class RecordingFolder:
    """Of one server, or of several."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def file(self, name: RecordingName, ending: str) -> Path:
        """Return where a call's file is, or would be."""
        return self.path / name.day / f"{name.stem}{ending}"

    def recordings(self) -> Iterator[KeptRecording]:
        """Yield all recordings, the oldest first; of one day at a time. Raises OSError."""
        try:
            days = sorted(entry.name for entry in os.scandir(self.path) if DAY.fullmatch(entry.name))
        except FileNotFoundError:
            return
        for day in days:
            yield from self._of_day(day)

    def _of_day(self, day: str) -> Iterator[KeptRecording]:
        found: dict[RecordingName, dict[str, os.stat_result]] = {}
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(self.path / day) as entries:
            for entry in entries:
                stem, ending = os.path.splitext(entry.name)
                name = RecordingName.read(day, stem)
                if name is None or ending not in (AUDIO, TRANSCRIPT):
                    continue
                with suppress(FileNotFoundError):
                    if entry.is_file(follow_symlinks=False):
                        found.setdefault(name, {})[ending] = entry.stat(follow_symlinks=False)
        for name, files in sorted(found.items(), key=lambda item: item[0].stem):
            sizes = {ending: stat.st_size for ending, stat in files.items()}
            written_at_s = max(stat.st_mtime for stat in files.values())
            yield KeptRecording(name, sizes.get(AUDIO), sizes.get(TRANSCRIPT), written_at_s)

    def delete(
        self, recordings: Iterable[KeptRecording], now: float, may_go_on: Callable[[], bool] = lambda: True
    ) -> Deleted:
        """Delete these recordings; one that is gone is no problem. `now`: Unix time, in s. Raises OSError."""
        deleted = Deleted()
        days: set[str] = set()
        for recording in recordings:
            if not may_go_on():
                break
            try:
                for ending in (AUDIO, TRANSCRIPT):
                    self.file(recording.name, ending).unlink(missing_ok=True)
            except OSError as error:
                deleted.problems += 1
                deleted.first_problem = deleted.first_problem or str(error)
                continue
            deleted.recordings += 1
            deleted.bytes += recording.total_bytes
            days.add(recording.name.day)
        # A call of today or of last midnight may be about to be written there.
        yesterday = (datetime.fromtimestamp(now, UTC) - timedelta(days=1)).strftime("%Y-%m-%d")
        for day in days:
            if day < yesterday:
                with suppress(OSError):  # there is something else in it
                    (self.path / day).rmdir()
        return deleted

    def expire(self, limits: Limits, now: float, may_go_on: Callable[[], bool] = lambda: True) -> Deleted:
        """Delete what is older, or more, than may be kept; `now`: seconds since 1970. Raises OSError."""
        total_bytes = 0
        if limits.total_bytes is not None:
            total_bytes = sum(recording.total_bytes for recording in self.recordings())
        return self.delete(due(self.recordings(), total_bytes, limits, now), now, may_go_on)
