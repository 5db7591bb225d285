"""The recording of one call, as the event loop sees it: nothing here waits for the disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from ingress.media.recording.alignment import Alignment, Piece
from ingress.media.recording.call_files import CallFiles, Kept, Note
from ingress.media.recording.disk_thread import DiskThread
from ingress.media.turn import Turn

JOB_BYTES = 1_024
"""What a job without audio counts for."""
CONFIRMATION_S = 0.25
"""For the disk, at a call's end: its record waits so long."""


class Recording:
    """Of one call, on the event loop's side."""

    def __init__(self, files: CallFiles, now: float, thread: DiskThread, note: Note) -> None:
        """Recorded from `now` on, of the call's clock."""
        self._thread = thread
        self._note = note
        self._files = files
        self._keeps_audio = files.choice.audio
        self._alignment = Alignment(now)
        self._has_ended = False
        """There was no room for a piece, or it is finished: nothing more is written."""
        self._holds_files = self._submit(files.open, JOB_BYTES)
        """Whether they are still to be closed."""
        self._done: Callable[[Kept], None] | None = None
        """Waits for the files to be closed; with it there is a deadline."""
        self._timer: asyncio.TimerHandle

    def heard(self, frames: list[bytes], now: float) -> None:
        """Take frames of the caller, the last of which came at `now`."""
        if not self._keeps_audio:
            return
        self._alignment.heard(b"".join(frames), now)

    def said(self, frame: bytes, now: float) -> None:
        """Take a frame that begins to play to the caller at `now`."""
        if not self._keeps_audio:
            return
        piece = self._alignment.said(frame, now)
        if piece is not None:
            self._write(piece)

    def turn(self, turn: Turn) -> None:
        """Take a turn that is over."""
        if not self._files.choice.transcripts:
            return
        answered_from_s = turn.first_frame_s
        entry = {
            "turn": turn.number,
            "kind": turn.kind,
            "leg": turn.leg,
            "heard": turn.heard,
            "language": turn.language,
            "heard_until_s": self._position_s(turn.speech_ended_s),
            "answered": turn.kept_answer,
            "answered_from_s": None if answered_from_s is None else self._position_s(answered_from_s),
            "ending": None if turn.ending is None else turn.ending.name.lower(),
        }
        size_bytes = JOB_BYTES + 4 * (len(turn.heard or "") + len(turn.answered))
        self._submit(partial(self._files.write_turn, entry), size_bytes)

    def discard(self) -> None:
        """Delete the files: the call is not taken. Nothing is recorded any more."""
        self._release(self._files.discard)

    def finish(self, done: Callable[[Kept], None]) -> None:
        """Write the rest and close the files; `done` gets what is in them, on this loop, within 0.25 s."""
        if self._keeps_audio:
            self._write(self._alignment.rest())
        loop = asyncio.get_running_loop()
        self._done, self._timer = done, loop.call_later(CONFIRMATION_S, self.settle, False)
        was_complete = not self._has_ended

        def close() -> None:  # in the thread
            self._files.close()
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self.settle, was_complete)

        if not self._release(close):
            self.settle(False)

    def settle(self, is_complete: bool = False) -> None:
        """Do not wait for the files any longer. Idempotent."""
        done, self._done = self._done, None
        if done is not None:
            self._timer.cancel()
            done(self._files.kept(is_complete))

    def _position_s(self, at_s: float) -> float:
        return round(self._alignment.position_s(at_s), 2)

    def _write(self, piece: Piece) -> None:
        self._submit(partial(self._files.write_audio, piece), JOB_BYTES + 2 * len(piece[0]))

    def _submit(self, job: Callable[[], None], size_bytes: int) -> bool:
        if self._has_ended or self._files.problem is not None:
            return False
        self._has_ended = not self._thread.submit(job, size_bytes)
        if self._has_ended:
            self._note("the disk takes less than is recorded")
        return not self._has_ended

    def _release(self, job: Callable[[], None]) -> bool:
        """Have the files closed, once; return whether there were any to close."""
        held, self._holds_files, self._has_ended = self._holds_files, False, True
        if held:
            self._thread.release(job)
        return held
