"""What one call plays next: a bounded queue of sentences, cut into frames as they are asked for.

Sentences arrive in pieces of any size and are played without a seam; each frame may have another length than
the one before. If a sentence is open and its audio is not there, that is an underrun: the caller gets silence
on the clock, and it is counted. A sentence counts as heard once its last byte has been taken.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from actors.telephone import BYTES_PER_MS, FRAME_BYTES

LONG_FRAME_BYTES = 30 * BYTES_PER_MS
"""A frame's length when throttled."""
SILENCE = {size: bytes(size) for size in (FRAME_BYTES, LONG_FRAME_BYTES)}
"""A frame of silence, by its length."""
MAXIMUM_QUEUED_BYTES = 60_000 * BYTES_PER_MS
"""60 s. The gateway stays 20 s ahead at most."""


@dataclass(slots=True)
class _Piece:
    audio: bytes
    text: str | None
    """The sentence's, in its last piece."""
    may_interrupt: bool = True
    offset: int = 0


class Playout:
    """The audio of one answer: sentences in, frames out."""

    def __init__(self) -> None:
        self._pieces: deque[_Piece] = deque()
        self._queued_bytes = 0
        self._sentence_is_open = False
        self._sentence_is_torn = False
        """Some of the open sentence was dropped: no more of it plays, and it is not heard."""
        self._was_protected = False
        """The piece that was played last."""
        self._heard: list[str] = []
        self.has_news = False
        """Whether audio began, or a piece ended, since its user last set this to False."""
        self.played_bytes = 0
        """Audio taken, padding apart."""
        self.underruns = 0
        """Frames, of any length, that an open sentence did not fill."""
        self.underrun_bytes = 0
        """Silence in them."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is queued (a sentence may still be open)."""
        return not self._pieces

    @property
    def is_protected(self) -> bool:
        """Whether speech may not stop what plays now, or played last."""
        return not self._pieces[0].may_interrupt if self._pieces else self._was_protected

    def push(self, audio: bytes, text: str | None = None, may_interrupt: bool = True) -> bool:
        """Queue a piece of a sentence, its last if there is `text`; False: it is dropped, as is the rest."""
        if self._sentence_is_torn or self._queued_bytes + len(audio) > MAXIMUM_QUEUED_BYTES:
            self._sentence_is_torn = text is None
            return False
        if not self._pieces:
            self.has_news = True
        self._pieces.append(_Piece(audio, text, may_interrupt))
        self._queued_bytes += len(audio)
        return True

    def end_sentence(self, text: str) -> None:
        """The open sentence, if any, gets no more audio; it is heard when all of it has been played."""
        if self._sentence_is_torn:
            text, self._sentence_is_torn = "", False
        if not self._pieces:
            if self._sentence_is_open:  # else it had no audio
                self._heard.append(text)
            self._sentence_is_open = False
        elif self._pieces[-1].text is None:
            self._pieces[-1].text = text

    def drop(self) -> None:
        """Drop what is queued."""
        self._pieces.clear()
        self._queued_bytes = 0
        self._sentence_is_open = self._sentence_is_torn = False

    def rest(self, at_most_bytes: int) -> bytes:
        """Return what would be played next, of the first piece, for a fade."""
        if not self._pieces:
            return b""
        piece = self._pieces[0]
        return piece.audio[piece.offset : piece.offset + at_most_bytes]

    def next_frame(self, frame_bytes: int = FRAME_BYTES) -> bytes | None:
        """Return the next `frame_bytes` to play; None when there is nothing to say now."""
        if not self._pieces:
            if self._sentence_is_open:
                self._count_underrun(frame_bytes)
            return None
        piece = self._pieces[0]
        start = piece.offset
        end = start + frame_bytes
        if end >= len(piece.audio):
            return self._frame_across_pieces(frame_bytes)
        piece.offset = end
        self._queued_bytes -= frame_bytes
        self.played_bytes += frame_bytes
        self._sentence_is_open = True
        return piece.audio[start:end]

    def take_heard(self) -> list[str]:
        """Return the sentences that were played to their end since the last call."""
        heard, self._heard = self._heard, []
        return heard

    def _frame_across_pieces(self, frame_bytes: int) -> bytes:
        """Fill a frame from as many pieces as it takes; the last frame of all is padded."""
        parts: list[bytes] = []
        missing = frame_bytes
        while missing and self._pieces:
            piece = self._pieces[0]
            part = piece.audio[piece.offset : piece.offset + missing]
            piece.offset += len(part)
            missing -= len(part)
            parts.append(part)
            self._sentence_is_open = piece.text is None
            if piece.offset == len(piece.audio):
                self._pieces.popleft()
                self._was_protected = not piece.may_interrupt
                if piece.text is not None:
                    self._heard.append(piece.text)
        self.has_news = True
        self._queued_bytes -= frame_bytes - missing
        self.played_bytes += frame_bytes - missing
        if missing and self._sentence_is_open:
            self._count_underrun(missing)
        return b"".join(parts) + bytes(missing)

    def _count_underrun(self, missing_bytes: int) -> None:
        self.underruns += 1
        self.underrun_bytes += missing_bytes
