"""When frames are due, missing, late, or lost by ourselves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.telephone import FRAME_S
from ingress.media.hearing.stream_time import UNWATCHED_S, StreamTime

GAP_S = 8 * FRAME_S


def at_tick(number: int) -> float:
    """Return the clock's time."""
    return 100.0 + number * FRAME_S


def started() -> StreamTime:
    """Return the time of a stream whose first frame came at tick 0."""
    stream = StreamTime(GAP_S)
    stream.begin(at_tick(0))
    return stream


def test_what_does_not_come_is_missing_from_the_gap_on_and_then_at_once() -> None:
    """Nothing for 160 ms, then the whole gap, then one for each tick."""
    stream = started()
    missing = []
    for tick in range(1, 13):
        stream.look(at_tick(tick))
        count = 0
        while stream.miss(at_tick(tick)) is not None:
            count += 1
        missing.append(count)
    assert missing == [0] * 8 + [8, 1, 1, 1]


def test_a_frame_that_comes_before_it_is_due_is_one_that_was_missing() -> None:
    """Its place in time is that one's; without missing frames the next are expected earlier."""
    stream = started()
    for tick in range(1, 12):
        stream.look(at_tick(tick))
        while stream.miss(at_tick(tick)) is not None:
            pass
    assert stream.is_early(at_tick(9))
    assert stream.take_back(at_tick(11)) == pytest.approx(at_tick(10))
    assert not stream.is_early(at_tick(11))


@pytest.mark.parametrize("lost_s", [UNWATCHED_S + 0.05, 0.7, 60.0])
def test_a_time_in_which_nobody_looked_is_lost(lost_s: float) -> None:
    """No frame is missing because of it."""
    stream = started()
    stream.look(at_tick(1))
    now = at_tick(1) + lost_s
    stream.look(now)
    assert stream.lost_s == pytest.approx(lost_s)
    assert stream.miss(now) is None


@given(st.lists(st.floats(0.0, 0.08), min_size=1, max_size=200), st.sampled_from([1, 2, 3]))
def test_jitter_is_neither_a_gap_nor_a_loss(delays: list[float], per_message: int) -> None:
    """Messages of up to 60 ms, late by up to 80 ms, looked at every 20 ms."""
    stream = started()
    arrivals, now = [], 0.0
    for number, delay_s in enumerate(delays, 1):
        now = max(now, at_tick(number * per_message) + delay_s)
        arrivals.append(now)
    tick = 1
    before_s = 0.0
    for arrival_s in arrivals:
        while at_tick(tick) < arrival_s:
            stream.look(at_tick(tick))
            assert stream.miss(at_tick(tick)) is None
            tick += 1
        for number in range(per_message):
            at_s = stream.arrive(at_tick(tick) - (per_message - 1 - number) * FRAME_S)
            assert before_s == 0.0 or abs(at_s - before_s - FRAME_S) <= 0.08
            before_s = at_s
    assert stream.lost_s == 0.0
