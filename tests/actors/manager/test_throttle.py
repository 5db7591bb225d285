"""The ladder: up fast, down slowly, one step at a time, never without a reason."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.manager.throttle import LINES, Ladder, Signals
from actors.messages import Level
from actors.settings import ThrottleSettings

SETTINGS = ThrottleSettings(exit_ratio=0.7, lateness_p99_ms=(10.0, 25.0, 60.0))
"""Up after 1 s, down after 10 s, left under 0.7 of the thresholds."""

LATE_10 = Signals(lateness_p99_ms=10.0)
LATE_60 = Signals(lateness_p99_ms=60.0)
CALM = Signals()


def climbed(level: Level, settings: ThrottleSettings = SETTINGS) -> tuple[Ladder, float]:
    """Return a ladder that lateness has taken to a level, and when it got there."""
    ladder, now = Ladder(settings), 0.0
    late = Signals(lateness_p99_ms=settings.lateness_p99_ms[level - 1])
    ladder.step(late, now)
    while ladder.level < level:
        now += 0.5
        ladder.step(late, now)
    return ladder, now


def test_a_step_is_taken_when_it_was_asked_for_long_enough() -> None:
    """Busy from the threshold on, after the hold and not before; the reason says the figure."""
    ladder = Ladder(SETTINGS)
    assert not ladder.step(LATE_10, 0.0)
    assert not ladder.step(LATE_10, 0.9)
    assert (ladder.level, ladder.reasons) == (Level.NORMAL, ())
    assert ladder.step(LATE_10, 1.0)
    assert ladder.level is Level.BUSY
    assert ladder.reasons == ("frames 10 ms late at p99 (busy from 10, until under 7)",)


def test_below_the_threshold_nothing_happens() -> None:
    """Just under every threshold of busy, the ladder stands still for ever."""
    ladder = Ladder(SETTINGS)
    almost = Signals(**{name: getattr(SETTINGS, name)[0] - 0.01 for name in LINES})
    assert not any(ladder.step(almost, float(now)) for now in range(100))


def test_a_moment_of_relief_starts_the_hold_anew() -> None:
    """A signal that drops for one look has not asked continuously."""
    ladder = Ladder(SETTINGS)
    for now, signals in ((0.0, LATE_10), (0.5, CALM), (0.75, LATE_10)):
        ladder.step(signals, now)
    assert not ladder.step(LATE_10, 1.5)
    assert ladder.step(LATE_10, 1.75)


def test_signals_may_take_turns_in_asking() -> None:
    """What asks for a step need not be the same signal all the time."""
    ladder = Ladder(SETTINGS)
    ladder.step(LATE_10, 0.0)
    ladder.step(Signals(loop_lag_ms=100.0), 0.5)
    ladder.step(Signals(memory_percent=85.0), 1.0)
    assert ladder.level is Level.BUSY
    assert ladder.reasons == ("85 % of the memory in use (busy from 85, until under 59.5)",)


def test_up_goes_one_step_at_a_time() -> None:
    """The worst signals take three holds to the top, through every level."""
    ladder, taken = Ladder(SETTINGS), {}
    for tick in range(8):
        if ladder.step(LATE_60, tick / 2):
            taken[tick / 2] = ladder.level
    assert taken == {1.0: Level.BUSY, 2.0: Level.LOADED, 3.0: Level.FULL}


def test_down_goes_one_step_at_a_time_and_slowly() -> None:
    """From the top it takes three long holds of calm; one bad look starts the hold anew."""
    ladder, top = climbed(Level.FULL)
    ladder.step(CALM, top + 1.0)
    ladder.step(LATE_60, top + 9.0)
    taken = {}
    for second in range(10, 50):
        before = ladder.level
        ladder.step(CALM, top + second)
        if ladder.level is not before:
            taken[second] = ladder.level
    assert taken == {20: Level.LOADED, 30: Level.BUSY, 40: Level.NORMAL}
    assert ladder.reasons == ()


def test_between_exit_and_threshold_the_level_stays() -> None:
    """Hysteresis: what would not take a step is enough to hold it."""
    ladder, now = climbed(Level.BUSY)
    for second in range(100):
        ladder.step(Signals(lateness_p99_ms=7.0), now + second)
    assert ladder.level is Level.BUSY
    assert ladder.reasons == ("frames 7 ms late at p99 (busy from 10, until under 7)",)


def test_a_higher_step_is_left_by_its_own_thresholds() -> None:
    """Lateness of 15 ms is calm for loaded (25) and no calm for busy (10): one step down, no more."""
    ladder, now = climbed(Level.LOADED)
    for second in range(100):
        ladder.step(Signals(lateness_p99_ms=15.0), now + second)
    assert ladder.level is Level.BUSY


def test_a_signal_does_not_hold_a_step_that_it_cannot_take() -> None:
    """A machine whose CPU is full only means busy: it must not keep the cluster closed to new calls."""
    for signals, level in (
        (Signals(cpu_percent=100.0), Level.BUSY),
        (Signals(slot_percent=100.0), Level.LOADED),
    ):
        ladder, now = climbed(Level.FULL)
        for second in range(100):
            ladder.step(signals, now + second)
        assert ladder.level is level


def test_calm_is_told_while_the_hold_runs() -> None:
    """A level without a signal that holds it still says why it stands."""
    ladder, now = climbed(Level.BUSY)
    assert ladder.step(CALM, now + 1.0)
    assert ladder.reasons == ("calm again: a step down after 10 s of it",)


def test_reasons_are_refreshed_once_a_second() -> None:
    """Every figure is worth telling, not every figure at once; small changes are none."""
    ladder, now = climbed(Level.BUSY)
    assert not ladder.step(Signals(lateness_p99_ms=14.0), now + 0.5)
    assert ladder.step(Signals(lateness_p99_ms=14.0), now + 1.0)
    assert ladder.reasons[0].startswith("frames 14 ms late")
    assert not ladder.step(Signals(lateness_p99_ms=14.3), now + 3.0)
    assert ladder.step(Signals(lateness_p99_ms=21.0), now + 4.0)


def test_reasons_name_every_signal_that_holds_in_a_fixed_order() -> None:
    """One line each, those that do not hold are left out."""
    ladder = Ladder(SETTINGS)
    signals = Signals(loop_lag_ms=1_234.0, lease_wait_p95_ms=499.0, slot_percent=91.2, cpu_percent=60.0)
    for now in (0.0, 1.0):
        ladder.step(signals, now)
    assert ladder.reasons == (
        "the event loop 1200 ms late (busy from 100, until under 70)",
        "slots waited for 500 ms at p95 (busy from 500, until under 350)",
        "91 % of the slots in use (busy from 85, until under 59.5)",
    )


def test_disabled_it_stays_normal() -> None:
    """`enabled = false` switches the whole ladder off."""
    ladder = Ladder(ThrottleSettings(enabled=False))
    assert not any(ladder.step(LATE_60, float(now)) for now in range(20))
    assert (ladder.level, ladder.reasons) == (Level.NORMAL, ())


def test_no_number_is_no_alarm_and_no_calm() -> None:
    """A NaN takes no step and leaves none."""
    fresh = Ladder(SETTINGS)
    ladder, now = climbed(Level.BUSY)
    nothing = Signals(lateness_p99_ms=math.nan)
    for second in range(100):
        fresh.step(nothing, float(second))
        ladder.step(nothing, now + second)
    assert (fresh.level, ladder.level) == (Level.NORMAL, Level.BUSY)


@pytest.mark.parametrize("name", [field.name for field in fields(Signals)])
def test_every_signal_takes_the_ladder_where_its_thresholds_say(name: str) -> None:
    """Each has its line and its three thresholds; those above 100 % are never taken."""
    thresholds = getattr(SETTINGS, name)
    for level in (Level.BUSY, Level.LOADED, Level.FULL):
        ladder = Ladder(SETTINGS)
        for now in range(10):
            ladder.step(Signals(**{name: thresholds[level - 1]}), float(now))
        reachable = [it for it in thresholds[:level] if not (name.endswith("_percent") and it > 100.0)]
        assert ladder.level == len(reachable)


def test_lines_and_signals_are_the_same() -> None:
    """No signal is measured and then not looked at."""
    assert list(LINES) == [field.name for field in fields(Signals)]


@st.composite
def _settings(draw: st.DrawFn) -> ThrottleSettings:
    steps = st.tuples(*[st.floats(0.0, 110.0)] * 3).map(sorted).map(tuple)
    values: dict[str, Any] = {name: draw(steps) for name in LINES}
    return ThrottleSettings(
        **values,
        up_hold_s=draw(st.floats(0.25, 5.0)),
        down_hold_s=draw(st.floats(0.25, 20.0)),
        exit_ratio=draw(st.floats(0.1, 1.0)),
    )


def _signals(highest: float = 120.0) -> st.SearchStrategy[Signals]:
    values = st.one_of(st.just(0.0), st.floats(0.0, highest))
    return st.builds(Signals, **{name: values for name in LINES})


_pauses = st.one_of(st.just(0.5), st.floats(0.0, 15.0))
_settings_or_defaults = st.one_of(st.just(SETTINGS), _settings())
_histories = st.lists(st.tuples(_pauses, _signals()), max_size=60)


@given(_settings_or_defaults, _histories)
def test_never_faster_than_its_holds(
    settings: ThrottleSettings, history: list[tuple[float, Signals]]
) -> None:
    """Whatever the signals do and whenever they are looked at: one step, and as rarely as stated."""
    ladder, now, stepped_at = Ladder(settings), 0.0, -math.inf
    for pause_s, signals in history:
        now += pause_s
        before, reasons = ladder.level, ladder.reasons
        changed = ladder.step(signals, now)
        assert changed == ((ladder.level, ladder.reasons) != (before, reasons))
        assert bool(ladder.reasons) == (ladder.level > Level.NORMAL)
        if ladder.level is not before:
            rises = ladder.level > before
            assert abs(ladder.level - before) == 1
            assert now - stepped_at >= (settings.up_hold_s if rises else settings.down_hold_s)
            stepped_at = now


@given(_settings_or_defaults, st.lists(st.tuples(_pauses, _signals(), _signals(60.0)), max_size=60))
def test_worse_signals_never_stand_lower(
    settings: ThrottleSettings, history: list[tuple[float, Signals, Signals]]
) -> None:
    """Of two ladders looked at together, the one whose every signal is as bad or worse is no lower."""
    better, worse, now = Ladder(settings), Ladder(settings), 0.0
    for pause_s, signals, added in history:
        now += pause_s
        better.step(signals, now)
        worse.step(Signals(**{name: getattr(signals, name) + getattr(added, name) for name in LINES}), now)
        assert worse.level >= better.level


@given(_settings_or_defaults, _histories, st.floats(0.1, 2.0))
def test_calm_always_comes_back_to_normal(
    settings: ThrottleSettings, history: list[tuple[float, Signals]], pause_s: float
) -> None:
    """Whatever was before, three holds of calm are enough (where there is a calm at all)."""
    if any(settings.exit_ratio * getattr(settings, name)[0] <= 0.0 for name in LINES):
        return
    ladder, now = Ladder(settings), 0.0
    for pause, signals in history:
        now += pause
        ladder.step(signals, now)
    # The first step needs one look to begin its hold, every step one look to end it.
    deadline = now + 3 * (settings.down_hold_s + pause_s) + pause_s + 1e-6
    while now < deadline:
        now += pause_s
        ladder.step(CALM, now)
    assert ladder.level is Level.NORMAL


@given(_settings_or_defaults, _histories, _signals(), st.floats(0.1, 2.0))
def test_steady_overload_reaches_its_level(
    settings: ThrottleSettings, history: list[tuple[float, Signals]], overload: Signals, pause_s: float
) -> None:
    """Whatever was before, three holds are enough to get as high as the signals ask for."""
    ladder, now = Ladder(settings), 0.0
    for pause, signals in history:
        now += pause
        ladder.step(signals, now)
    deadline = now + 3 * (settings.up_hold_s + pause_s) + pause_s + 1e-6
    while now < deadline:
        now += pause_s
        ladder.step(overload, now)
    asked = [
        sum(
            getattr(overload, name) >= threshold
            for threshold in getattr(settings, name)
            if not (name.endswith("_percent") and threshold > 100.0)
        )
        for name in LINES
    ]
    assert ladder.level >= max(asked)
