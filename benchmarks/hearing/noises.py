"""What is on a line beside the caller, seeded: each half of the material has noises of its own."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from functools import cache
from pathlib import Path

import numpy as np
import soxr

from actors.telephone import TELEPHONE_RATE_HZ
from benchmarks.harness.telephone_speech import MUSIC, obtain_corpus, read_recording
from benchmarks.hearing.levels import Samples, at_level, noise_level_dbfs
from benchmarks.hearing.material import Half, Kind, digest, utterances

UNIT_DBFS = -20.0
"""Level of what `Noise.samples` returns."""
VOICES = 6
VOICE_RANGE = (0.82, 1.22)
"""The babble's voices are the recordings' at other speeds: pitches of a man to those of a child."""
BABBLE_LOOP_S = 75.0
DTMF_HZ = {
    key: (low_hz, high_hz)
    for low_hz, keys in zip((697, 770, 852, 941), ("123", "456", "789", "*0#"), strict=True)
    for key, high_hz in zip(keys, (1209, 1336, 1477), strict=True)
}
"""ITU-T Q.23."""


class Noise(StrEnum):
    """What kind of noise."""

    LINE = "line noise"
    BABBLE = "babble"
    MUSIC = "music"
    HUM_50 = "50 Hz hum"
    HUM_60 = "60 Hz hum"
    KNOCKS = "knocks"
    TONES = "keypad tones"

    def samples(self, seconds: float, half: Half, seed: str) -> Samples:
        """Return that much of it at -20 dBFS, its pauses included; `seed` chooses what is played."""
        random = np.random.default_rng(digest(f"{self.value} {half.value} {seed}"))
        made = _MAKERS[self](int(seconds * TELEPHONE_RATE_HZ), half, random)
        return at_level(made, noise_level_dbfs(made), UNIT_DBFS)


def _line(count: int, half: Half, random: np.random.Generator) -> Samples:
    """Noise of a telephone band, 6 dB an octave above 1 kHz less: what an analogue line adds."""
    spectrum = np.fft.rfft(random.standard_normal(count))
    hz = np.fft.rfftfreq(count, 1 / TELEPHONE_RATE_HZ)
    gain = ((hz > 100) & (hz < 3_700)) / np.maximum(1.0, hz / 1_000)
    return np.fft.irfft(spectrum * gain, count)


def _hum(mains_hz: float) -> Callable[[int, Half, np.random.Generator], Samples]:
    def make(count: int, half: Half, random: np.random.Generator) -> Samples:
        time_s = np.arange(count) / TELEPHONE_RATE_HZ
        made = np.zeros(count)
        for harmonic in range(1, 12):
            phase, gain = random.uniform(0, 2 * np.pi), random.uniform(0.5, 1.0) / harmonic
            made += gain * np.sin(2 * np.pi * mains_hz * harmonic * time_s + phase)
        return made

    return make


def _babble(count: int, half: Half, random: np.random.Generator) -> Samples:
    loop = _babble_loop(half)
    return np.take(loop, random.integers(len(loop)) + np.arange(count), mode="wrap")


@cache
def _babble_loop(half: Half) -> Samples:
    """Return several voices at once, none of which pauses."""
    random = np.random.default_rng(digest(f"babble of the {half.value} half"))
    sentences = utterances(half, Kind.SENTENCES)
    count = int(BABBLE_LOOP_S * TELEPHONE_RATE_HZ)
    mixed = np.zeros(count)
    for speed in np.geomspace(*VOICE_RANGE, VOICES):
        parts: list[Samples] = []
        while sum(map(len, parts)) < count:
            said = sentences[random.integers(len(sentences))].samples.astype(np.float64)
            parts.append(soxr.resample(said, TELEPHONE_RATE_HZ * speed, TELEPHONE_RATE_HZ))
        mixed += np.concatenate(parts)[:count]
    return mixed


def _music(count: int, half: Half, random: np.random.Generator) -> Samples:
    pieces = _pieces(half)
    piece = pieces[random.integers(len(pieces))]
    return np.take(piece, random.integers(len(piece)) + np.arange(count), mode="wrap")


@cache
def _pieces(half: Half) -> list[Samples]:
    """Return Asterisk's music on hold: every second piece is the report's."""
    files = sorted((obtain_corpus(Path("/"), MUSIC) / MUSIC.sounds).glob("*.wav"))
    chosen = files[half is Half.REPORT :: 2]
    return [np.frombuffer(read_recording(file), "<i2").astype(np.float64) for file in chosen]


def _knocks(count: int, half: Half, random: np.random.Generator) -> Samples:
    """Short knocks and clicks, about one a second: a handset on a table, keys of a keyboard."""
    made = np.zeros(count)
    at = 0
    while (at := at + int(random.exponential(TELEPHONE_RATE_HZ))) < count:
        time_s = (
            np.arange(int(random.uniform(0.02, 0.12) * TELEPHONE_RATE_HZ))[: count - at] / TELEPHONE_RATE_HZ
        )
        decay = np.exp(-time_s / random.uniform(0.004, 0.025))
        tone = np.sin(2 * np.pi * random.uniform(120, 900) * time_s) + 0.5 * random.standard_normal(
            len(time_s)
        )
        made[at : at + len(time_s)] += random.uniform(0.2, 1.0) * decay * tone
    return made


def _tones(count: int, half: Half, random: np.random.Generator) -> Samples:
    """Keys of a telephone, pressed for 0.08 to 0.4 s each, with pauses of up to 2 s."""
    made = np.zeros(count)
    at = 0
    while (at := at + int(random.uniform(0.1, 2.0) * TELEPHONE_RATE_HZ)) < count:
        time_s = (
            np.arange(int(random.uniform(0.08, 0.4) * TELEPHONE_RATE_HZ))[: count - at] / TELEPHONE_RATE_HZ
        )
        for hz in DTMF_HZ[random.choice(list(DTMF_HZ))]:
            made[at : at + len(time_s)] += np.sin(2 * np.pi * hz * time_s)
        at += len(time_s)
    return made


_MAKERS: dict[Noise, Callable[[int, Half, np.random.Generator], Samples]] = {
    Noise.LINE: _line,
    Noise.BABBLE: _babble,
    Noise.MUSIC: _music,
    Noise.HUM_50: _hum(50.0),
    Noise.HUM_60: _hum(60.0),
    Noise.KNOCKS: _knocks,
    Noise.TONES: _tones,
}
