"""Spoken sentences in memory: the most recently used ones that fit in a number of bytes.

It may hold any sentence, also one with a caller's words in it: it has only their keys, and ends with its
process. Pure; for one thread.
"""

from __future__ import annotations

ENTRY_BYTES = 256
"""Counted for each entry in addition to its audio: its key and its place in the order."""


class PhraseCache:
    """Keys to audio, bounded in bytes; the longest unused entry goes first."""

    def __init__(self, capacity_bytes: int) -> None:
        self.capacity_bytes = capacity_bytes
        self.size_bytes = 0
        """Of all entries, never more than the capacity."""
        self._audio: dict[str, bytes] = {}
        """The longest unused first."""

    def __contains__(self, key: str) -> bool:
        """Whether it is there; this does not count as a use."""
        return key in self._audio

    def get(self, key: str) -> bytes | None:
        """Return the audio, which may be empty; None if it is not there."""
        audio = self._audio.pop(key, None)
        if audio is not None:
            self._audio[key] = audio
        return audio

    def put(self, key: str, audio: bytes) -> None:
        """Keep the audio, unless it alone is too large; remove the longest unused until all fits."""
        if key in self._audio:
            self._remove(key)
        if len(audio) + ENTRY_BYTES > self.capacity_bytes:
            return
        self._audio[key] = audio
        self.size_bytes += len(audio) + ENTRY_BYTES
        while self.size_bytes > self.capacity_bytes:
            self._remove(next(iter(self._audio)))

    def _remove(self, key: str) -> None:
        self.size_bytes -= len(self._audio.pop(key)) + ENTRY_BYTES
