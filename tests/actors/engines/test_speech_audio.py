from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.engines.speech_audio import MAX_PIECE_BYTES, Samples, telephone_pieces
from actors.errors import EngineError


def tone(duration_s: float, rate_hz: int, frequency_hz: float = 440.0, amplitude: float = 0.5) -> Samples:
    """A sine that starts at its peak, so that it is loud from its first sample."""
    phase = np.arange(round(duration_s * rate_hz)) * (2 * np.pi * frequency_hz / rate_hz)
    return (amplitude * np.cos(phase)).astype(np.float32)


def joined(chunks: list[Samples], rate_hz: int) -> np.ndarray:
    return np.frombuffer(b"".join(telephone_pieces(chunks, rate_hz)), "<i2")


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 22_050, 24_000, 44_100, 48_000])
def test_a_tone_keeps_its_length_pitch_and_level_at_any_rate(rate_hz: int) -> None:
    """The telephone hears the same tone."""
    heard = joined([tone(1.0, rate_hz)], rate_hz) / 32767.0
    assert abs(len(heard) - 8000) <= 2
    spectrum = np.abs(np.fft.rfft(heard[:8000] * np.hanning(len(heard[:8000]))))
    assert abs(int(np.argmax(spectrum)) - 440) <= 1
    assert np.sqrt(np.mean(heard**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.02)


def test_what_the_telephone_cannot_carry_is_filtered_out() -> None:
    """A 6 kHz tone above the telephone's band is not folded back into it."""
    heard = joined([tone(1.0, 24_000, 6_000.0)], 24_000) / 32767.0
    assert np.sqrt(np.mean(heard[800:-800] ** 2)) < 0.001


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.integers(0, 24_000), max_size=12),
    st.integers(0, 6_000),
    st.sampled_from([16_000, 22_050, 24_000]),
)
def test_where_the_model_cuts_its_chunks_is_not_heard(cuts: list[int], silence: int, rate_hz: int) -> None:
    """Any cutting of the same speech gives the same samples."""
    speech = np.concatenate((np.zeros(silence, np.float32), tone(1.0, rate_hz)))
    pieces = np.split(speech, sorted(min(cut, len(speech)) for cut in cuts))
    assert np.array_equal(joined(pieces, rate_hz), joined([speech], rate_hz))


def test_pieces_are_never_empty_never_odd_and_at_most_two_seconds() -> None:
    """Each piece fits one message, and all but the last of a long chunk are full."""
    pieces = list(telephone_pieces([tone(9.0, 24_000), tone(0.001, 24_000)], 24_000))
    assert [len(piece) for piece in pieces[:4]] == [MAX_PIECE_BYTES] * 4
    assert all(0 < len(piece) <= MAX_PIECE_BYTES and len(piece) % 2 == 0 for piece in pieces)


def test_a_chunk_is_heard_before_the_next_one_is_made() -> None:
    """The stream does not wait for the end of the speech."""
    made: list[int] = []

    def speech() -> Iterator[Samples]:
        for number in range(3):
            made.append(number)
            yield tone(0.5, 24_000)

    first = next(telephone_pieces(speech(), 24_000))
    assert made == [0]
    assert len(first) > 0.4 * 16_000


def test_silence_before_the_first_sound_is_left_out() -> None:
    """A caller does not wait for the quiet that a model puts before its speech."""
    quiet = np.full(12_000, 0.001, np.float32)
    heard = joined([quiet, quiet, tone(1.0, 24_000)], 24_000)
    assert len(heard) == pytest.approx(8_000 + 240, abs=2)
    assert joined([quiet, quiet], 24_000).size == 0
    assert joined([], 24_000).size == 0


def test_speech_beyond_full_scale_is_held_there() -> None:
    """Too loud a sample becomes the loudest one, not its opposite."""
    heard = joined([np.full(24_000, 1.5, np.float32)], 24_000)
    assert heard[1_000:-1_000].min() == 32_767


def test_samples_that_are_no_numbers_are_refused() -> None:
    """A model that computes nonsense is an engine error, not noise on the line."""
    with pytest.raises(EngineError, match="not finite"):
        list(telephone_pieces([np.array([0.1, np.nan], np.float32)], 24_000))
