"""Who asks for a slot, and when: Poisson arrivals of several classes, the same for every run of a seed."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from actors.messages import Priority


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request to come."""

    at_s: float
    """From the start of the run."""
    priority: Priority


def rate_hz(load: float, service_s: float, slots: int) -> float:
    """Return the arrivals per second that keep `slots` busy for the share `load` of the time."""
    return load * slots / service_s


def poisson(
    rate_hz: float, seconds: float, seed: int, shares: Mapping[Priority, float] | None = None
) -> list[Arrival]:
    """Return the arrivals of `seconds`, in order. `shares`: of each class, 1.0 together; else all normal."""
    dice = random.Random(seed)
    classes = shares or {Priority.NORMAL: 1.0}
    arrivals, at_s = [], dice.expovariate(rate_hz)
    while at_s < seconds:
        (priority,) = dice.choices(list(classes), weights=list(classes.values()))
        arrivals.append(Arrival(at_s, priority))
        at_s += dice.expovariate(rate_hz)
    return arrivals


def dealt(arrivals: Sequence[Arrival], hands: int) -> list[list[Arrival]]:
    """Deal the arrivals out in turn. The parts of a Poisson stream are not Poisson; their sum still is."""
    return [list(arrivals[hand::hands]) for hand in range(hands)]
