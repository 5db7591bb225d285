"""What one call plays next: a bounded queue of sentences, cut into 20 ms frames.

Sentences arrive in pieces of any size and are played without a seam. The frame clock asks for a frame
when one is due; if a sentence is open and its audio is not there, that is an underrun: the caller gets
silence on the clock, and it is counted. A sentence counts as heard once its last frame has been taken.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from actors.messages import BYTES_PER_SAMPLE, TELEPHONE_RATE_HZ
from ingress.pacing import FRAME_MS

FRAME_BYTES = TELEPHONE_RATE_HZ * BYTES_PER_SAMPLE * FRAME_MS // 1000
SILENCE_FRAME = bytes(FRAME_BYTES)
MAXIMUM_QUEUED_BYTES = 60 * TELEPHONE_RATE_HZ * BYTES_PER_SAMPLE
"""60 s. The gateway stays 20 s ahead at most; anything beyond this is refused by `push`."""


@dataclass(slots=True)
class _Piece:
    audio: bytes
    text: str
    ends_sentence: bool
    offset: int = 0


class Playout:
    """Sentences in, frames out."""

    def __init__(self) -> None:
        self._pieces: deque[_Piece] = deque()
        self._queued_bytes = 0
        self._sentence_is_open = False
        self._heard: list[str] = []
        self.underruns = 0
        self.played_frames = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing is queued (a sentence may still be open)."""
        return not self._pieces

    @property
    def has_heard(self) -> bool:
        """Whether `take_heard` has something to give."""
        return bool(self._heard)

    @property
    def queued_bytes(self) -> int:
        """Audio waiting to be played."""
        return self._queued_bytes

    def push(self, audio: bytes, text: str, ends_sentence: bool) -> bool:
        """Queue a piece of a sentence; False if the queue is full and the piece was refused."""
        if self._queued_bytes + len(audio) > MAXIMUM_QUEUED_BYTES:
            return False
        self._pieces.append(_Piece(audio, text, ends_sentence))
        self._queued_bytes += len(audio)
        return True

    def end_sentence(self, text: str) -> None:
        """The sentence has all its audio: it is heard when what is queued of it has been played."""
        if self._pieces:
            self._pieces[-1].ends_sentence = True
        else:
            self._heard.append(text)
            self._sentence_is_open = False

    def abandon_sentence(self) -> None:
        """The open sentence, if any, gets no more audio: what is queued plays, then silence is right."""
        if self._pieces:
            self._pieces[-1].ends_sentence = True
        self._sentence_is_open = False

    def next_frame(self) -> bytes | None:
        """Return the next 320 bytes to play; None when there is nothing to say now."""
        if not self._pieces:
            if self._sentence_is_open:
                self.underruns += 1
            return None
        piece = self._pieces[0]
        end = piece.offset + FRAME_BYTES
        if end < len(piece.audio):  # the common case: a whole frame inside one piece
            frame = piece.audio[piece.offset : end]
            piece.offset = end
            self._queued_bytes -= FRAME_BYTES
            self._sentence_is_open = True
        else:
            frame = self._frame_across_pieces()
        self.played_frames += 1
        return frame

    def take_heard(self) -> list[str]:
        """Return the sentences that have been played to their end since the last call."""
        heard, self._heard = self._heard, []
        return heard

    def _frame_across_pieces(self) -> bytes:
        """Fill a frame from as many pieces as it takes; the last frame of all is padded."""
        parts: list[bytes] = []
        missing = FRAME_BYTES
        while missing and self._pieces:
            piece = self._pieces[0]
            part = piece.audio[piece.offset : piece.offset + missing]
            piece.offset += len(part)
            missing -= len(part)
            self._queued_bytes -= len(part)
            parts.append(part)
            self._sentence_is_open = not piece.ends_sentence
            if piece.offset == len(piece.audio):
                self._pieces.popleft()
                if piece.ends_sentence:
                    self._heard.append(piece.text)
        if missing and self._sentence_is_open:
            self.underruns += 1
        return b"".join(parts) + bytes(missing)
