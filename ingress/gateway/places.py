"""The calls that this gateway has: each from its first message until its place has been given back.

The same call may come again before: on the new link of a media worker, or from a PBX that uses a UUID twice.

| an older call with the same UUID | then |
|---|---|
| is over, its place not given back yet | the newer one waits for that |
| goes on at the same media worker, or the newer one was admitted before | it is the same call: it ends |
| goes on at another media worker | the newer one is refused, unless the older one ends at once: a redial |
"""

from __future__ import annotations

import asyncio
import logging

from ingress.gateway.call import BOOKKEEPING_DEADLINE_S, STOP_DEADLINE_S, Call, CallServices
from ingress.link.link import Link
from ingress.link.messages import CallStarted

CLOSE_DEADLINE_S = BOOKKEEPING_DEADLINE_S + STOP_DEADLINE_S + 1.0

log = logging.getLogger(__name__)


class Places:
    """All calls of a gateway, whichever media worker they belong to."""

    def __init__(self, services: CallServices) -> None:
        self._services = services
        self._newest: dict[tuple[str, Link], Call] = {}
        self._lives: dict[Call, asyncio.Task[None]] = {}

    def __len__(self) -> int:
        """Return how many places are asked for, held, or not given back yet."""
        return len(self._lives)

    def of(self, link: Link) -> list[Call]:
        """Return the calls of a media worker that were not refused and have not ended."""
        return [call for call in self._newest.values() if call.link is link and not call.is_ended]

    def find(self, call_id: str, link: Link) -> Call | None:
        """Return one of them; None if there is no such call (any more)."""
        call = self._newest.get((call_id, link))
        return call if call is not None and not call.is_ended else None

    def begin(self, started: CallStarted, link: Link) -> None:
        """Begin a call of a media worker; `Call.run` waits for older ones with its UUID."""
        call_id = started.call_id
        before = {call: life for call, life in self._lives.items() if call.started.call_id == call_id}
        for older in before:
            if not older.is_ended and (older.link is link or started.is_admitted):
                log.warning("call %s is served no longer: another call has its UUID", call_id)
                older.end()
        call = Call(started, link, self._services)
        life = asyncio.create_task(call.run(before), name=f"call {call_id}")
        self._newest[call_id, link] = call
        self._lives[call] = life
        life.add_done_callback(lambda _: self._forget(call))

    async def close(self) -> None:
        """End all calls and give their places back, as far as the pool takes them in time. Idempotent."""
        for call in self._lives:
            call.end()
        if self._lives:
            _, late = await asyncio.wait(self._lives.values(), timeout=CLOSE_DEADLINE_S)
            for life in late:
                life.cancel()

    def _forget(self, call: Call) -> None:
        del self._lives[call]
        key = call.started.call_id, call.link
        if self._newest[key] is call:
            del self._newest[key]
