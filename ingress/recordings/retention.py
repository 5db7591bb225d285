"""Which recordings are to be deleted. Pure: `now` is an argument."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ingress.recordings.names import RecordingName

DAY_S = 86_400.0
UNDER_WAY_S = 60.0
"""What was written so lately may be a call that goes on: a recording is written every second."""


@dataclass(frozen=True, slots=True)
class KeptRecording:
    """The files of one call."""

    name: RecordingName
    audio_bytes: int | None
    """Of its WAV file; None: there is none."""
    transcript_bytes: int | None
    written_at_s: float
    """Seconds since 1970, of the last change."""

    @property
    def total_bytes(self) -> int:
        """Of both files."""
        return (self.audio_bytes or 0) + (self.transcript_bytes or 0)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is kept."""

    days: float
    total_bytes: float | None = None
    """None: no limit."""


def due(
    oldest_first: Iterable[KeptRecording], total_bytes: int, limits: Limits, now: float
) -> Iterator[KeptRecording]:
    """Yield the recordings that are to be deleted; of them all there are `total_bytes`.

    These are the calls that began more than so many days ago, and the oldest of the others while there is too
    much. A recording that is being written stays.
    """
    for recording in oldest_first:
        is_old = now - recording.name.started_at.timestamp() > limits.days * DAY_S
        is_too_much = limits.total_bytes is not None and total_bytes > limits.total_bytes
        if not (is_old or is_too_much):
            return  # all that follow are younger
        if now - recording.written_at_s < UNDER_WAY_S:
            continue
        total_bytes -= recording.total_bytes
        yield recording
