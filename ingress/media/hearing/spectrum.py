"""Sounds that are no speech by their spectrum alone: the tones of a telephone's keys, hum and hiss.

Asked for the few frames in which the caller may be beginning, and once for what may be an utterance; Silero
takes such sounds for speech now and then.
"""

from __future__ import annotations

import numpy as np

from actors.telephone import BYTES_PER_SAMPLE, FRAME_BYTES, TELEPHONE_RATE_HZ

ROWS_HZ = (697, 770, 852, 941)
COLUMNS_HZ = (1209, 1336, 1477, 1633)
"""Of the keys: ITU-T Q.23. Each key sounds one of both."""
TONE_SHARE = 0.7
"""Of a frame's power, in one row and one column. A tone on a noisy line has more, a voice less."""
LARGEST_TWIST = 10.0
"""Between the powers of row and column, 10 dB: ITU-T Q.24 allows half as much."""
VOICE_BAND_HZ = (200, 2_000)
LEAST_VOICE_SHARE = 0.3
"""Of a sound's power, in that band. Letters and words have 0.8 and more, mains hum 0.15, a hiss nothing."""

_INT16 = np.dtype("<i2")
_SAMPLES = FRAME_BYTES // BYTES_PER_SAMPLE
_PHASES = np.outer(ROWS_HZ + COLUMNS_HZ, np.arange(_SAMPLES)) * (2.0 * np.pi / TELEPHONE_RATE_HZ)
_WAVES = np.concatenate([np.cos(_PHASES), np.sin(_PHASES)]).astype(np.float32)


def is_key_tone(frame: bytes) -> bool:
    """Return whether 20 ms of int16 are the tone of a key, as some phones send it within the audio."""
    samples = np.frombuffer(frame, _INT16).astype(np.float32)
    parts = _WAVES.dot(samples)
    powers = (parts * parts).reshape(2, 2, 4).sum(axis=0).max(axis=1).tolist()
    row, column = powers
    # A sine of the frame's whole power would have half as many times that as there are samples.
    whole = float(samples.dot(samples)) * _SAMPLES / 2.0
    is_dual = row < column * LARGEST_TWIST and column < row * LARGEST_TWIST
    return bool(is_dual and row + column > whole * TONE_SHARE)


def without_key_tones(audio: bytes | bytearray) -> bytes:
    """Return the frames with zeros for those with the tone of a key, and for the one on each side."""
    frames = [bytes(audio[start : start + FRAME_BYTES]) for start in range(0, len(audio), FRAME_BYTES)]
    tones = [len(frame) == FRAME_BYTES and is_key_tone(frame) for frame in frames]
    for index in range(len(frames)):
        if any(tones[max(0, index - 1) : index + 2]):
            frames[index] = bytes(len(frames[index]))
    return b"".join(frames)


def may_be_voice(audio: bytes | bytearray) -> bool:
    """Return whether enough of the power of some 100 ms or more of int16 is where voices have theirs."""
    spectrum = np.fft.rfft(np.frombuffer(audio, _INT16))
    powers = spectrum.real**2 + spectrum.imag**2
    first, last = (round(hz * len(audio) / BYTES_PER_SAMPLE / TELEPHONE_RATE_HZ) for hz in VOICE_BAND_HZ)
    return bool(powers[first : last + 1].sum() >= powers[1:].sum() * LEAST_VOICE_SHARE)
