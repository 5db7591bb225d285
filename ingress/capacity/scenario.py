"""What the callers of one step do, and when: fixed before the first of them calls, whatever the server does.

An open loop. Arrivals are Poisson's and calls last exponentially long, so that on average as many are
there as the step says; a step begins with so many, as if it had always been running (an exponential
call has no age, what is left of it is as long as a new one). Within a call, too, the time of each
utterance is set beforehand: a server that answers late is not asked less. That is what keeps the measured
times honest: the time that a slow answer takes is never taken out of the load that follows.
("Coordinated omission": G. Tene, "How NOT to Measure Latency", 2013; wrk2's README.)
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

ARRIVAL_S = 3.0
"""Over which the calls of a step's beginning come, so that they are not greeted in one burst."""
LISTENS_S = 4.0
"""A new caller listens to the greeting for so long before he speaks."""
LEAST_PAUSE_S = 1.0
"""Between two utterances, whatever the period."""
UNEVEN = 0.25
"""The pause between two beginnings differs from the mean by up to this share: callers are no clocks."""


class PlannedUtterance(NamedTuple):
    """One utterance of a call."""

    at_s: float
    """When it begins, since the call's own beginning."""
    prompt: int
    """Which of the prompts is said."""


class PlannedCall(NamedTuple):
    """One call."""

    at_s: float
    """When it begins, since the step's beginning."""
    stays_s: float
    utterances: tuple[PlannedUtterance, ...]


@dataclass(frozen=True, slots=True)
class Scenario:
    """How callers behave."""

    prompts_s: Sequence[float]
    """How long each thing that can be said lasts."""
    period_s: float
    """Mean time between the beginnings of two utterances."""
    call_s: float
    """Mean length of a call."""

    def calls(self, offered: float, seconds: float, seed: int) -> list[PlannedCall]:
        """Return the calls of one step, in the order in which they come.

        `offered` is how many there are on average. The same seed plans the same calls.
        """
        dice = random.Random(seed)
        planned = [
            self._call(dice, dice.uniform(0.0, ARRIVAL_S), dice.uniform(0.0, self.period_s))
            for _ in range(round(offered))
        ]
        at_s = dice.expovariate(offered / self.call_s)
        while at_s < seconds:
            planned.append(self._call(dice, at_s, dice.uniform(0.0, 1.0)))
            at_s += dice.expovariate(offered / self.call_s)
        return sorted(planned)

    def _call(self, dice: random.Random, at_s: float, first_after_s: float) -> PlannedCall:
        stays_s = dice.expovariate(1.0 / self.call_s)
        utterances: list[PlannedUtterance] = []
        speaks_s = LISTENS_S + first_after_s
        deck: list[int] = []
        while True:
            # Nothing is said twice in a call before everything was said once: answers stay distinguishable.
            deck = deck or dice.sample(range(len(self.prompts_s)), len(self.prompts_s))
            prompt = deck.pop()
            if speaks_s + self.prompts_s[prompt] > stays_s:
                return PlannedCall(at_s, stays_s, tuple(utterances))
            utterances.append(PlannedUtterance(speaks_s, prompt))
            pause_s = self.period_s * dice.uniform(1.0 - UNEVEN, 1.0 + UNEVEN)
            speaks_s += max(pause_s, self.prompts_s[prompt] + LEAST_PAUSE_S)
