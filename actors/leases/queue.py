"""The order in which requests for one kind of slot are served, and who gives way when too many wait.

The order, first to last:

1. final work of emergency calls;
2. final work of other classes that has waited so long that it counts as emergency;
3. ahead-of-time work of emergency calls;
4. final, then ahead-of-time work of class high; then of normal; then of background.

A class is the call's priority, raised by one for each `aging_s` that the request has waited, if it is final.
Ahead-of-time work does not age: it may be for nothing, and it would be the first to lose its slot again.
Promoted, it is final work that has waited since it arrived. Within a place of this order the earliest
deadline comes first, except in place 2, where the longest wait does: nobody passes there, so whoever arrives
is served. Emergency work goes before all that, but after `EMERGENCY_RUN` of them in a row one slot goes to
place 2 if somebody stands there. So final work never starves while slots are granted at all, and an
emergency loses at most one turn in nine to those who have waited for ages.

While background work is held back it is not served, and stands behind everything else.

A full queue gives up its last request for a newcomer who stands in a better place of the order. An earlier
deadline alone, or a better one within the same place, displaces nobody: the newcomer is refused.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from actors.leases.deadlines import Agenda
from actors.messages import LeaseRequest, Priority

EMERGENCY_RUN = 8
"""Emergency requests served in a row while others wait who count as emergency by their age."""

EMERGENCY_PLACE = 0
AGED_PLACE = 1


def place(request: LeaseRequest, climbed: int = 0) -> int:
    """Return where a request stands in the order of the module; 0 is served first.

    `climbed`: how often it has waited `aging_s`. Places grow by two per class: final, then ahead.
    """
    if request.is_ahead:
        return 2 * request.priority.rank + 2
    if request.priority is Priority.EMERGENCY:
        return EMERGENCY_PLACE
    return 2 * max(0, request.priority.rank - climbed) + 1


@dataclass(slots=True, eq=False)
class Waiting:
    """A request and what its order depends on."""

    request: LeaseRequest
    since: float
    number: int
    """Of its arrival; decides between equals."""
    climbed: int = 0

    @property
    def deadline(self) -> float:
        """When it is no longer willing to wait."""
        return self.since + self.request.wait_s

    @property
    def place(self) -> int:
        """See the function of this name."""
        return place(self.request, self.climbed)

    @property
    def is_background(self) -> bool:
        """Whether it may be held back."""
        return self.request.priority is Priority.BACKGROUND


Entry = tuple[int, float, int, Waiting]
"""Place, deadline (in place 2 the arrival), number: no two are equal so far, so requests are not compared."""


def _entry(waiting: Waiting) -> Entry:
    instant = waiting.since if waiting.place == AGED_PLACE else waiting.deadline
    return waiting.place, instant, waiting.number, waiting


@dataclass(slots=True)
class LeaseQueue:
    """Requests that wait for a slot of one kind, in order. It grants nothing and knows no limit."""

    aging_s: float
    holds_background: bool = False
    _waiting: dict[str, Waiting] = field(default_factory=dict)
    _others: list[Entry] = field(default_factory=list)
    _background: list[Entry] = field(default_factory=list)
    _deadlines: Agenda = field(default_factory=Agenda)
    _climbs: Agenda = field(default_factory=Agenda)
    _numbers: int = 0
    _run: int = 0
    """Emergency requests taken since the last other one."""

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, lease_id: object) -> bool:
        return lease_id in self._waiting

    def add(self, request: LeaseRequest, now: float) -> None:
        """Let a request wait that does not wait yet."""
        self._numbers += 1
        waiting = Waiting(request, now, self._numbers)
        self._waiting[request.lease_id] = waiting
        self._deadlines.set(request.lease_id, waiting.deadline)
        self._enter(waiting)

    def remove(self, lease_id: str) -> Waiting | None:
        """Take a request out; None if it does not wait."""
        waiting = self._waiting.pop(lease_id, None)
        if waiting is not None:
            self._deadlines.drop(lease_id)
            self._leave(waiting)
        return waiting

    def promote(self, lease_id: str) -> bool:
        """Let ahead-of-time work be final from now on. False: it does not wait, or is final already."""
        waiting = self._waiting.get(lease_id)
        if waiting is None or not waiting.request.is_ahead:
            return False
        self._leave(waiting)
        waiting.request = replace(waiting.request, is_ahead=False)
        self._enter(waiting)
        return True

    def climb(self, now: float) -> None:
        """Raise those who have waited another `aging_s`."""
        while due := self._climbs.take_due(now):
            for lease_id in due:
                waiting = self._waiting[lease_id]
                self._leave(waiting)
                waiting.climbed += 1
                self._enter(waiting)

    def take_overdue(self, now: float) -> list[str]:
        """Take out the requests whose deadline has come."""
        overdue = self._deadlines.take_due(now)
        for lease_id in overdue:
            self._leave(self._waiting.pop(lease_id))
        return overdue

    def next_deadline(self) -> float | None:
        """Return the earliest deadline of all who wait, None if nobody does."""
        return self._deadlines.earliest()

    def take_first(self) -> Waiting | None:
        """Take out who is to be served next; None if nobody may be."""
        first = min((line[0] for line in self._served() if line), default=None)
        if first is None:
            return None
        if first[0] == EMERGENCY_PLACE and self._run >= EMERGENCY_RUN:
            first = min(self._aged(), default=first)
        self._run = self._run + 1 if first[0] == EMERGENCY_PLACE else 0
        return self.remove(first[3].request.lease_id)

    def gives_way(self, newcomer: LeaseRequest) -> str | None:
        """Return who would lose its place to a newcomer if the queue were full, None if nobody."""
        if self.holds_background and self._background:
            last = self._background[-1]
            if newcomer.priority is not Priority.BACKGROUND:
                return last[3].request.lease_id
        elif self._waiting and not (self.holds_background and newcomer.priority is Priority.BACKGROUND):
            last = max(line[-1] for line in (self._others, self._background) if line)
        else:
            return None
        return last[3].request.lease_id if place(newcomer) < last[0] else None

    def finals(self) -> Iterator[Waiting]:
        """Yield the final requests that may be served, in order."""
        return (entry[3] for entry in heapq.merge(*self._served()) if not entry[3].request.is_ahead)

    def of_ingress(self, ingress_id: str) -> list[str]:
        """Return the requests of one ingress, as they came."""
        return [key for key, waiting in self._waiting.items() if waiting.request.ingress_id == ingress_id]

    def _served(self) -> list[list[Entry]]:
        return [self._others] if self.holds_background else [self._others, self._background]

    def _aged(self) -> Iterator[Entry]:
        for line in self._served():
            index = bisect_left(line, AGED_PLACE, key=lambda entry: entry[0])
            if index < len(line) and line[index][0] == AGED_PLACE:
                yield line[index]

    def _line(self, waiting: Waiting) -> list[Entry]:
        return self._background if waiting.is_background else self._others

    def _enter(self, waiting: Waiting) -> None:
        insort(self._line(waiting), _entry(waiting))
        if waiting.place > AGED_PLACE and not waiting.request.is_ahead:
            self._climbs.set(waiting.request.lease_id, waiting.since + (waiting.climbed + 1) * self.aging_s)

    def _leave(self, waiting: Waiting) -> None:
        line = self._line(waiting)
        del line[bisect_left(line, _entry(waiting))]
        self._climbs.drop(waiting.request.lease_id)
