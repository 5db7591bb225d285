"""The order in which requests for one kind of slot are served.

| place | what | within the place |
|---|---|---|
| 1 | final work of emergency calls | first come, first served |
| 2 | final work of all other classes | by arrival, put off by `aging_s` for each class below emergency |
| 3 | ahead-of-time work of calls | first come, first served |
| 4 | ahead-of-time work that no call asked for, such as the HTTP door's | first come, first served |

So a request of one class goes before one of the next class that came less than `aging_s` earlier. Nothing in
place 2 waits without end while slots come free, unless emergencies take every one of them.

Ahead-of-time work that is promoted joins the final work of its class as if it came now: its utterance has
ended now, as that of any other newcomer. While background work is held back it is not served, and neither is
ahead-of-time work.
"""

from __future__ import annotations

from dataclasses import dataclass

from actors.messages import LeaseRequest, Priority

ORDINARY = (Priority.HIGH, Priority.NORMAL, Priority.BACKGROUND)
WITHOUT_BACKGROUND = (Priority.HIGH, Priority.NORMAL)
LOAD = (Priority.EMERGENCY, *WITHOUT_BACKGROUND)
"""Classes whose waiting is a signal of load. Background work may wait, and at a high level it is made to:
counted, it would hold the level up."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request, since when it waits, and until when."""

    request: LeaseRequest
    since: float
    deadline: float

    def turn(self, aging_s: float) -> float:
        """Return what orders the requests of place 2."""
        return self.since + self.request.priority.rank * aging_s


class LeaseQueue:
    """Requests that wait for a slot of one kind, in lanes of equals. It grants nothing and knows no limit."""

    def __init__(self) -> None:
        self._finals: dict[Priority, dict[str, Waiting]] = {priority: {} for priority in Priority}
        self._ahead: dict[str, Waiting] = {}
        self._ahead_for_no_call: dict[str, Waiting] = {}

    def __len__(self) -> int:
        lanes = (self._ahead, self._ahead_for_no_call, *self._finals.values())
        return sum(len(lane) for lane in lanes)

    def lane(self, request: LeaseRequest) -> dict[str, Waiting]:
        """Return the requests that wait as this one does, by id, in order of arrival."""
        if request.is_ahead:
            return self._ahead if request.session_id is not None else self._ahead_for_no_call
        return self._finals[request.priority]

    def first_final(self, aging_s: float, holds_background: bool) -> Waiting | None:
        """Return the final request to be served next; None if there is none."""
        emergencies = self._finals[Priority.EMERGENCY]
        if emergencies:
            return _first(emergencies)
        classes = WITHOUT_BACKGROUND if holds_background else ORDINARY
        firsts = [_first(lane) for priority in classes if (lane := self._finals[priority])]
        return min(firsts, key=lambda waiting: waiting.turn(aging_s), default=None)

    def oldest_load(self) -> Waiting | None:
        """Return the final request that has waited longest, background apart; None if there is none."""
        firsts = [_first(lane) for priority in LOAD if (lane := self._finals[priority])]
        return min(firsts, key=lambda waiting: waiting.since, default=None)

    def first_ahead(self) -> Waiting | None:
        """Return the ahead-of-time request to be served next; None if there is none."""
        lane = self._ahead or self._ahead_for_no_call
        return _first(lane) if lane else None


def _first(lane: dict[str, Waiting]) -> Waiting:
    return next(iter(lane.values()))
