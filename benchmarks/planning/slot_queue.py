"""Slots of one kind of work, simulated: who waits for how long, and who is lost.

The rules are those of raymal's leases (`actors.leases.book`, `actors.leases.queue`): nobody waits while a
slot is free, the slot that has been free longest is lent first; the higher class is served first, raised by
one for each `aging_s` of waiting; within a class first come, first served (their deadlines stand in the order
in which they came). Work that has waited for `wait_limit_s` is given up, a full queue refuses the newcomer.
Left out: work ahead of time, the turn that emergencies leave to others, and newcomers who displace somebody.

Service times are gamma distributed with the given mean and variability: constant at 0, exponential at 1.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from actors.messages import Priority
from benchmarks.planning.timeline import Timeline

OnEnd = Callable[[float | None], None]
"""Told once, when the work is done: how long it had waited, in seconds. None, at once: it was given up."""


@dataclass(frozen=True, slots=True)
class SlotGroup:
    """Slots that are equally fast."""

    slots: int
    mean_s: float
    variability: float
    """Squared coefficient of variation of the service times."""

    def draw_s(self, random: Random) -> float:
        """Return a service time."""
        if self.variability == 0.0 or self.mean_s == 0.0:
            return self.mean_s
        return random.gammavariate(1.0 / self.variability, self.mean_s * self.variability)


@dataclass(slots=True, eq=False)
class _Waiting:
    priority: Priority
    since_s: float
    on_end: OnEnd
    is_over: bool = False
    """Served or given up."""


class SlotQueue:
    """The slots, and the queue before them."""

    def __init__(
        self,
        timeline: Timeline,
        random: Random,
        groups: Sequence[SlotGroup],
        *,
        wait_limit_s: float = math.inf,
        queue_limit: float = math.inf,
        aging_s: float = math.inf,
    ) -> None:
        self._timeline = timeline
        self._random = random
        self._idle = deque(group for group in groups for _ in range(group.slots))
        self._queues: dict[Priority, deque[_Waiting]] = {priority: deque() for priority in Priority}
        self._wait_limit_s = wait_limit_s
        self._queue_limit = queue_limit
        self._aging_s = aging_s
        self._waiting = 0

    def ask(self, priority: Priority, on_end: OnEnd) -> None:
        """Ask for a slot now, and for the work to be done on it."""
        if self._idle:
            self._serve(self._idle.popleft(), on_end, 0.0)
        elif self._waiting >= self._queue_limit:
            on_end(None)
        else:
            waiting = _Waiting(priority, self._timeline.now_s, on_end)
            self._queues[priority].append(waiting)
            self._waiting += 1
            if math.isfinite(self._wait_limit_s):
                self._timeline.after(self._wait_limit_s, lambda: self._give_up(waiting))

    def _serve(self, group: SlotGroup, on_end: OnEnd, waited_s: float) -> None:
        def done() -> None:
            self._idle.append(group)
            self._serve_next()
            on_end(waited_s)

        self._timeline.after(group.draw_s(self._random), done)

    def _serve_next(self) -> None:
        heads = [self._head(queue) for queue in self._queues.values()]
        first = min((head for head in heads if head is not None), key=self._place, default=None)
        if first is not None:
            self._queues[first.priority].popleft()
            first.is_over = True
            self._waiting -= 1
            self._serve(self._idle.popleft(), first.on_end, self._timeline.now_s - first.since_s)

    def _head(self, queue: deque[_Waiting]) -> _Waiting | None:
        while queue and queue[0].is_over:
            queue.popleft()
        return queue[0] if queue else None

    def _place(self, waiting: _Waiting) -> tuple[int, float]:
        """Where somebody stands; less is earlier. Who came by age stands behind the emergencies proper."""
        if waiting.priority is Priority.EMERGENCY:
            return -1, waiting.since_s
        climbed = int((self._timeline.now_s - waiting.since_s) / self._aging_s)
        return max(0, waiting.priority.rank - climbed), waiting.since_s

    def _give_up(self, waiting: _Waiting) -> None:
        if not waiting.is_over:
            waiting.is_over = True
            self._waiting -= 1
            waiting.on_end(None)
