"""What the callers of one step do, and when: fixed before the first of them calls.

An open loop: the time of each call and of each utterance in it is set beforehand, so that a server that
answers late is not asked less, and the time that a slow answer takes is never taken out of the load that
follows ("coordinated omission": G. Tene, "How NOT to Measure Latency", 2013; wrk2's README).

Calls last exponentially long. They come in two ways. *Steady*: so many lines, on each of which one call
follows another; what is held with so many calls is asked, and no chance whether it were more. *At random*:
Poisson's arrivals, so many calls on average, as for the loss formula; who finds no place is refused. Both
begin with so many calls, as if it had always been so (an exponential call has no age: what is left of it is
as long as a new one).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

ARRIVAL_S = 3.0
"""Over which the calls of a step's beginning come, so that they are not greeted in one burst."""
CHANGEOVER_S = 1.5
"""Between two calls of a line: the first still hears its answer to the end."""
LISTENS_S = 4.0
"""A new caller listens to the greeting for so long before he speaks."""
LEAST_PAUSE_S = 1.0
"""Between two utterances, however short the period."""
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

    def steady(self, calls: int, seconds: float, seed: int) -> list[PlannedCall]:
        """Return the calls of one step with always so many at once, in the order in which they come.

        The same seed plans the same calls.
        """
        dice = random.Random(seed)
        planned = self._first(dice, calls)
        for call in planned[:]:
            while (at_s := call.at_s + call.stays_s + CHANGEOVER_S) < seconds:
                call = self._call(dice, at_s, dice.uniform(0.0, 1.0))
                planned.append(call)
        return sorted(planned)

    def at_random(self, calls: int, seconds: float, seed: int) -> list[PlannedCall]:
        """Return the calls of one step with so many on average, in the order in which they come.

        The same seed plans the same calls.
        """
        dice = random.Random(seed)
        planned = self._first(dice, calls)
        at_s = dice.expovariate(calls / self.call_s)
        while at_s < seconds:
            planned.append(self._call(dice, at_s, dice.uniform(0.0, 1.0)))
            at_s += dice.expovariate(calls / self.call_s)
        return sorted(planned)

    def _first(self, dice: random.Random, calls: int) -> list[PlannedCall]:
        return [
            self._call(dice, dice.uniform(0.0, ARRIVAL_S), dice.uniform(0.0, self.period_s))
            for _ in range(calls)
        ]

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
