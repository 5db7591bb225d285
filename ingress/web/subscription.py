"""What has changed since a reader last looked: bounded, so that a slow one costs the others nothing."""

from __future__ import annotations

import asyncio

from ingress.link.messages import CallEnded, CallGone, CallSeen, StatusReply, TurnFinished

Change = CallSeen | CallGone | TurnFinished | CallEnded | StatusReply
"""One change of the live model, as the message that reported it."""

MAXIMUM_WAITING = 4_096
"""Changes of one reader."""


class Subscription:
    """Changes for one reader. Of a call, and of the status, only the newest waits."""

    def __init__(self) -> None:
        self.has_fallen_behind = False
        """For good: changes were lost, and the reader is to begin anew with the whole model."""
        self._waiting: dict[tuple[str, str], Change] = {}
        self._has_some = asyncio.Event()

    def put(self, change: Change) -> None:
        """Add a change; when there is no room the reader has fallen behind."""
        key = _key(change)
        self._waiting.pop(key, None)  # to the end: after what came before it
        self._waiting[key] = change
        if len(self._waiting) > MAXIMUM_WAITING:
            self.has_fallen_behind = True
        if self.has_fallen_behind:
            self._waiting.clear()
        self._has_some.set()

    async def take(self) -> tuple[Change, ...]:
        """Wait for changes and return all of them, in order; nothing once the reader has fallen behind."""
        await self._has_some.wait()
        if self.has_fallen_behind:
            return ()
        changes = tuple(self._waiting.values())
        self._waiting.clear()
        self._has_some.clear()
        return changes


def _key(change: Change) -> tuple[str, str]:
    """Return what a change replaces: an older one with the same key."""
    match change:
        case CallSeen(call=call):
            return "call", call.call_id
        case CallGone(call_id=call_id):
            return "call", call_id
        case StatusReply():
            return "status", ""
        case TurnFinished(call_id=call_id, record=record):
            return f"turn {record.turn}", call_id
        case CallEnded(record=record):
            return "ended", record.record_id
