"""The audio clock's arithmetic."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.telephone import FRAME_S
from ingress.media.pacing import EARLY_S, MAXIMUM_BURST_FRAMES, SlotClock, Wheel


def test_frames_leave_on_absolute_deadlines() -> None:
    """Lateness of one frame does not move the next one."""
    clock = SlotClock(start_s=100.0)
    ticks = [clock.tick(now) for now in (100.000, 100.025, 100.040, 100.069)]
    assert [tick.frames for tick in ticks] == [1, 1, 1, 1]
    assert [round(tick.due_s, 6) for tick in ticks] == [100.0, 100.02, 100.04, 100.06]
    assert clock.next_due_s == pytest.approx(100.080)


def test_too_early_sends_nothing() -> None:
    """A wake-up before the deadline changes nothing."""
    clock = SlotClock(start_s=100.0)
    assert clock.tick(99.99).frames == 0
    assert clock.next_due_s == 100.0
    assert clock.tick(100.0 - EARLY_S / 2).frames == 1


def test_a_short_stall_is_caught_up_with_two_frames() -> None:
    """Between one and two frames late: both are sent, nothing is lost."""
    clock = SlotClock(start_s=0.0)
    tick = clock.tick(0.030)
    assert (tick.frames, tick.shift_s) == (2, 0.0)
    assert clock.next_due_s == pytest.approx(0.040)


def test_a_long_stall_shifts_the_timeline() -> None:
    """After half a second two frames go, and the third a frame's time later."""
    clock = SlotClock(start_s=0.0)
    tick = clock.tick(0.500)
    assert tick.frames == MAXIMUM_BURST_FRAMES
    assert tick.shift_s == pytest.approx(0.480)
    assert clock.next_due_s == pytest.approx(0.520)
    assert clock.tick(0.500).frames == 0


@given(st.lists(st.tuples(st.floats(0.0005, 0.3), st.sampled_from([0.02, 0.03])), min_size=1, max_size=200))
def test_no_pattern_of_wake_ups_bursts_or_drifts(wake_ups: list[tuple[float, float]]) -> None:
    """However the loop stalls and the frame's length changes: audio sent + shifts = time passed."""
    clock = SlotClock(start_s=0.0)
    now, audio_s, shifted_s = 0.0, 0.0, 0.0
    for pause_s, frame_s in wake_ups:
        now += pause_s
        while (tick := clock.tick(now, frame_s)).frames:
            assert tick.frames <= MAXIMUM_BURST_FRAMES
            assert tick.due_s <= now + EARLY_S
            audio_s += tick.frames * frame_s
            shifted_s += tick.shift_s
    assert clock.next_due_s == pytest.approx(audio_s + shifted_s)
    assert clock.next_due_s > now - 0.03
    assert audio_s <= now + MAXIMUM_BURST_FRAMES * 0.03


@given(st.floats(min_value=0.0, max_value=1e6), st.integers(min_value=0, max_value=9))
def test_an_idle_slot_restarts_on_its_own_phase(idle_s: float, slot: int) -> None:
    """The first call of a slot waits less than a frame, and the slot's phase is kept."""
    wheel = Wheel(start_s=5.0)
    wheel.restart(slot, 5.0 + idle_s)
    due_s = wheel.clocks[slot].next_due_s
    assert due_s - (5.0 + idle_s) <= FRAME_S + 1e-6
    phase_s = (due_s - 5.0 - slot * FRAME_S / 10) / FRAME_S
    assert phase_s == pytest.approx(round(phase_s), abs=1e-3)


def test_phases_are_spread_over_a_frame() -> None:
    """Ten slots, two milliseconds apart."""
    clocks = Wheel(start_s=0.0).clocks
    assert [round(clock.next_due_s * 1000, 3) for clock in clocks] == [2.0 * index for index in range(10)]
