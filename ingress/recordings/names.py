"""Where a call's files are in the folder of recordings, and what their names say.

`FOLDER/2026-11-27/00-22-14.123-EXTENSION-UUID.wav` and `.jsonl`; the time is the call's start, UTC. Nothing
in a path is the caller's: the UUID has been parsed, and the extension's name is the operator's, checked by
the extension book.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

AUDIO = ".wav"
TRANSCRIPT = ".jsonl"
DAY = re.compile(r"\d{4}-\d\d-\d\d")
_STEM = re.compile(
    r"(\d\d-\d\d-\d\d\.\d{3})-([A-Za-z0-9_.-]{1,64})-"
    r"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"
)
"""Of a file: time, extension, UUID."""


@dataclass(frozen=True, slots=True)
class RecordingName:
    """What a recording's name says of its call."""

    started_at: datetime
    """UTC."""
    extension: str
    call_id: str

    @property
    def day(self) -> str:
        """The folder, in that of all recordings."""
        return self.started_at.strftime("%Y-%m-%d")

    @property
    def stem(self) -> str:
        """The files' name in it, without its ending."""
        milliseconds = self.started_at.microsecond // 1_000
        return f"{self.started_at:%H-%M-%S}.{milliseconds:03d}-{self.extension}-{self.call_id}"

    @classmethod
    def read(cls, day: str, stem: str) -> RecordingName | None:
        """Return what the names of a folder and of a file in it say; None if they are not ours."""
        found = _STEM.fullmatch(stem)
        if found is None or not DAY.fullmatch(day):
            return None
        try:
            started_at = datetime.strptime(f"{day} {found[1]}", "%Y-%m-%d %H-%M-%S.%f")
        except ValueError:
            return None
        return cls(started_at.replace(tzinfo=UTC), found[2], found[3])
