"""Server-sent events: all that runs now, then every change (WHATWG HTML, "Server-sent events").

| event | data |
|---|---|
| `status` | the status, every few seconds, and when the gateway goes or comes |
| `call` | a running call: one for each at the start, then whenever something of it changes |
| `gone` | `call_id` of a call that is over |
| `turn` | `call_id` and the record of a turn that is over |
| `ended` | the record of a call that is over |
| `level` | the level of load and its reasons, at the start and when it changes |

A reader that falls behind is given only the newest of each call; one that does not read is dropped, and a
browser then connects again and begins anew.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator

from pydantic import BaseModel
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from ingress.link.messages import CallEnded, CallGone, CallSeen, StatusReply, TurnFinished
from ingress.web.connections import UNREAD_DEADLINE_S
from ingress.web.live import OWN_READERS
from ingress.web.problems import problem_response
from ingress.web.services import Services
from ingress.web.status import WebStatus, status_of
from ingress.web.subscription import Change, Subscription
from ingress.web.words import without_words

MAXIMUM_STREAMS = 64
GATHERED_S = 0.2
"""Changes of this long go together."""
LOOK_INTERVAL_S = 1.0
HEARTBEAT_S = 15.0
HEARTBEAT = ": still here\n\n"


class EventStream(StreamingResponse):
    """The stream of one client, or a problem when there are too many."""

    media_type = "text/event-stream"

    def __init__(self, services: Services, has_words: bool, abort: Callable[[], None]) -> None:
        """`abort` ends the connection at once."""
        super().__init__(())
        self._services = services
        self._has_words = has_words
        self._abort = abort

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the client goes."""
        live = self._services.live
        if live.readers >= MAXIMUM_STREAMS + OWN_READERS:
            detail = f"{MAXIMUM_STREAMS} event streams are open already; close some, or ask for the lists"
            await problem_response(503, detail, headers={"Retry-After": "30"})(scope, receive, send)
            return
        with live.subscribe() as subscription:
            self.body_iterator = self._timed(self._events(subscription))
            await super().__call__(scope, receive, send)

    async def _timed(self, pieces: AsyncIterator[str]) -> AsyncIterator[str]:
        """Yield pieces; a client that takes one too slowly is dropped."""
        loop = asyncio.get_running_loop()
        async for piece in pieces:
            timer = loop.call_later(UNREAD_DEADLINE_S, self._abort)
            try:
                yield piece
            finally:
                timer.cancel()

    async def _events(self, subscription: Subscription) -> AsyncIterator[str]:
        services, loop = self._services, asyncio.get_running_loop()
        status = status_of(services)
        sent_s = loop.time()
        yield "".join(
            [
                _event("status", status),
                _level_event(status),
                *(_event("call", call) for call in services.live.calls),
            ]
        )
        while True:
            try:
                async with asyncio.timeout(LOOK_INTERVAL_S):
                    changes = await subscription.take()
            except TimeoutError:
                changes = ()
            if subscription.has_fallen_behind:
                return
            newest = status_of(services)
            pieces = list(self._pieces(changes))
            if newest != status:
                pieces.append(_event("status", newest))
                if _level_event(newest) != _level_event(status):
                    pieces.append(_level_event(newest))
                status = newest
            if pieces:
                sent_s = loop.time()
                yield "".join(pieces)
                await asyncio.sleep(GATHERED_S)
            elif loop.time() - sent_s >= HEARTBEAT_S:
                sent_s = loop.time()
                yield HEARTBEAT

    def _pieces(self, changes: tuple[Change, ...]) -> Iterator[str]:
        for change in changes:
            match change:
                case CallSeen(call=call):
                    yield _event("call", call)
                case CallGone(call_id=call_id):  # what came of it is in its record
                    yield f"event: gone\ndata: {json.dumps({'call_id': call_id})}\n\n"
                case TurnFinished():
                    yield _event("turn", change if self._has_words else without_words(change))
                case CallEnded(record=record):
                    yield _event("ended", record if self._has_words else without_words(record))
                case StatusReply():
                    pass  # `status_of` has it, also while the gateway is away


def _event(name: str, data: BaseModel) -> str:
    return f"event: {name}\ndata: {data.model_dump_json()}\n\n"


def _level_event(status: WebStatus) -> str:
    reasons = status.decision.reasons if status.decision is not None else ()
    data = {"level": int(status.level), "name": status.level.name.lower(), "reasons": reasons}
    return f"event: level\ndata: {json.dumps(data)}\n\n"
