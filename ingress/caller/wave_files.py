"""WAV files in and out of the telephone's format: 8 kHz, mono, signed 16-bit."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from actors.errors import ConfigurationError
from actors.telephone import BYTES_PER_SAMPLE, TELEPHONE_RATE_HZ

MAX_FILE_S = 600.0
"""Longest recording that is read: the whole of it is held in memory, and one turn is never longer."""

RATES_HZ = range(4_000, 192_001)


def read_wave(path: Path) -> bytes:
    """Return a WAV file's audio as 8 kHz int16 mono bytes.

    Any sample rate, 8, 16, 24 or 32-bit whole-number samples; channels are averaged.
    Raises ConfigurationError when the file cannot be read, is not such a WAV file or is too long.
    """
    try:
        with path.open("rb") as raw, wave.open(raw) as file:
            channels, width, rate_hz = file.getnchannels(), file.getsampwidth(), file.getframerate()
            if rate_hz not in RATES_HZ or width > 4:
                raise ConfigurationError(
                    f"{path}: a sample rate of {rate_hz} Hz and {8 * width} bits a sample; "
                    f"{RATES_HZ[0]} to {RATES_HZ[-1]} Hz and up to 32 bits are read"
                )
            # Not getnframes(): a recorder that writes to a pipe leaves a meaningless length in the header.
            data = file.readframes(int(MAX_FILE_S * rate_hz) + 1)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (wave.Error, EOFError, RuntimeError) as error:  # RuntimeError: a chunk beyond the file's end
        raise ConfigurationError(
            f"{path}: not a PCM WAV file ({str(error) or 'it ends too early'}); "
            f"convert it with `sox {path.name} -r {TELEPHONE_RATE_HZ} -c 1 -b 16 out.wav`"
        ) from error
    frames = len(data) // (channels * width)  # whole ones: a cut file may end in mid-sample
    if frames > MAX_FILE_S * rate_hz:
        raise ConfigurationError(f"{path}: longer than {MAX_FILE_S:g} s; cut it to what one caller says")
    mono = _samples(data[: frames * channels * width], width).reshape(-1, channels).mean(axis=1)
    if rate_hz != TELEPHONE_RATE_HZ:
        mono = soxr.resample(mono, rate_hz, TELEPHONE_RATE_HZ, quality="HQ")
    telephone: NDArray[np.int16] = np.clip(np.round(mono * 32768.0), -32768, 32767).astype("<i2")
    return telephone.tobytes()


def write_wave(path: Path, audio: bytes) -> None:
    """Write 8 kHz int16 mono `audio` as a WAV file. Raises ConfigurationError if that is not possible."""
    try:
        with path.open("wb") as raw, wave.open(raw, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(BYTES_PER_SAMPLE)
            file.setframerate(TELEPHONE_RATE_HZ)
            file.writeframes(audio)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be written: {error.strerror or error}") from error


def _samples(data: bytes, width: int) -> NDArray[np.float64]:
    """Return samples of -1 to 1. WAV's 8-bit samples are unsigned, wider ones signed little-endian."""
    if width == 1:
        return (np.frombuffer(data, np.uint8).astype(np.float64) - 128.0) / 128.0
    # Left-align every width in 32 bits, so that the sign bit lies where numpy looks for it.
    aligned = np.zeros((len(data) // width, 4), np.uint8)
    aligned[:, 4 - width :] = np.frombuffer(data, np.uint8).reshape(-1, width)
    return aligned.view("<i4").reshape(-1) / 2.0**31
