"""Recordings of a media worker's calls. Off, a call has none and the recorder has no thread.

| what happens | effect |
|---|---|
| the disk is full | the recordings that it hits end where they are and count as incomplete |
| it takes less than comes, for as long as 64 MB last | the same |
| the first of these | one line in the log; another when something is written again |
| the call is refused | its files are deleted |
| its record is due | it waits up to 0.25 s to know what was written |
| the process is killed | the files can be read; the last two seconds are missing |
"""

from __future__ import annotations

import logging
from pathlib import Path

from ingress.configuration.extensions import RecordingChoice
from ingress.media.recording.call_files import CallFiles
from ingress.media.recording.disk_thread import DiskThread
from ingress.media.recording.recording import Recording
from ingress.recordings.folder import RecordingFolder
from ingress.recordings.names import RecordingName

QUEUE_BYTES = 64 * 1024 * 1024
"""5 s of 400 calls; 200 s of 10."""
STOP_DEADLINE_S = 1.5

log = logging.getLogger(__name__)


class Recorder:
    """Makes recordings; the disk's thread is theirs together."""

    def __init__(self, folder: str | None, thread: DiskThread | None = None) -> None:
        """`folder`: as it was set when the process began."""
        self._thread = thread or DiskThread(QUEUE_BYTES)
        self._folder = None if folder is None else RecordingFolder(Path(folder).expanduser().absolute())
        self._problem: str | None = None
        """Since the last time that something was written."""

    def begin(self, name: RecordingName, choice: RecordingChoice, now: float) -> Recording:
        """Begin to record a call at `now`, of its clock."""
        files = CallFiles(self._note, self._folder, name, choice)
        return Recording(files, now, self._thread, self._note)

    def _note(self, problem: str | None) -> None:
        """Log that something could not be written, or (None) that it was, if that is new. In any thread."""
        before, self._problem = self._problem, problem
        if problem is not None and before is None:
            log.error("recordings end, their calls go on: %s; this is logged once", problem)
        elif problem is None and before is not None:
            log.info("recordings are written again")

    async def stop(self) -> None:
        """Write what is left, within a deadline. No recording is used after it."""
        if not await self._thread.stop(STOP_DEADLINE_S):
            log.error("some recordings were not written whole within %g s", STOP_DEADLINE_S)
