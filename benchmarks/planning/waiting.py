"""How long work waits for a slot.

Of the work that waits at all, the wait is taken as exponential: exact for exponential service times (M/M/n),
and its tail for all others. Arrivals are Poisson; the mean is that of M/M/n times (1 + cs²)/2, where cs² is
the squared coefficient of variation of service (0: constant). Exact for one server (Pollaczek and
Khinchine), an approximation for more, best under high load.

(A. O. Allen, "Probability, Statistics, and Queueing Theory", 2nd ed., 1990, section 5.3.5: the formula of
Allen and Cunneen.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.planning.erlang import bisected, erlang_c

ALIKE = 1e-6
"""Two mean waits that differ by a smaller share are taken as one: their difference would be a divisor."""


@dataclass(frozen=True, slots=True)
class Wait:
    """The distribution of waiting for a slot: P(W > t) = share · exp(-t / given_s)."""

    share: float
    """Of the work, that has to wait at all."""
    given_s: float
    """Mean wait of that work; infinite if the queue grows without end."""

    @property
    def mean_s(self) -> float:
        """Mean over all work, that which does not wait included."""
        return self.share * self.given_s if self.share else 0.0

    def exceeds(self, seconds: float) -> float:
        """Return the share of work that waits longer."""
        if seconds < 0.0:
            return 1.0
        if self.given_s == 0.0:
            return 0.0
        return self.share * math.exp(-seconds / self.given_s)

    def percentile_s(self, percent: float) -> float:
        """Return what `percent` of the work does not wait longer than."""
        allowed = 1.0 - percent / 100.0
        if self.share <= allowed:
            return 0.0
        return self.given_s * math.log(self.share / allowed) if allowed > 0.0 else math.inf


NO_WAIT = Wait(0.0, 0.0)


def wait_for_slot(erlangs: float, slots: int, service_s: float, variability: float) -> Wait:
    """Return the wait before `slots` that are offered `erlangs` of work of `service_s` each.

    `variability`: squared coefficient of variation of the service times.
    """
    share = erlang_c(erlangs, slots)
    if erlangs == 0.0:
        return NO_WAIT
    if erlangs >= slots:
        return Wait(1.0, math.inf)
    return Wait(share, service_s / (slots - erlangs) * (1.0 + variability) / 2.0)


def percentile_together_s(waits: Sequence[Wait], percent: float) -> float:
    """Return a percentile of at most two independent waits in a row, which is less than the sum of theirs."""
    if not waits:
        return 0.0
    if len(waits) == 1:
        return waits[0].percentile_s(percent)
    first, second = waits
    # Less than either alone it cannot be, nor more than both with the allowance divided between them.
    halved = 100.0 - (100.0 - percent) / 2.0
    low = max(wait.percentile_s(percent) for wait in waits)
    high = sum(wait.percentile_s(halved) for wait in waits)
    if math.isinf(high):
        return math.inf
    allowed = 1.0 - percent / 100.0
    return bisected(low, high, lambda seconds: _together_exceed(first, second, seconds) > allowed)[1]


def _together_exceed(first: Wait, second: Wait, seconds: float) -> float:
    """P(V + W > t): one of them waits and the other does not, or both do (a hypoexponential)."""
    alone = first.exceeds(seconds) * (1.0 - second.share) + second.exceeds(seconds) * (1.0 - first.share)
    return alone + first.share * second.share * _sum_exceeds(first.given_s, second.given_s, seconds)


def _sum_exceeds(first_s: float, second_s: float, seconds: float) -> float:
    short_s, long_s = sorted((first_s, second_s))
    if long_s == 0.0:
        return 0.0
    if long_s - short_s < ALIKE * long_s:
        return (1.0 + seconds / long_s) * math.exp(-seconds / long_s)
    tail_of_short = short_s * math.exp(-seconds / short_s) if short_s else 0.0
    return (long_s * math.exp(-seconds / long_s) - tail_of_short) / (long_s - short_s)
