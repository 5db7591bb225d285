"""One turn of a dialog in a task of its own, to be interrupted as the gateway does it."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

from ingress.dialogs.base import Dialog, DialogAction, DialogCall, DialogEvent


class RunningTurn:
    """Asks the dialog on and on; what it does can be taken one by one."""

    def __init__(self, dialog: Dialog, event: DialogEvent, call: DialogCall) -> None:
        self._done: asyncio.Queue[DialogAction] = asyncio.Queue()
        self._task = asyncio.create_task(self._run(dialog.respond(event, call)))

    async def next(self) -> DialogAction:
        """Return the next action."""
        return await self._done.get()

    async def interrupt(self) -> None:
        """Cancel the turn, and wait for its end."""
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _run(self, actions: Any) -> None:
        async with aclosing(actions) as offered:
            async for action in offered:
                self._done.put_nowait(action)
