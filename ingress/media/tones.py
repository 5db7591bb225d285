"""Tones as ready-made 8 kHz audio, how to repeat one, and how to end audio without a click."""

from __future__ import annotations

from functools import cache

import numpy as np

from actors.telephone import TELEPHONE_RATE_HZ

LEVEL = 0.25
"""Of full scale: about −15 dBov, a usual level for call progress tones (ITU-T E.180)."""
FADE_S = 0.01
"""Ramps at both ends, so that a tone does not click."""


def tone(frequency_hz: float, duration_s: float, level: float = LEVEL) -> bytes:
    """Return a sine of `duration_s` as 8 kHz int16, faded in and out."""
    samples = round(duration_s * TELEPHONE_RATE_HZ)
    wave = np.sin(2 * np.pi * frequency_hz * np.arange(samples) / TELEPHONE_RATE_HZ)
    fade = min(samples // 2, round(FADE_S * TELEPHONE_RATE_HZ))
    if fade:
        ramp = np.linspace(0.0, 1.0, fade)
        wave[:fade] *= ramp
        wave[-fade:] *= ramp[::-1]
    return _int16(wave * level)


@cache
def endless_tone(frequency_hz: float, level: float = LEVEL) -> bytes:
    """Return one second of a sine that can be repeated without a click: of a whole number of hertz."""
    samples = np.arange(TELEPHONE_RATE_HZ)
    return _int16(np.sin(2 * np.pi * round(frequency_hz) * samples / TELEPHONE_RATE_HZ) * level)


@cache
def waiting_beep() -> bytes:
    """Return one second to repeat while a caller waits: a soft beep, then quiet."""
    return (tone(425.0, 0.25, level=LEVEL / 2) + silence(0.75))[: 2 * TELEPHONE_RATE_HZ]


@cache
def failure_tone() -> bytes:
    """Return two falling tones: we heard you, and could not answer."""
    return tone(480.0, 0.2) + silence(0.05) + tone(380.0, 0.3)


@cache
def prompt_tone() -> bytes:
    """Return two rising tones: it is the caller's turn to say something."""
    return tone(380.0, 0.15) + silence(0.05) + tone(480.0, 0.15)


@cache
def busy_tone() -> bytes:
    """Return three beats of the tone of a busy line (ITU-T E.180: 425 Hz, half a second on, half off)."""
    return (tone(425.0, 0.5) + silence(0.5)) * 3


def silence(duration_s: float) -> bytes:
    """Return zeros."""
    return bytes(2 * round(duration_s * TELEPHONE_RATE_HZ))


def faded_out(audio: bytes) -> bytes:
    """Return the audio, 8 kHz int16, on a straight ramp down to silence."""
    samples = np.frombuffer(audio, dtype="<i2")
    return (samples * np.linspace(1.0, 0.0, len(samples))).astype("<i2").tobytes()


class Loop:
    """Audio that repeats without end, as frames of any length."""

    __slots__ = ("_offset", "audio")

    def __init__(self, audio: bytes) -> None:
        self.audio = audio
        self._offset = 0

    def next_frame(self, frame_bytes: int) -> bytes:
        """Return the next `frame_bytes`."""
        start = self._offset
        end = start + frame_bytes
        length = len(self.audio)
        if end < length:
            self._offset = end
            return self.audio[start:end]
        self._offset = end % length
        return (self.audio * (end // length + 1))[start:end]


def _int16(wave: np.ndarray) -> bytes:
    return (wave * 32767.0).astype("<i2").tobytes()
