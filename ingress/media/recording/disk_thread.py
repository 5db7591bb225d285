"""Jobs for the disk, done in order by a thread behind a bounded queue: no caller of it ever waits."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread

Job = Callable[[], object]

log = logging.getLogger(__name__)


class DiskThread:
    """A thread that begins with its first job."""

    def __init__(self, capacity_bytes: int) -> None:
        self._capacity_bytes = capacity_bytes
        self._jobs: SimpleQueue[tuple[Job, int] | None] = SimpleQueue()
        self._taken_bytes = 0
        """Of all jobs; changed by their giver alone."""
        self._done_bytes = 0
        """Changed by the thread alone."""
        self._thread: Thread | None = None

    def submit(self, job: Job, size_bytes: int) -> bool:
        """Have a job done that holds so many bytes; False: there is no room for it."""
        if self._taken_bytes - self._done_bytes + size_bytes > self._capacity_bytes:
            return False
        self.release(job, size_bytes)
        return True

    def release(self, job: Job, size_bytes: int = 0) -> None:
        """Have a job done that gives something back, room or not."""
        if self._thread is None:
            self._thread = Thread(target=self._run, name="recordings", daemon=True)
            self._thread.start()
        self._taken_bytes += size_bytes
        self._jobs.put((job, size_bytes))

    async def stop(self, deadline_s: float) -> bool:
        """End the thread when all jobs are done; return whether they are, within the deadline. Idempotent."""
        if self._thread is None:
            return True
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join, deadline_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (item := self._jobs.get()) is not None:
            job, size_bytes = item
            try:
                job()
            except Exception:  # a mistake of ours costs that job alone
                log.exception("a job for the disk failed")
            self._done_bytes += size_bytes
