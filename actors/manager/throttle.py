"""The ladder by which a loaded system does less, one step at a time, with reasons.

Entered fast, left slowly: a higher step must be asked for during `up_hold_s`, by any one signal that has
reached its threshold; a lower one is taken when all signals have been well below the thresholds of the
current step (`exit_ratio`) during `down_hold_s`. Between two steps up lies at least `up_hold_s`, before a
step down at least `down_hold_s` since the last step of either direction.

How long each step has been asked for, and could have been left, is timed at every level.
That makes the ladder monotone: of two ladders stepped at the same times, the one with the worse signals
never stands lower. A threshold that a signal cannot reach (above 100 %) neither takes nor holds a step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from actors.messages import Level
from actors.settings import Steps, ThrottleSettings

REFRESH_S = 1.0
"""Reasons change no faster than this while the level stays: each change is sent to ingresses."""

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


class Ladder:
    """One level, for a cluster or for one ingress."""

    def __init__(self, settings: ThrottleSettings) -> None:
        """A disabled ladder (`settings.enabled`) stays at NORMAL."""
        self.level = Level.NORMAL
        self.reasons: tuple[str, ...] = ()
        """A line for each signal that holds the level up. Empty at NORMAL, and only there."""
        self._settings = settings
        self._asked_since: dict[int, float] = {}
        self._calm_since: dict[int, float] = {}
        self._stepped_at = -math.inf
        self._refreshed_at = -math.inf

    def step(self, signals: Signals, now: float) -> bool:
        """Look at the signals; return whether the level or its reasons have changed.

        To be called about twice a second; `now` never goes back. A NaN asks for nothing and is not calm.
        """
        if not self._settings.enabled:
            return False
        for level in STEPS:
            _time(self._asked_since, level, self._is_asked(signals, level), now)
            _time(self._calm_since, level, self._is_calm(signals, level), now)
        level = self._next_level(now)
        has_stepped = level is not self.level
        if has_stepped:
            self.level, self._stepped_at = level, now
        return self._refresh(signals, now, at_once=has_stepped) or has_stepped

    def _next_level(self, now: float) -> Level:
        held_s = now - self._stepped_at
        asked_s = now - self._asked_since.get(self.level + 1, math.inf)
        calm_s = now - self._calm_since.get(self.level, math.inf)
        if min(held_s, asked_s) >= self._settings.up_hold_s:
            return Level(self.level + 1)
        if min(held_s, calm_s) >= self._settings.down_hold_s:
            return Level(self.level - 1)
        return self.level

    def _is_asked(self, signals: Signals, level: Level) -> bool:
        return any(_value(signals, name) >= threshold for name, threshold in self._thresholds(level).items())

    def _is_calm(self, signals: Signals, level: Level) -> bool:
        return all(_value(signals, name) < exit_ for name, exit_ in self._exits(level).items())

    def _thresholds(self, level: Level) -> dict[str, float]:
        """Return what each signal takes the level at, without those that never can."""
        found: dict[str, float] = {}
        for name in LINES:
            steps: Steps = getattr(self._settings, name)
            highest = 100.0 if name.endswith("_percent") else math.inf
            if steps[level - 1] <= highest:
                found[name] = steps[level - 1]
        return found

    def _exits(self, level: Level) -> dict[str, float]:
        """Return below what each signal lets the level be left."""
        ratio = self._settings.exit_ratio
        return {name: ratio * threshold for name, threshold in self._thresholds(level).items()}

    def _refresh(self, signals: Signals, now: float, at_once: bool) -> bool:
        if not at_once and now - self._refreshed_at < REFRESH_S:
            return False
        reasons = self._reasons(signals)
        if reasons == self.reasons:
            return False
        self.reasons, self._refreshed_at = reasons, now
        return True

    def _reasons(self, signals: Signals) -> tuple[str, ...]:
        if self.level is Level.NORMAL:
            return ()
        thresholds, exits = self._thresholds(self.level), self._exits(self.level)
        holding = tuple(
            f"{LINES[name].format(_rounded(_value(signals, name)))}"
            f" ({self.level.name.lower()} from {threshold:g}, until under {_rounded(exits[name], 3)})"
            for name, threshold in thresholds.items()
            if not _value(signals, name) < exits[name]
        )
        return holding or (f"calm again: a step down after {self._settings.down_hold_s:g} s of it",)


def _time(since: dict[int, float], level: Level, is_so: bool, now: float) -> None:
    """Remember since when it has been so, without a break."""
    if is_so:
        since.setdefault(level, now)
    else:
        since.pop(level, None)


def _value(signals: Signals, name: str) -> float:
    value: float = getattr(signals, name)
    return value


def _rounded(value: float, digits: int = 2) -> str:
    """Two digits are enough, and do not change at every step."""
    return f"{float(f'{value:.{digits}g}'):g}"
