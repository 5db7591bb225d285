"""The files of one recorded call. Used in the recorder's thread alone: each function may block.

A WAV file's header is right after every piece, so what a killed process leaves can be played as it is, but
for its last two seconds. A transcript is a JSON Lines file (https://jsonlines.org).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from ingress.media.recording.alignment import Piece
from ingress.recordings.wave_header import FRAME_BYTES, HEADER_BYTES, MAXIMUM_AUDIO_BYTES, header

FILE_MODE = 0o600
FOLDER_MODE = 0o700
_INT16 = np.dtype("<i2")


class _OpenFile:
    def __init__(self, path: Path) -> None:
        """Make the file and its folders. Raises OSError."""
        path.parent.parent.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
        path.parent.mkdir(FOLDER_MODE, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, FILE_MODE)

    def close(self) -> bool:
        """Close the file; return whether it is there: it may have been deleted. Raises OSError."""
        is_there = os.fstat(self._descriptor).st_nlink > 0
        os.close(self._descriptor)  # some file systems find out only now that they are full
        return is_there


class WaveFile(_OpenFile):
    """A stereo WAV file: left what was heard, right what was said."""

    def __init__(self, path: Path) -> None:
        """Make the file and its folders. Raises OSError."""
        super().__init__(path)
        self._audio_bytes = 0
        try:
            self._write_header()
        except OSError:
            os.close(self._descriptor)
            path.unlink()
            raise

    def append(self, piece: Piece) -> None:
        """Write a piece. Raises OSError; whole samples that were written before the error stay."""
        data = _stereo(piece)
        if self._audio_bytes + len(data) > MAXIMUM_AUDIO_BYTES:
            raise OSError("a WAV file holds no more than 4 GB")
        written_bytes = 0
        try:
            while written_bytes < len(data):
                offset = HEADER_BYTES + self._audio_bytes + written_bytes
                written_bytes += os.pwrite(self._descriptor, data[written_bytes:], offset)
        finally:
            self._audio_bytes += written_bytes - written_bytes % FRAME_BYTES
            self._write_header()

    def _write_header(self) -> None:
        data = header(self._audio_bytes)
        if os.pwrite(self._descriptor, data, 0) != len(data):
            raise OSError("the file's header was not written whole")


class TranscriptFile(_OpenFile):
    """One JSON line for the call, then one for each turn."""

    def __init__(self, path: Path) -> None:
        """Make the file and its folders. Raises OSError."""
        super().__init__(path)
        self._size_bytes = 0

    def append(self, entry: Mapping[str, Any]) -> None:
        """Write a line. Raises OSError; a line that was not written whole is taken away."""
        line = json.dumps(entry, ensure_ascii=False).encode(errors="backslashreplace") + b"\n"
        written_bytes = 0
        try:
            while written_bytes < len(line):
                offset = self._size_bytes + written_bytes
                written_bytes += os.pwrite(self._descriptor, line[written_bytes:], offset)
            self._size_bytes += len(line)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._descriptor, self._size_bytes)
            raise


def _stereo(piece: Piece) -> bytes:
    heard, said = (np.frombuffer(side, _INT16) for side in piece)
    return np.stack((heard, said), axis=1).tobytes()
