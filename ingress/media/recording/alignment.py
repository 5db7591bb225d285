"""Both sides of a call on one timeline: what was heard from the caller and what was said to the caller.

| what comes | goes |
|---|---|
| audio up to 160 ms after the end of the audio before | directly after that: no message is exactly on time |
| audio later than that | to its time, after silence |
| faint audio of the caller, 160 ms too early or more | nowhere: its clock is fast, or missing audio came |
| for 2 s nothing from either side: this process stood still | as if after 2 s: longer silence is on no side |

Pieces are taken when they are a second old. What has not come by then is silence.
"""

from __future__ import annotations

from actors.telephone import BYTES_PER_SAMPLE, TELEPHONE_RATE_HZ
from ingress.media.hearing.vad import is_faint

BYTES_PER_S = BYTES_PER_SAMPLE * TELEPHONE_RATE_HZ
TOLERANCE_BYTES = BYTES_PER_S * 160 // 1_000
"""As long as hearing waits for a frame."""
STALL_S = 2.0
PIECE_BYTES = BYTES_PER_S
"""Of one side, as it goes to the disk: work once a second for each call."""
AGE_BYTES = BYTES_PER_S
"""How old audio is before it is taken: what is read later has been thrown away by the receiver."""

Piece = tuple[bytes, bytes]
"""Heard and said, of the same length: 8 kHz int16."""


class _Side:
    __slots__ = ("_taken_bytes", "_waiting")

    def __init__(self) -> None:
        self._waiting = bytearray()
        self._taken_bytes = 0

    @property
    def end_bytes(self) -> int:
        """Where the next audio goes, if it is on time."""
        return self._taken_bytes + len(self._waiting)

    def add(self, audio: bytes, at_bytes: int) -> int:
        """Add audio that belongs at that place; return where it ends."""
        end_bytes = self._taken_bytes + len(self._waiting)
        late_bytes = at_bytes - end_bytes
        if late_bytes > TOLERANCE_BYTES:
            self._waiting += bytes(late_bytes)
            end_bytes = at_bytes
        self._waiting += audio
        return end_bytes + len(audio)

    def take(self, size_bytes: int) -> bytes:
        """Return the next so many bytes; silence for what is not there."""
        with memoryview(self._waiting) as waiting:  # a slice of the array itself would be copied twice
            piece = bytes(waiting[:size_bytes])
        del self._waiting[:size_bytes]
        self._taken_bytes += size_bytes
        return piece.ljust(size_bytes, b"\0")


class Alignment:
    """Of one call. `now` is its clock's, and never goes back."""

    __slots__ = ("_heard", "_last_s", "_said", "_start_s", "_taken_bytes")

    def __init__(self, now: float) -> None:
        self._start_s = self._last_s = now
        self._heard, self._said = _Side(), _Side()
        self._taken_bytes = 0

    def position_s(self, at_s: float) -> float:
        """Return where in the recording that time is."""
        return max(0.0, at_s - self._start_s)

    def heard(self, audio: bytes, now: float) -> None:
        """Take audio of the caller whose end came at `now`."""
        at_bytes = self._at(now) - len(audio)
        if self._heard.end_bytes - at_bytes < TOLERANCE_BYTES or not is_faint(audio):
            self._heard.add(audio, at_bytes)

    def said(self, audio: bytes, now: float) -> Piece | None:
        """Take audio that begins to play to the caller at `now`; return what is old enough, if it is much."""
        end_bytes = self._said.add(audio, self._at(now))
        size_bytes = end_bytes - self._taken_bytes - AGE_BYTES
        return self._take(size_bytes) if size_bytes >= PIECE_BYTES else None

    def rest(self) -> Piece:
        """Return all that has not been taken."""
        return self._take(max(self._heard.end_bytes, self._said.end_bytes) - self._taken_bytes)

    def _take(self, size_bytes: int) -> Piece:
        self._taken_bytes += size_bytes
        return self._heard.take(size_bytes), self._said.take(size_bytes)

    def _at(self, now: float) -> int:
        """Return where in the recording `now` is, in bytes of one side."""
        still_s = now - self._last_s
        if still_s > STALL_S:
            self._start_s += still_s - STALL_S
        self._last_s = now
        return int((now - self._start_s) * TELEPHONE_RATE_HZ) * BYTES_PER_SAMPLE
