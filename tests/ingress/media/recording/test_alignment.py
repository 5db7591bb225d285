"""Where audio goes in a recording: both sides on one timeline, whatever comes late, early or not at all."""

from __future__ import annotations

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.telephone import FRAME_S
from ingress.media.recording.alignment import BYTES_PER_S, STALL_S, TOLERANCE_BYTES, Alignment

SAMPLES = 160
TOLERANCE_S = TOLERANCE_BYTES / BYTES_PER_S
LOUD = 1_000


def frame(number: int) -> bytes:
    """Return 20 ms in which every sample is the number, loud enough for speech."""
    return array("h", [LOUD + number] * SAMPLES).tobytes()


class Recorded:
    """An alignment and the pieces that came out of it."""

    def __init__(self) -> None:
        self.alignment = Alignment(0.0)
        self.pieces: list[tuple[bytes, bytes]] = []

    def say(self, number: int, now: float) -> None:
        """Say a frame."""
        piece = self.alignment.said(frame(number), now)
        if piece is not None:
            self.pieces.append(piece)

    def sides(self) -> tuple[bytes, bytes]:
        """Return both sides, whole."""
        self.pieces.append(self.alignment.rest())
        assert all(len(heard) == len(said) for heard, said in self.pieces)
        return b"".join(heard for heard, _ in self.pieces), b"".join(said for _, said in self.pieces)


def starts_s(side: bytes) -> dict[int, float]:
    """Return where each numbered frame begins."""
    samples = array("h", side)
    starts: dict[int, float] = {}
    for index, sample in enumerate(samples):
        if sample:
            starts.setdefault(sample - LOUD, index / 8_000)
    return starts


@given(
    late_ms=st.lists(st.integers(0, 70), min_size=1, max_size=60),
    heard=st.lists(st.tuples(st.integers(0, 400), st.integers(1, 4)), max_size=60),
)
def test_both_sides_stay_on_the_clock(late_ms: list[int], heard: list[tuple[int, int]]) -> None:
    """Nothing that was said or heard is lost or changes its order; none of it comes earlier than it was, and
    what is on the clock is at most the tolerance away from it.

    `heard`: pauses before a reading, and how many frames it finds.
    """
    recorded = Recorded()
    events: list[tuple[float, int, int]] = []  # when, how many heard, or 0 for one said
    events += [(number * FRAME_S + late / 1000.0, 0, number) for number, late in enumerate(late_ms)]
    now, first = 0.0, 0
    ends_s: dict[int, float] = {}
    for pause_ms, frames in heard:
        now += pause_ms / 1000.0 + frames * FRAME_S  # as many as time has passed for
        events.append((now, frames, first))
        for index in range(frames):
            ends_s[first + index] = now - (frames - 1 - index) * FRAME_S
        first += frames
    said_s: dict[int, float] = {}
    last_s = 0.0
    for at_s, frames, number in sorted(events):
        last_s = max(last_s, at_s)
        if frames:
            recorded.alignment.heard(b"".join(frame(number + index) for index in range(frames)), at_s)
        else:
            said_s[number] = at_s
            recorded.say(number, at_s)
    left, right = recorded.sides()
    said, caller = starts_s(right), starts_s(left)
    assert sorted(said) == list(range(len(late_ms)))
    assert sorted(caller) == list(range(first))
    assert list(said.values()) == sorted(said.values())
    assert list(caller.values()) == sorted(caller.values())
    if last_s - max(said_s.values()) < STALL_S:  # else the process stood still, as far as can be told
        for number, start_s in said.items():
            assert -TOLERANCE_S - 0.001 <= start_s - said_s[number] <= 0.07 + 0.001
        for number, start_s in caller.items():
            assert -TOLERANCE_S - 0.001 <= start_s + FRAME_S - ends_s[number] <= 0.001


def test_a_pause_of_the_caller_is_silence_of_that_length() -> None:
    """A phone with silence suppression sends nothing; its next words are where they were spoken."""
    recorded = Recorded()
    for number in range(300):
        now = number * FRAME_S
        recorded.say(number, now)
        if number < 10 or number >= 250:
            recorded.alignment.heard(frame(number), now + FRAME_S)
    left, right = recorded.sides()
    assert len(left) == len(right) == 300 * 320
    assert starts_s(left)[250] == pytest.approx(250 * FRAME_S, abs=0.001)


def test_a_burst_is_placed_where_it_was_spoken() -> None:
    """Frames that a network held up for 0.4 s come together, and are no later than what was said then."""
    recorded = Recorded()
    for number in range(100):
        recorded.say(number, number * FRAME_S)
        if number < 50 or number >= 70:
            held = range(50, 71) if number == 70 else (number,)
            recorded.alignment.heard(b"".join(map(frame, held)), (number + 1) * FRAME_S)
    left, right = recorded.sides()
    assert left == right


def test_a_caller_whose_clock_is_fast_is_held_back_in_its_silence() -> None:
    """1 % fast for 40 s would be 0.4 s; what is faint is left out instead, and words are not."""
    recorded = Recorded()
    faint = bytes(320)
    for number in range(2_000):
        recorded.say(number, number * FRAME_S)
        is_word = number % 100 < 50
        recorded.alignment.heard(frame(number) if is_word else faint, number * FRAME_S)
        if number % 100 == 99:
            recorded.alignment.heard(faint, number * FRAME_S)
    left, _ = recorded.sides()
    starts = starts_s(left)
    assert len(starts) == 1_000
    assert starts[1_900] - 1_899 * FRAME_S <= TOLERANCE_S + 0.001


def test_time_in_which_the_process_stood_still_is_two_seconds() -> None:
    """A stopped machine may stand for hours: no such silence is written, and both sides go on together."""
    recorded = Recorded()
    for number in range(400):
        now = number * FRAME_S + (36_000.0 if number >= 200 else 0.0)
        recorded.say(number, now)
        recorded.alignment.heard(frame(number), now + FRAME_S)
    left, right = recorded.sides()
    assert len(right) / BYTES_PER_S == pytest.approx(400 * FRAME_S + STALL_S, abs=0.1)
    assert starts_s(left)[300] == pytest.approx(starts_s(right)[300], abs=0.021)
    assert recorded.alignment.position_s(36_000.0 + 8.0) == pytest.approx(10.0, abs=0.1)


def test_pieces_are_taken_a_second_late_and_a_second_long() -> None:
    """Memory of a call stays below what two seconds and a reading take."""
    recorded = Recorded()
    for number in range(500):
        recorded.say(number, number * FRAME_S)
    assert [len(said) for _, said in recorded.pieces] == [BYTES_PER_S] * 9
