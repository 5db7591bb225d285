"""A dialog while it responds: its actions one by one, each within a deadline, whatever the dialog does.

The dialog runs in a task of its own, the same from its first action to its end, so that it may hold what
belongs to one task (a timeout, a connection) over several actions. The turn asks for an action and does it;
only then the dialog goes on. A dialog that does not end when it is cancelled is left behind: the turn, its
slots and its call's place do not wait for it.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from actors.errors import DialogError
from actors.plugins.lookup import place
from ingress.dialogs.base import Dialog, DialogAction, DialogCall, DialogEvent

CLOSE_DEADLINE_S = 0.5
"""For a cancelled dialog to end: less than a call waits for its turn."""

MAXIMUM_ACTIONS = 1_000
"""Of one `respond`: more is a loop without an end."""

log = logging.getLogger(__name__)

_left_behind: set[asyncio.Task[None]] = set()
"""Dialogs that have not ended: the event loop itself does not keep tasks."""


class DialogRun:
    """One `respond` of a dialog."""

    def __init__(self, dialog: Dialog, event: DialogEvent, call: DialogCall, deadline_s: float) -> None:
        """`deadline_s`: for each action, from when it is asked for."""
        self._dialog = dialog
        self._event = event
        self._call = call
        self._deadline_s = deadline_s
        self._actions: AsyncIterator[DialogAction] | None = None
        self._goes_on = asyncio.Event()
        self._action: asyncio.Future[DialogAction]
        self._count = 0
        self._error: BaseException | None = None
        self._task: asyncio.Task[None] | None = None

    async def next(self) -> DialogAction | None:
        """Return the next action; None: there are no more.

        Raises DialogError when the deadline has passed, there have been too many actions or `respond` yields
        nothing, and what the dialog raises; for what would end more than its turn, such as KeyboardInterrupt,
        a DialogError.
        """
        self._action = asyncio.get_running_loop().create_future()
        if self._task is None:
            self._task = asyncio.create_task(self._respond(), name="dialog")
        self._goes_on.set()
        either: set[asyncio.Future[Any]] = {self._action, self._task}
        await asyncio.wait(either, timeout=self._deadline_s, return_when=asyncio.FIRST_COMPLETED)
        if self._action.done():
            return self._taken(self._action.result())
        if isinstance(self._error, Exception):
            raise self._error
        if self._error is not None:
            raise DialogError(failure_of(self._error))
        if self._task.done():
            return None
        raise DialogError(f"the dialog did nothing for {self._deadline_s:g} s (dialog.deadline_s)")

    def _taken(self, action: DialogAction) -> DialogAction:
        self._count += 1
        if self._count > MAXIMUM_ACTIONS:
            raise DialogError(f"the dialog yielded more than {MAXIMUM_ACTIONS} actions in one turn")
        if action is None:  # here it would be the end
            raise DialogError("the dialog yielded a NoneType, which is no action")
        return action

    async def close(self) -> None:
        """Cancel the dialog if it has not ended, and wait a moment for its end. Idempotent."""
        task = self._task
        if task is None or task.done():
            return
        self._action.cancel()  # if the dialog offers another one all the same, it is closed
        _left_behind.add(task)
        task.add_done_callback(_left_behind.discard)
        task.cancel()
        await asyncio.wait({task}, timeout=CLOSE_DEADLINE_S)
        if not task.done():
            log.warning(
                "%s goes on at %s although it was cancelled; its turn is over all the same",
                type(self._dialog).__name__,
                _where(self._actions),
            )

    async def _respond(self) -> None:
        try:
            self._actions = self._begun()
            try:
                await self._offer(self._actions)
            finally:
                if isinstance(self._actions, AsyncGenerator):
                    await self._actions.aclose()
        except BaseException as error:  # SystemExit and KeyboardInterrupt would end the event loop
            self._error = error

    def _begun(self) -> AsyncIterator[DialogAction]:
        actions = self._dialog.respond(self._event, self._call)
        if isinstance(actions, AsyncIterator):
            return actions
        if inspect.iscoroutine(actions):
            actions.close()
        name = type(self._dialog).__name__
        raise DialogError(f"{name}.respond yields nothing: write `async def` with `yield`")

    async def _offer(self, actions: AsyncIterator[DialogAction]) -> None:
        async for action in actions:
            if self._action.done():  # closed
                return
            self._goes_on.clear()
            self._action.set_result(action)
            await self._goes_on.wait()


def failure_of(error: BaseException) -> str:
    """Return what failed and where in the dialog's code; its message may quote the caller."""
    return f"the dialog failed: {type(error).__name__} at {place(error, __file__)}"


def _where(actions: AsyncIterator[DialogAction] | None) -> str:
    """Return the file and line where a generator waits."""
    frame = getattr(actions, "ag_frame", None)
    return "an unknown place" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"
