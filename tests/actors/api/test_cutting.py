"""Long recordings are cut where it is quiet."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from actors.api.cutting import LONGEST_PIECE_S, pieces


def noise(seconds: float) -> np.ndarray:
    return (np.random.default_rng(1).standard_normal(int(seconds * 8_000)) * 3_000).astype("<i2")


def test_a_pause_is_where_it_is_cut() -> None:
    """A pause of 300 ms within the searched seconds."""
    samples = noise(20.0)
    samples[9 * 8_000 : 9 * 8_000 + 2_400] = 0
    starts = [start for start, _ in pieces(samples.tobytes())]
    assert starts[0] == 0.0
    assert 9.0 < starts[1] < 9.3


@given(st.integers(0, 400_000))
def test_nothing_is_lost_and_no_piece_is_too_long(samples: int) -> None:
    """The pieces together are the recording, and each begins where the one before ends."""
    audio = np.arange(samples, dtype="<i2").tobytes()
    found = list(pieces(audio))
    assert b"".join(piece for _, piece in found) == audio
    assert all(0 < len(piece) <= LONGEST_PIECE_S * 16_000 for _, piece in found)
    assert [start for start, _ in found] == [
        sum(len(piece) for _, piece in found[:number]) / 16_000 for number in range(len(found))
    ]
