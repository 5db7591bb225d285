"""Recordings in files of several formats."""

from __future__ import annotations

import io
import wave

import av
import numpy as np


def tone(rate_hz: int = 8_000, seconds: float = 1.0, channels: int = 1) -> np.ndarray:
    """Return 400 Hz, int16, [sample, channel]."""
    times = np.arange(int(rate_hz * seconds)) / rate_hz
    samples = np.sin(times * 2 * np.pi * 400) * 8_000
    return np.repeat(samples.astype("<i2")[:, None], channels, axis=1)


def wav(rate_hz: int = 8_000, seconds: float = 1.0, channels: int = 1) -> bytes:
    """Return a WAV file."""
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(tone(rate_hz, seconds, channels).tobytes())
    return stream.getvalue()


def encoded(container: str, codec: str, rate_hz: int = 48_000) -> bytes:
    """Return a second in another format."""
    stream = io.BytesIO()
    with av.open(stream, "w", format=container) as output:
        track = output.add_stream(codec, rate=rate_hz)
        samples = np.ascontiguousarray(tone(rate_hz).T)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = rate_hz
        resampler = av.AudioResampler(format=track.format, layout="mono", rate=rate_hz)
        for piece in (*resampler.resample(frame), *resampler.resample(None)):
            output.mux(track.encode(piece))
        output.mux(track.encode(None))
    return stream.getvalue()
