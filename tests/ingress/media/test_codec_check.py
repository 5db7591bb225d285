"""Linear audio, and a phone's codec labelled as linear."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.harness.speech_like import recorded_words
from ingress.media.codec_check import CodecCheck, _g711_tables, sounds_linear

PTIMES_MS = (10, 20, 30, 40, 60)
Codec = Callable[[bytes], bytes]


def g711(table: int) -> Codec:
    """Return a coder of µ-law (0) or A-law (1): the nearest code of each sample."""
    values = _g711_tables()[table] * (4 if table == 0 else 8)
    order = np.argsort(values, kind="stable")

    def encode(audio: bytes) -> bytes:
        samples = np.frombuffer(audio, dtype="<i2").astype(float)
        places = np.searchsorted((values[order][1:] + values[order][:-1]) / 2, samples)
        return order[places].astype(np.uint8).tobytes()

    return encode


def compressed(bytes_per_s: int) -> Codec:
    """Return a coder whose output looks like chance, as that of G.729 (1000) and GSM (1650) does."""
    return lambda audio: random.Random(1).randbytes(len(audio) * bytes_per_s // 16_000)


CODECS = [
    pytest.param(g711(0), id="mu-law"),
    pytest.param(g711(1), id="A-law"),
    pytest.param(compressed(8_000), id="G.722"),
    pytest.param(compressed(1_000), id="G.729"),
    pytest.param(compressed(1_650), id="GSM"),
]


def decided(messages: Iterable[tuple[float, bytes]]) -> bool | None:
    """Feed messages, each at its time, until it is known whether the audio is a codec; return that."""
    check = CodecCheck()
    answers = (check.is_disguised(audio, 8_000, now) for now, audio in messages)
    return next((answer for answer in answers if answer is not None), None)


def noticed_s(messages: list[bytes], interval_s: float, read_s: float = 0.0, rate_hz: int = 8_000) -> float:
    """Feed messages at a steady pace, read every `read_s`; return when the codec was noticed, or inf."""
    check = CodecCheck()
    for index, audio in enumerate(messages):
        now = index * interval_s
        if read_s:
            now = (now // read_s + 1) * read_s
        is_disguised = check.is_disguised(audio, rate_hz, now)
        if is_disguised is not None:
            return now if is_disguised else float("inf")
    return float("inf")


def pieces(audio: bytes, count: int) -> list[bytes]:
    """Cut audio into messages of equal length, the rest apart."""
    size = len(audio) // count
    return [audio[index * size : (index + 1) * size] for index in range(count)]


@pytest.mark.parametrize("read_s", [0.0, 0.06, 0.09])
@pytest.mark.parametrize("ptime_ms", PTIMES_MS)
@pytest.mark.parametrize("encode", CODECS)
def test_a_phones_codec_is_noticed_within_two_seconds(encode: Codec, ptime_ms: int, read_s: float) -> None:
    """Whatever the length of its messages, also when several are read together."""
    speech = recorded_words(8)[: 16_000 * 3]
    messages = pieces(encode(speech), 3_000 // ptime_ms)
    assert noticed_s(messages, ptime_ms / 1_000, read_s) < 2.0


@pytest.mark.parametrize("idle", [b"\xff", b"\x7f", b"\xd5", b"\xd5\x55"])
def test_a_phones_idle_codes_are_noticed(idle: bytes) -> None:
    """µ-law and A-law of a caller who is silent."""
    assert noticed_s([idle * (160 // len(idle))] * 100, 0.02) < 1.5


@pytest.mark.parametrize("level", [1.0, 0.1, 0.01])
@pytest.mark.parametrize("read_s", [0.0, 0.06, 0.09])
@pytest.mark.parametrize("ptime_ms", PTIMES_MS)
def test_linear_audio_of_any_ptime_passes(ptime_ms: int, read_s: float, level: float) -> None:
    """10 to 60 ms a message, loud or quiet."""
    samples = np.frombuffer(recorded_words(8)[: 16_000 * 3], dtype="<i2") * level
    messages = pieces(samples.astype("<i2").tobytes(), 3_000 // ptime_ms)
    assert noticed_s(messages, ptime_ms / 1_000, read_s) == float("inf")


@pytest.mark.parametrize("is_silent", [False, True])
def test_linear_audio_with_losses_passes(is_silent: bool) -> None:
    """Every third packet is lost: as slow as a codec, and it sounds linear."""
    speech = bytes(48_000) if is_silent else recorded_words(8)[: 16_000 * 3]
    assert (
        decided((index * 0.02, audio) for index, audio in enumerate(pieces(speech, 150)) if index % 3)
        is False
    )


@pytest.mark.parametrize(
    "tones_hz", [(440,), (1_000,), (2_000,), (2_800,), (3_400,), (941, 1_477), (697, 1_633)]
)
def test_linear_tones_with_losses_pass(tones_hz: tuple[int, ...]) -> None:
    """A fax, a signal of the network, a key: as slow as a codec, and no sample is like its neighbour."""
    phases = 2.0 * np.pi * np.arange(24_000) / 8_000
    samples = sum(16_000 / len(tones_hz) * np.sin(phases * tone_hz) for tone_hz in tones_hz)
    messages = pieces(np.asarray(samples).astype("<i2").tobytes(), 150)
    assert decided((index * 0.02, audio) for index, audio in enumerate(messages) if index % 2) is False


def test_wider_rates_are_never_disguised() -> None:
    """Their kinds are right: only the channel driver sends them."""
    assert noticed_s([bytes(160)] * 100, 0.020, rate_hz=16_000) == float("inf")


def test_pauses_do_not_count() -> None:
    """A stream with silence suppression has long intervals; they say nothing about the codec."""
    check = CodecCheck()
    now = 0.0
    for index in range(300):
        now += 0.5 if index % 10 == 0 else 0.010
        assert not check.is_disguised(b"\x7f" * 160, 8_000, now)


def test_jitter_does_not_hide_it() -> None:
    """Every tenth message comes in a pair."""
    check = CodecCheck()
    noticed = False
    for index in range(200):
        now = (index + (0.95 if index % 10 == 0 else 0.0)) * 0.020
        noticed = noticed or bool(check.is_disguised(b"\x7f" * 160, 8_000, now))
    assert noticed


@given(st.binary(max_size=400))
def test_any_bytes_are_judged(audio: bytes) -> None:
    """Odd lengths and none at all too."""
    assert sounds_linear(audio) in (True, False)
