"""The one process of a server that deletes old recordings: a thread of the supervisor, no media worker."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from actors.liveness.threads import in_thread
from ingress.configuration.settings import RecordingSettings
from ingress.recordings.folder import Deleted, RecordingFolder
from ingress.recordings.retention import Limits

INTERVAL_S = 600.0
PASS_S = 60.0
"""One pass may take this long; the next one goes on where it stopped."""
GB = 1e9

log = logging.getLogger(__name__)


def folder_of(settings: RecordingSettings) -> RecordingFolder | None:
    """Return the folder of recordings; None: none is set."""
    if settings.folder is None:
        return None
    return RecordingFolder(Path(settings.folder).expanduser().absolute())


def limits_of(settings: RecordingSettings) -> Limits:
    """Return how much is kept."""
    maximum_gb = settings.maximum_gb
    return Limits(settings.retention_days, None if maximum_gb is None else maximum_gb * GB)


async def keep_retention(settings: RecordingSettings) -> None:
    """Delete what may not be kept any longer, now and every ten minutes, until cancelled.

    One pass at a time: on a disk that does not answer it waits in its thread, and nothing waits for it.
    """
    folder, limits = folder_of(settings), limits_of(settings)
    while folder is not None:
        try:
            _report(folder, await in_thread(partial(_pass, folder, limits)))
        except OSError as error:
            log.error("old recordings cannot be deleted: %s", error)
        await asyncio.sleep(INTERVAL_S)


def _pass(folder: RecordingFolder, limits: Limits) -> Deleted:
    end_s = time.monotonic() + PASS_S
    return folder.expire(limits, datetime.now(UTC).timestamp(), may_go_on=lambda: time.monotonic() < end_s)


def _report(folder: RecordingFolder, deleted: Deleted) -> None:
    if deleted.recordings:
        log.info("%d old recordings, %d bytes, deleted in %s", deleted.recordings, deleted.bytes, folder.path)
    if deleted.problems:
        log.error("%d old recordings cannot be deleted: %s", deleted.problems, deleted.first_problem)
