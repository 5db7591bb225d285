"""The ladder by which a loaded system does less, one step at a time, with reasons.

Entered fast, left slowly:

| step | when |
|---|---|
| up | any one signal has been at its threshold of the higher level during `up_hold_s` |
| down | all signals have been well below the current level's thresholds (`exit_ratio`) during `down_hold_s` |
| down | for `LONGEST_HOLDS` times `down_hold_s` the signals would not have taken the current level anew |

The same holds must have passed since the step before. By the last row a signal that stays just under a
threshold does not hold a level without end: a constant signal leads to one level, whatever was before.

All is timed at every level, which makes the ladder monotone: of two ladders stepped at the same times, the
one with the worse signals never stands lower. A threshold that a signal cannot reach (above 100 %) neither
takes nor holds a step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from actors.messages import Level
from actors.settings import Steps, ThrottleSettings

REFRESH_S = 1.0
"""Reasons change no faster than this while the level stays: each change is sent to ingresses."""

LONGEST_HOLDS = 6
"""Times `down_hold_s`: so long at most a level stays that nothing asks for."""

STEPS = (Level.BUSY, Level.LOADED, Level.FULL)


@dataclass(frozen=True, slots=True)
class Signals:
    """How loaded a system is; each is named as its thresholds are in `ThrottleSettings`."""

    lateness_p99_ms: float = 0.0
    """Of frames, after they were due."""
    loop_lag_ms: float = 0.0
    """Of the gateway's event loop."""
    lease_wait_p95_ms: float = 0.0
    """Of final work, for a slot."""
    slot_percent: float = 0.0
    """Slots in use, a mean over some seconds."""
    cpu_percent: float = 0.0
    memory_percent: float = 0.0


LINES = {
    "lateness_p99_ms": "frames {} ms late at p99",
    "loop_lag_ms": "the event loop {} ms late",
    "lease_wait_p95_ms": "slots waited for {} ms at p95",
    "slot_percent": "{} % of the slots in use",
    "cpu_percent": "{} % of the CPU in use",
    "memory_percent": "{} % of the memory in use",
}
"""How each signal is written in a reason."""


@dataclass(frozen=True, slots=True)
class _Gate:
    """What one signal says about one level."""

    signal: str
    enter: float
    """The level is asked for from here on."""
    leave: float
    """The level may be left below this."""

    def value(self, signals: Signals) -> float:
        value: float = getattr(signals, self.signal)
        return value


class Ladder:
    """One level, for a cluster or for one ingress."""

    def __init__(self, settings: ThrottleSettings) -> None:
        """A disabled ladder (`settings.enabled`) stays at NORMAL."""
        self.level = Level.NORMAL
        self.reasons: tuple[str, ...] = ()
        """A line for each signal that holds the level up. Empty at NORMAL, and only there."""
        self._settings = settings
        self._gates = {level: _gates(settings, level) for level in STEPS}
        self._asked_since: dict[int, float] = {}
        self._calm_since: dict[int, float] = {}
        self._taken_at: dict[int, float] = {}
        """When the signals last asked for each level for long enough to take it."""
        self._stepped_at = -math.inf
        self._refreshed_at = -math.inf

    def step(self, signals: Signals, now: float) -> None:
        """Look at the signals and move the level and its reasons.

        To be called about twice a second; `now` never goes back. A NaN asks for nothing and is not calm.
        """
        if not self._settings.enabled:
            return
        for level, gates in self._gates.items():
            is_asked = any(gate.value(signals) >= gate.enter for gate in gates)
            is_calm = all(gate.value(signals) < gate.leave for gate in gates)
            _time(self._asked_since, level, is_asked, now)
            _time(self._calm_since, level, is_calm, now)
            if is_asked and now - self._asked_since[level] >= self._settings.up_hold_s:
                self._taken_at[level] = now
        level = self._next_level(now)
        if level is not self.level:
            self.level, self._stepped_at, self._refreshed_at = level, now, -math.inf
        if now - self._refreshed_at >= REFRESH_S:
            reasons = self._reasons(signals)
            if reasons != self.reasons:
                self.reasons, self._refreshed_at = reasons, now

    def _next_level(self, now: float) -> Level:
        held_s = now - self._stepped_at
        asked_s = now - self._asked_since.get(self.level + 1, math.inf)
        calm_s = now - self._calm_since.get(self.level, math.inf)
        if min(held_s, asked_s) >= self._settings.up_hold_s:
            return Level(self.level + 1)
        if min(held_s, max(calm_s, self._unasked_s(now) / LONGEST_HOLDS)) >= self._settings.down_hold_s:
            return Level(self.level - 1)
        return self.level

    def _unasked_s(self, now: float) -> float:
        """Return for how long the current level would not have been taken anew; 0 while it is asked for."""
        if self.level in self._asked_since:
            return 0.0
        return now - self._taken_at.get(self.level, math.inf)

    def _reasons(self, signals: Signals) -> tuple[str, ...]:
        if self.level is Level.NORMAL:
            return ()
        holding = tuple(
            f"{LINES[gate.signal].format(_rounded(gate.value(signals)))}"
            f" ({self.level.name.lower()} from {gate.enter:g}, until under {_rounded(gate.leave, 3)})"
            for gate in self._gates[self.level]
            if not gate.value(signals) < gate.leave
        )
        return holding or (f"calm again: a step down after {self._settings.down_hold_s:g} s of it",)


def _gates(settings: ThrottleSettings, level: Level) -> list[_Gate]:
    """Return a gate for each signal, without those that can never take the level."""
    gates = []
    for name in LINES:
        steps: Steps = getattr(settings, name)
        enter = steps[level - 1]
        if enter <= 100.0 or not name.endswith("_percent"):
            gates.append(_Gate(name, enter, settings.exit_ratio * enter))
    return gates


def _time(since: dict[int, float], level: Level, is_so: bool, now: float) -> None:
    """Remember since when it has been so, without a break."""
    if is_so:
        since.setdefault(level, now)
    else:
        since.pop(level, None)


def _rounded(value: float, digits: int = 2) -> str:
    """Two digits are enough, and do not change at every step."""
    return f"{float(f'{value:.{digits}g}'):g}"
