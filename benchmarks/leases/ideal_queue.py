"""The least waiting that any design could have: a queue without costs, on the same arrivals.

`slots` servers, each request served for exactly `service_s`, none interrupted, no slot idle while one
waits; the lower rank first, then who came first. With one rank and Poisson arrivals it is the M/D/c queue of
the textbooks. Only the simulation is compared with what was measured: both had the very same arrivals, so
that their chance cancels out.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

Request = tuple[float, int]
"""When it comes (seconds), and its rank: 0 is served first."""


def waits_s(requests: Sequence[Request], service_s: float, slots: int) -> list[float]:
    """Return how long each request waits, in the order of `requests`."""
    order = sorted(range(len(requests)), key=lambda index: requests[index][0])
    free_at = [0.0] * slots
    waits = [0.0] * len(requests)
    line: list[tuple[int, float, int]] = []
    coming = 0
    for _ in order:
        # The next service begins when a slot is free and a request is there.
        first_s = requests[order[coming]][0] if not line and coming < len(order) else 0.0
        now = max(heapq.heappop(free_at), first_s)
        while coming < len(order) and requests[order[coming]][0] <= now:
            index = order[coming]
            heapq.heappush(line, (requests[index][1], requests[index][0], index))
            coming += 1
        _, came_s, index = heapq.heappop(line)
        start_s = max(now, came_s)
        waits[index] = start_s - came_s
        heapq.heappush(free_at, start_s + service_s)
    return waits
