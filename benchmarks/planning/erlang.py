"""Erlang's two formulas: who finds all lines busy, and who has to wait for a server.

Traffic is in erlangs: arrivals per second times mean seconds of holding, which is how many would be there on
average if none were turned away. The loss formula (B) is for calls: one that finds all lines busy is lost. It
holds for any distribution of their length. The delay formula (C) is for work that queues without end. Both
assume Poisson arrivals of independent callers.

(A. K. Erlang, "Solution of some problems in the theory of probabilities of significance in automatic
telephone exchanges", 1917. Recurrence and inversion: ITU-D Teletraffic Engineering Handbook, chapter 7.)
"""

from __future__ import annotations

import math
from collections.abc import Callable

NEGLIGIBLE = 1e-18
"""Of a sum: what a double cannot hold any more, with room for many such terms."""


def erlang_b(erlangs: float, lines: int) -> float:
    """Return the share of calls that find all `lines` busy.

    1/B = 1 + N/A + N(N-1)/A² + ... + N!/A^N: only positive terms, and none needs a factorial. Exact in the
    limit of double precision for thousands of lines; 0.0 where the share is below what a double can hold.
    """
    if lines == 0:
        return 1.0
    if erlangs == 0.0:
        return 0.0
    term = total = 1.0
    for line in range(lines, 0, -1):
        term *= line / erlangs
        total += term
        if math.isinf(total):
            return 0.0
        if line < erlangs and term < total * NEGLIGIBLE:  # the terms only fall from here on
            break
    return 1.0 / total


def erlang_c(erlangs: float, servers: int) -> float:
    """Return the share of work that has to wait for one of `servers`; 1.0 if there is too much of it."""
    if erlangs >= servers:
        return 1.0
    lost = erlang_b(erlangs, servers)
    return lost / (1.0 - erlangs / servers * (1.0 - lost))


def erlangs_for(lines: int, refused_share: float) -> float:
    """Return the most traffic of which `lines` refuse at most `refused_share`, between 0 and 1."""
    # The carried traffic cannot exceed the lines: A (1 - B) <= N.
    most = lines / (1.0 - refused_share)
    return bisected(0.0, most, lambda erlangs: erlang_b(erlangs, lines) <= refused_share)[0]


def bisected(low: float, high: float, is_low: Callable[[float], bool]) -> tuple[float, float]:
    """Return the two doubles, next to each other, between which `is_low` turns from true to false."""
    while low < (middle := (low + high) / 2.0) < high:
        if is_low(middle):
            low = middle
        else:
            high = middle
    return low, high
