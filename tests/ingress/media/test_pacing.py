"""The audio clock's rules, without a clock."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.telephone import FRAME_S
from ingress.media.pacing import EARLY_S, MAXIMUM_BURST_FRAMES, SLOTS, Slot, Tick, Wheel


@pytest.mark.parametrize(
    ("now", "tick", "next_due_s"),
    [
        pytest.param(100.0 - EARLY_S / 2, Tick(1, 100.0), 100.02, id="as early as a timer may be"),
        pytest.param(100.005, Tick(1, 100.0), 100.02, id="a little late: the next one is not"),
        pytest.param(100.030, Tick(2, 100.0), 100.04, id="a short stall: nothing is lost"),
        pytest.param(100.500, Tick(MAXIMUM_BURST_FRAMES, 100.0, 0.48), 100.52, id="a long stall"),
    ],
)
def test_what_leaves_at_a_wake_up(now: float, tick: Tick, next_due_s: float) -> None:
    """Absolute deadlines; after a long stall the third frame leaves a frame's time later."""
    slot = Slot[str](start_s=100.0)
    done = slot.tick(now, FRAME_S)
    assert (done.frames, done.due_s) == (tick.frames, tick.due_s)
    assert done.shift_s == pytest.approx(tick.shift_s)
    assert slot.next_due_s == pytest.approx(next_due_s)


@given(st.lists(st.tuples(st.floats(0.0005, 0.3), st.sampled_from([0.02, 0.03])), min_size=1, max_size=200))
def test_no_pattern_of_wake_ups_bursts_or_drifts(wake_ups: list[tuple[float, float]]) -> None:
    """However the loop stalls and the frame's length changes: audio sent + shifts = time passed."""
    slot = Slot[str](start_s=0.0)
    now, audio_s, shifted_s = 0.0, 0.0, 0.0
    for pause_s, frame_s in wake_ups:
        now += pause_s
        while slot.next_due_s <= now + EARLY_S:
            tick = slot.tick(now, frame_s)
            assert tick.frames <= MAXIMUM_BURST_FRAMES
            assert tick.due_s <= now + EARLY_S
            audio_s += tick.frames * frame_s
            shifted_s += tick.shift_s
    assert slot.next_due_s == pytest.approx(audio_s + shifted_s)
    assert slot.next_due_s > now - 0.03
    assert audio_s <= now + MAXIMUM_BURST_FRAMES * 0.03


def test_calls_are_spread_over_the_slots_and_the_slots_over_a_frame() -> None:
    """Twenty-five calls: two or three a slot, two milliseconds apart."""
    wheel = Wheel[int](start_s=0.0)
    assert (wheel.next_due_s, wheel.due(1_000.0)) == (inf, [])
    for call in range(25):
        wheel.add(call, now=-0.001)
    assert wheel.next_due_s == 0.0
    for index in range(SLOTS):
        (slot,) = wheel.due(index * FRAME_S / SLOTS)
        assert len(slot.calls) == (3 if index < 5 else 2)
        slot.tick(index * FRAME_S / SLOTS, FRAME_S)
    assert wheel.next_due_s == pytest.approx(FRAME_S)


def test_after_a_stall_all_slots_are_due_and_each_keeps_its_own_time() -> None:
    """Those that are served are no longer due; an empty one never is."""
    wheel = Wheel[int](start_s=0.0)
    for call in (1, 2, 3):
        wheel.add(call, now=-0.001)
    wheel.remove(2)
    wheel.remove(99)
    first, third = wheel.due(0.025)
    assert (first.calls, third.calls) == ((1,), (3,))
    assert first.tick(0.025, FRAME_S) == Tick(2, 0.0)
    assert wheel.due(0.025) == [third]
    assert third.tick(0.025, FRAME_S) == Tick(2, 2 * FRAME_S / SLOTS)
    assert wheel.next_due_s == pytest.approx(0.040)


def test_a_call_that_leaves_while_its_slot_is_served_does_not_disturb_it() -> None:
    """The calls that were read before are still those that were there."""
    wheel = Wheel[int](start_s=0.0)
    for call in range(SLOTS + 1):
        wheel.add(call, now=-0.001)
    (slot,) = wheel.due(0.0)
    calls = slot.calls
    wheel.remove(calls[0])
    assert calls == (0, SLOTS)
    assert slot.calls == (SLOTS,)


@given(st.floats(min_value=0.0, max_value=1e6), st.integers(min_value=0, max_value=SLOTS - 1))
def test_an_idle_slot_goes_on_at_its_own_phase(idle_s: float, index: int) -> None:
    """The first call of a slot waits less than a frame."""
    wheel = Wheel[int](start_s=5.0)
    now = 5.0 + idle_s
    for call in range(index + 1):
        wheel.add(call, now)
    for call in range(index):
        wheel.remove(call)
    due_s = wheel.next_due_s
    assert due_s - now <= FRAME_S + 1e-6
    phase_s = (due_s - 5.0 - index * FRAME_S / SLOTS) / FRAME_S
    assert phase_s == pytest.approx(round(phase_s), abs=1e-3)
