"""The last event of a call's dialog: the call is over.

It comes beside everything else: no record waits for it, and no other call. It has `DEADLINE_S` altogether,
and what is yielded is ignored. A record that comes again, because its acknowledgement was lost, gives no
second event unless another gateway takes it.

| where | at most | the next |
|---|---|---|
| dialogs at a time | `MOST_AT_ONCE` | waits |
| waiting | `MOST_WAITING` | gets no event, and is counted in the log |
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from actors.errors import RaymalError, described
from ingress.access.log_limit import LogLimit
from ingress.configuration.extensions import Extension
from ingress.dialogs.base import CallEnded as CallEndedEvent
from ingress.dialogs.base import Dialog, DialogCall
from ingress.dialogs.run import DialogRun, failure_of
from ingress.link.messages import CallEnded, CallStarted

DEADLINE_S = 5.0
"""For a dialog's last event, its end included."""
CLOSE_S = DEADLINE_S + 1.0
"""Those that wait for others may have less."""
MOST_AT_ONCE = 32
MOST_WAITING = 1_024
"""As many as a media worker keeps records of, when a gateway comes back."""

log = logging.getLogger(__name__)


class EndedCalls:
    """Gives dialogs their last events."""

    def __init__(self, dialog_of: Callable[[Extension], Dialog]) -> None:
        self._dialog_of = dialog_of
        self._tasks: set[asyncio.Task[None]] = set()
        self._free = asyncio.Semaphore(MOST_AT_ONCE)
        self._logged = LogLimit()
        """By what failed and where."""

    def take(self, ended: CallEnded, extension: Extension, started: CallStarted | None) -> None:
        """Have the dialog of an extension respond to the end of a call, unless that was refused.

        `started`: None, if the call ended while there was no gateway.
        """
        if ended.record.was_refused:
            return
        if len(self._tasks) >= MOST_AT_ONCE + MOST_WAITING:
            self._log("too many calls have ended at once: their dialogs are slow, and some get no CallEnded")
            return
        task = asyncio.create_task(self._respond(ended, extension, started), name="end of a call")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Wait for those that are under way, `CLOSE_S` at most. Idempotent."""
        tasks = tuple(self._tasks)
        if tasks:
            await asyncio.wait(tasks, timeout=CLOSE_S)
        for task in tasks:
            task.cancel()

    async def _respond(self, ended: CallEnded, extension: Extension, started: CallStarted | None) -> None:
        outcome = ended.record.outcome
        event = CallEndedEvent(outcome.result.value, outcome.reason or ended.record.end_reason)
        async with self._free:
            try:
                async with asyncio.timeout(DEADLINE_S) as deadline:
                    dialog = self._dialog_of(extension)
                    run = DialogRun(dialog, event, _call(ended, extension, started), DEADLINE_S)
                    try:
                        while await run.next() is not None:
                            pass
                    finally:
                        await run.close()
            except RaymalError as error:
                self._log(described(error))
            except Exception as error:  # a dialog may be anyone's code
                if isinstance(error, TimeoutError) and deadline.expired():
                    self._log(f"{extension.dialog.name} did not end within {DEADLINE_S:g} s")
                else:
                    self._log(failure_of(error))

    def _log(self, problem: str) -> None:
        if self._logged.is_due(problem, time.monotonic()):
            log.warning("end of a call: %s", problem)


def _call(ended: CallEnded, extension: Extension, started: CallStarted | None) -> DialogCall:
    record = ended.record
    spoken = extension.spoken_in(ended.language)
    if started is None:
        started_at = datetime.now(UTC) - timedelta(seconds=record.duration_s)
    else:
        started_at = datetime.fromtimestamp(started.started_at_s, UTC)
    return DialogCall(
        call_id=record.call_id,
        extension=record.extension,
        language=spoken.language,
        caller_number=None if started is None else started.caller_number,
        caller_name=None if started is None else started.caller_name,
        started_at=started_at,
        history=ended.history,
        state=ended.state,
    )
