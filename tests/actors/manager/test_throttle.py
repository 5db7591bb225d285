"""The ladder: up fast, down slowly, one step at a time, never without a reason."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.manager.throttle import LINES, LONGEST_HOLDS, Ladder, Signals
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


def changes(ladder: Ladder, *looks: tuple[float, Signals]) -> dict[float, Level]:
    """Step the ladder at these instants; return when it took which level."""
    taken = {}
    for now, signals in looks:
        before = ladder.level
        ladder.step(signals, now)
        if ladder.level is not before:
            taken[now] = ladder.level
    return taken


def every_second(signals: Signals, start: float = 0.0, seconds: int = 100) -> list[tuple[float, Signals]]:
    return [(start + second, signals) for second in range(seconds)]


ALMOST = Signals(**{name: getattr(SETTINGS, name)[0] - 0.01 for name in LINES})


@pytest.mark.parametrize(
    ("looks", "taken"),
    [
        pytest.param([(0.0, LATE_10), (0.9, LATE_10), (1.0, LATE_10)], {1.0: Level.BUSY}, id="held"),
        pytest.param(every_second(ALMOST), {}, id="never just under every threshold"),
        pytest.param(
            [(0.0, LATE_10), (0.5, CALM), (0.75, LATE_10), (1.5, LATE_10), (1.75, LATE_10)],
            {1.75: Level.BUSY},
            id="one calm look starts the hold anew",
        ),
        pytest.param(
            [(0.0, LATE_10), (0.5, Signals(loop_lag_ms=100.0)), (1.0, Signals(memory_percent=85.0))],
            {1.0: Level.BUSY},
            id="by whichever signal at each look",
        ),
        pytest.param(
            [(tick / 2, LATE_60) for tick in range(8)],
            {1.0: Level.BUSY, 2.0: Level.LOADED, 3.0: Level.FULL},
            id="one step at a time",
        ),
    ],
)
def test_up(looks: list[tuple[float, Signals]], taken: dict[float, Level]) -> None:
    """A step is taken when it was asked for during the whole hold."""
    assert changes(Ladder(SETTINGS), *looks) == taken
    assert changes(Ladder(ThrottleSettings(enabled=False)), *looks) == {}


def test_down_goes_one_step_at_a_time_and_slowly() -> None:
    """From the top it takes three long holds of calm; one bad look starts the hold anew."""
    ladder, top = climbed(Level.FULL)
    assert changes(ladder, (top + 1.0, CALM), (top + 9.0, LATE_60)) == {}
    taken = changes(ladder, *every_second(CALM, top + 10.0))
    assert taken == {top + 20: Level.LOADED, top + 30: Level.BUSY, top + 40: Level.NORMAL}
    assert ladder.reasons == ()


@pytest.mark.parametrize(
    ("start", "signals", "end"),
    [
        pytest.param(Level.BUSY, Signals(lateness_p99_ms=7.0), Level.BUSY, id="between exit and threshold"),
        pytest.param(Level.LOADED, Signals(lateness_p99_ms=15.0), Level.BUSY, id="by its own thresholds"),
        pytest.param(Level.FULL, Signals(cpu_percent=100.0), Level.BUSY, id="a full CPU only means busy"),
        pytest.param(Level.FULL, Signals(slot_percent=100.0), Level.LOADED, id="full slots only mean loaded"),
        pytest.param(Level.BUSY, Signals(lateness_p99_ms=math.nan), Level.BUSY, id="no number is not calm"),
        pytest.param(Level.NORMAL, Signals(lateness_p99_ms=math.nan), Level.NORMAL, id="asks for nothing"),
    ],
)
def test_what_holds_a_level(start: Level, signals: Signals, end: Level) -> None:
    """A signal holds a step that it could take, while it is not well under its threshold."""
    ladder, now = climbed(start)
    changes(ladder, *every_second(signals, now, seconds=60))
    assert ladder.level is end


@pytest.mark.parametrize(
    ("first", "then"),
    [((97.5,) * 5, (83.0,)), ((86.0,) * 5, (75.0,)), ((86.0,) * 5, (84.9, 84.9, 84.9, 86.0))],
)
def test_hysteresis_holds_no_level_for_ever(first: tuple[float, ...], then: tuple[float, ...]) -> None:
    """Under its threshold, or at it for a moment only, a signal holds a level for six holds at most."""
    ladder = Ladder(ThrottleSettings())
    memory = [*first, *(then * 200)[:90]]
    changes(ladder, *((float(now), Signals(memory_percent=percent)) for now, percent in enumerate(memory)))
    assert ladder.level is Level.NORMAL


def test_reasons_are_refreshed_once_a_second() -> None:
    """Not every figure at once; small changes are none; without a signal that holds it is calm again."""
    ladder, now = climbed(Level.BUSY)
    assert ladder.reasons == ("frames 10 ms late at p99 (busy from 10, until under 7)",)
    for second, late_ms, shown in ((0.5, 14.0, 10), (1.0, 14.0, 14), (3.0, 14.3, 14), (4.0, 21.0, 21)):
        ladder.step(Signals(lateness_p99_ms=late_ms), now + second)
        assert ladder.reasons[0].startswith(f"frames {shown} ms late")
    ladder.step(CALM, now + 5.0)
    assert ladder.reasons == ("calm again: a step down after 10 s of it",)


def test_reasons_name_every_signal_that_holds_in_a_fixed_order() -> None:
    """One line each, those that do not hold are left out."""
    ladder = Ladder(SETTINGS)
    signals = Signals(loop_lag_ms=1_234.0, lease_wait_p95_ms=499.0, slot_percent=91.2, cpu_percent=60.0)
    changes(ladder, (0.0, signals), (1.0, signals))
    assert ladder.reasons == (
        "the event loop 1200 ms late (busy from 100, until under 70)",
        "slots waited for 500 ms at p95 (busy from 500, until under 350)",
        "91 % of the slots in use (busy from 85, until under 59.5)",
    )


@pytest.mark.parametrize("name", [field.name for field in fields(Signals)])
def test_every_signal_takes_the_ladder_where_its_thresholds_say(name: str) -> None:
    """Each has its line and its three thresholds; those above 100 % are never taken."""
    assert name in LINES
    thresholds = getattr(SETTINGS, name)
    for level in (Level.BUSY, Level.LOADED, Level.FULL):
        ladder = Ladder(SETTINGS)
        changes(ladder, *every_second(Signals(**{name: thresholds[level - 1]}), seconds=10))
        reachable = [it for it in thresholds[:level] if not (name.endswith("_percent") and it > 100.0)]
        assert ladder.level == len(reachable)


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
    """For any signals at any time: one step, and as rarely as stated."""
    ladder, now, stepped_at = Ladder(settings), 0.0, -math.inf
    for pause_s, signals in history:
        now += pause_s
        before = ladder.level
        ladder.step(signals, now)
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


@given(_settings_or_defaults, _histories, _signals(), st.floats(0.1, 2.0))
def test_a_constant_signal_leads_to_one_level(
    settings: ThrottleSettings, history: list[tuple[float, Signals]], signals: Signals, pause_s: float
) -> None:
    """Whatever was before: to the level that a new ladder takes, within eight holds and the looks."""
    used, fresh, now = Ladder(settings), Ladder(settings), 0.0
    for pause, before in history:
        now += pause
        used.step(before, now)
    up_s = 3 * (settings.up_hold_s + pause_s)
    deadline = now + up_s + (LONGEST_HOLDS + 2) * settings.down_hold_s + 5 * pause_s
    while now < deadline:
        now += pause_s
        used.step(signals, now)
        fresh.step(signals, now)
    assert used.level is fresh.level


@given(_settings_or_defaults, _histories, st.floats(0.1, 2.0))
def test_calm_always_comes_back_to_normal(
    settings: ThrottleSettings, history: list[tuple[float, Signals]], pause_s: float
) -> None:
    """After any history, three holds of calm are enough (where there is a calm at all)."""
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
    """After any history, three holds are enough to get as high as the signals ask for."""
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
