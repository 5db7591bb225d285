"""Where ingresses read their decisions: the current one of each, and a way to wait for the next.

A driver cannot be called by an actor, so an ingress asks, naming the version that it knows. The answer is
always the whole current state, never a change, so one that is lost costs nothing. The epoch distinguishes two
managers: the numbers of a new one begin anew and are not older.
"""

from __future__ import annotations

import asyncio
import uuid
from contextlib import suppress
from dataclasses import replace

from actors.messages import Decision, Level


class DecisionBoard:
    """The current decision of each ingress."""

    def __init__(self) -> None:
        self._epoch = uuid.uuid4().hex
        self._decisions: dict[str, Decision] = {}
        self._changed: dict[str, asyncio.Event] = {}

    def read(self, ingress_id: str) -> Decision:
        """Return the ingress's current decision."""
        return self._decisions.get(ingress_id) or Decision(epoch=self._epoch)

    def post(self, ingress_id: str, level: Level, reasons: tuple[str, ...], calls_alone: int) -> None:
        """Decide. Wakes readers, unless only `calls_alone` differs, which the next reader gets."""
        old = self.read(ingress_id)
        new = replace(old, level=level, reasons=reasons, calls_alone=calls_alone)
        if (old.level, old.reasons) != (level, reasons):
            new = replace(new, number=old.number + 1)
            self._wake(ingress_id)
        self._decisions[ingress_id] = new

    async def wait(self, ingress_id: str, known: tuple[str, int], wait_s: float) -> Decision:
        """Return the current decision as soon as its version is not `known`, at the latest after `wait_s`."""
        if self.read(ingress_id).version == known:
            changed = self._changed.setdefault(ingress_id, asyncio.Event())
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await changed.wait()
        return self.read(ingress_id)

    def forget(self, ingress_id: str) -> None:
        """Take an ingress off the board; readers that wait for it get the empty decision."""
        self._decisions.pop(ingress_id, None)
        self._wake(ingress_id)

    def _wake(self, ingress_id: str) -> None:
        changed = self._changed.pop(ingress_id, None)
        if changed is not None:
            changed.set()
