"""WAV files that dialogs play, as telephone audio: read and resampled in a thread, then kept in memory.

| a file | must |
|---|---|
| its path | lead to a file below `dialog.audio_folder`, also after links |
| its format | be WAV, PCM, mono, 16 bits, `LOWEST_RATE_HZ` to `HIGHEST_RATE_HZ` |
| its length | be `LONGEST_S` at most, and not nothing |

One that has changed is read anew. What was used longest ago is forgotten beyond `KEPT_BYTES`.
"""

from __future__ import annotations

import asyncio
import io
import os
import stat
import wave
from collections import OrderedDict
from pathlib import Path
from threading import Lock

from actors.errors import DialogError
from actors.telephone import BYTES_PER_SAMPLE, TELEPHONE_RATE_HZ

LONGEST_S = 60.0
LOWEST_RATE_HZ = 4_000
HIGHEST_RATE_HZ = 48_000
MOST_BYTES = round(LONGEST_S * HIGHEST_RATE_HZ) * BYTES_PER_SAMPLE + (1 << 20)
"""Of a file: its samples, and what else programs write into one."""
KEPT_BYTES = 32 * 1024 * 1024
"""33 minutes."""
READ_DEADLINE_S = 5.0
"""Of a disk, or a network's."""

_Key = tuple[str, int, int]
"""Real path, time of the last change in ns, size: another file has another one."""


class AudioFiles:
    """The files of all dialogs of a gateway."""

    def __init__(self) -> None:
        self._audio: OrderedDict[_Key, bytes] = OrderedDict()
        """8 kHz int16 mono; the longest unused first."""
        self._kept_bytes = 0
        self._lock = Lock()
        """Several threads may read."""

    async def audio(self, folder: str | None, path: object) -> bytes:
        """Return a file below `folder` as 8 kHz int16 mono. Raises DialogError."""
        if not isinstance(path, str):
            raise DialogError(f"the dialog yielded PlayFile with a {type(path).__name__}: its path is a str")
        if folder is None:
            raise DialogError("the dialog plays a file, and dialog.audio_folder is not set: name its folder")
        try:
            async with asyncio.timeout(READ_DEADLINE_S):
                return await asyncio.to_thread(self._read, folder, path)
        except TimeoutError:
            raise DialogError(f"{_named(path)} could not be read within {READ_DEADLINE_S:g} s") from None

    def _read(self, folder: str, path: str) -> bytes:
        """Return the audio, from memory if it is there: blocking."""
        try:
            real = _below(folder, path)
            # A pipe would block without end.
            with open(os.open(real, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
                found = os.fstat(file.fileno())
                if not stat.S_ISREG(found.st_mode):
                    raise DialogError(f"{_named(path)} is no file")
                key = (str(real), found.st_mtime_ns, found.st_size)
                with self._lock:
                    if key in self._audio:
                        self._audio.move_to_end(key)
                        return self._audio[key]
                content = file.read(MOST_BYTES + 1)
        except (OSError, ValueError, RuntimeError) as error:  # a name may hold what no name can
            reason = getattr(error, "strerror", None) or error
            raise DialogError(f"{_named(path)} cannot be read: {reason}") from None
        if len(content) > MOST_BYTES:
            raise DialogError(f"{_named(path)} is larger than {MOST_BYTES} bytes: {LONGEST_S:g} s at most")
        audio = telephone_audio(content, _named(path))
        self._keep(key, audio)
        return audio

    def _keep(self, key: _Key, audio: bytes) -> None:
        with self._lock:
            self._kept_bytes += len(audio) - len(self._audio.pop(key, b""))
            self._audio[key] = audio
            while self._kept_bytes > KEPT_BYTES:
                _, forgotten = self._audio.popitem(last=False)
                self._kept_bytes -= len(forgotten)


def telephone_audio(content: bytes, name: str) -> bytes:
    """Return a WAV file's samples as 8 kHz int16 mono. Raises DialogError that begins with `name`."""
    try:
        with wave.open(io.BytesIO(content)) as file:
            rate_hz, channels, width = file.getframerate(), file.getnchannels(), file.getsampwidth()
            if (channels, width) != (1, BYTES_PER_SAMPLE):
                raise DialogError(
                    f"{name} has {channels} channels of {8 * width} bits: write it as mono of 16 bits"
                )
            if not LOWEST_RATE_HZ <= rate_hz <= HIGHEST_RATE_HZ:
                raise DialogError(
                    f"{name} has {rate_hz} samples a second: {LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ} are played"
                )
            samples = file.readframes(round(LONGEST_S * rate_hz) + 1)
    except (wave.Error, EOFError) as error:
        detail = f" ({error})" if str(error) else ""
        raise DialogError(f"{name} is no WAV file of PCM samples{detail}") from None
    samples = samples[: len(samples) - len(samples) % BYTES_PER_SAMPLE]  # a file may be cut off
    if not samples:
        raise DialogError(f"{name} has no sound in it")
    if len(samples) > LONGEST_S * rate_hz * BYTES_PER_SAMPLE:
        raise DialogError(f"{name} is longer than {LONGEST_S:g} s: cut it in several")
    return samples if rate_hz == TELEPHONE_RATE_HZ else _resampled(samples, rate_hz)


def _resampled(samples: bytes, rate_hz: int) -> bytes:
    import numpy as np  # only if a file needs it
    import soxr

    resampled = soxr.resample(np.frombuffer(samples, "<i2"), rate_hz, TELEPHONE_RATE_HZ)
    return bytes(resampled.astype("<i2").tobytes())


def _below(folder: str, path: str) -> Path:
    """Return where a file really is. Raises DialogError if that is not below `folder`, OSError."""
    root = Path(folder).expanduser().resolve(strict=True)
    real = (root / path).resolve(strict=True)
    if root not in real.parents:
        raise DialogError(f"{_named(path)} is not below dialog.audio_folder")
    return real


def _named(path: str) -> str:
    return f"PlayFile {path[:100]!r}"
