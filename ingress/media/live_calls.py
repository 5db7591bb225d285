"""Reports running calls to the web process: a few at a time, so that the audio clock does not wait.

Calls are looked at in rounds of a second, a part of them at each tick. A call that has changed since its last
report is reported again. So there is nothing to do when something happens to a call, but when it begins (it
is looked at next) and ends. On a new link all calls are reported again. Without a link nothing runs.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from ingress.link.messages import CallGone, CallSeen, EndCall, Message
from ingress.link.records import CallRecord
from ingress.media.endings import Ending

if TYPE_CHECKING:
    from ingress.media.leg import Leg

TICK_S = 0.05
ROUND_TICKS = 20
"""Between the beginnings of two rounds, at least: a call is reported once a second at most."""
LOOKS_PER_TICK = 8
"""Of less than 2 us each; more if a round would take longer otherwise."""
REPORTS_PER_TICK = 8
"""Calls that have changed: less than 0.5 ms. If more have, the round takes longer."""


class LiveCalls:
    """The calls of one media worker as they are reported on one link."""

    def __init__(self, legs: Callable[[], Iterable[Leg]], find: Callable[[str], Leg | None]) -> None:
        """`legs` returns those that are calls now; `find` one of them, by its UUID."""
        self._legs = legs
        self._find = find
        self._send: Callable[[Message], bool] = lambda message: False
        self._queue: deque[Leg] = deque()
        """To be looked at in this round, the next first."""
        self._looks = LOOKS_PER_TICK
        self._ticks = 0
        """Since the round began."""
        self._reported: dict[str, tuple[object, ...]] = {}
        """What was reported of each call on this link, as far as it can change."""
        self._timer: asyncio.TimerHandle | None = None

    def link_up(self, send: Callable[[Message], bool]) -> None:
        """Report all calls, and what changes, on this link from now on."""
        self.link_gone()
        self._send, self._ticks = send, ROUND_TICKS
        self._tick()

    def link_gone(self) -> None:
        """Report nothing any more. Idempotent."""
        self._queue.clear()
        self._reported.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def receive(self, message: Message) -> None:
        """Take what the operator orders; a call that is over meanwhile needs nothing."""
        if isinstance(message, EndCall) and (leg := self._find(message.call_id)) is not None:
            leg.end(Ending.OPERATOR)

    def began(self, leg: Leg) -> None:
        """Look at a new call before all others."""
        if self._timer is not None:
            self._queue.appendleft(leg)

    def ended(self, record: CallRecord) -> None:
        """A call is over; what came of it is reported also of one that was never looked at."""
        self._reported.pop(record.call_id, None)
        if self._timer is not None:
            self._send(CallGone(call_id=record.call_id, outcome=record.outcome))

    def _tick(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(TICK_S, self._tick)
        self._ticks += 1
        if not self._queue and self._ticks >= ROUND_TICKS:
            self._ticks = 0
            self._queue.extend(self._legs())
            self._looks = max(LOOKS_PER_TICK, -(-len(self._queue) // ROUND_TICKS))
        looks, reports = self._looks, 0
        while self._queue and looks and reports < REPORTS_PER_TICK:
            leg = self._queue.popleft()
            if leg.is_live:  # else over meanwhile: of a flood of short calls nothing stays
                looks -= 1
                reports += self._report(leg)

    def _report(self, leg: Leg) -> bool:
        """Report a call unless nothing has changed; return whether it was reported."""
        changing, call_id = leg.changing(), leg.call_id
        if self._reported.get(call_id) == changing:
            return False
        self._reported[call_id] = changing
        self._send(CallSeen(call=leg.seen()))
        return True
