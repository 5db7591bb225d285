"""What one call leaves on the disk. Used in the recorder's thread, but for what is known of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from ingress.configuration.extensions import RecordingChoice
from ingress.media.recording.alignment import Piece
from ingress.media.recording.files import TranscriptFile, WaveFile
from ingress.recordings.folder import RecordingFolder
from ingress.recordings.names import AUDIO, TRANSCRIPT, RecordingName

Note = Callable[[str | None], None]


class Kept(NamedTuple):
    """Fields of a call's record."""

    recording: str | None
    transcript: str | None
    recording_is_complete: bool


class CallFiles:
    """Of one call. A problem with one of them ends both."""

    def __init__(
        self, note: Note, folder: RecordingFolder | None, name: RecordingName, choice: RecordingChoice
    ) -> None:
        """`note` is called with each problem, and with None that something was written."""
        self.choice = choice
        self.problem: str | None = None
        """Why nothing more is written."""
        self._note = note
        self._folder = folder
        self._name = name
        self._paths: dict[str, Path] = {}
        """Of the files that have been made, by their endings."""
        self._wave: WaveFile | None = None
        self._transcript: TranscriptFile | None = None

    def kept(self, is_complete: bool) -> Kept:
        """Return what there is now."""
        audio, transcript = (self._paths.get(ending) for ending in (AUDIO, TRANSCRIPT))
        return Kept(
            recording=None if audio is None else str(audio),
            transcript=None if transcript is None else str(transcript),
            recording_is_complete=is_complete and self.problem is None,
        )

    def open(self) -> None:
        """Make the files."""
        self._attempt(self._open)

    def write_audio(self, piece: Piece) -> None:
        """Write a piece."""
        if self._wave is not None:
            self._attempt(partial(self._wave.append, piece))
            self._wrote()

    def write_turn(self, entry: dict[str, Any]) -> None:
        """Write a turn."""
        if self._transcript is not None:
            self._attempt(partial(self._transcript.append, entry))
            self._wrote()

    def close(self) -> None:
        """Close the files; of one that was deleted meanwhile nothing is kept."""
        open_files = {AUDIO: self._wave, TRANSCRIPT: self._transcript}
        self._wave = self._transcript = None
        for ending, file in open_files.items():
            try:
                if file is not None and not file.close():
                    del self._paths[ending]
            except OSError as error:
                self._fail(error)

    def discard(self) -> None:
        """Close and delete the files."""
        self.close()
        for path in self._paths.values():
            with suppress(OSError):
                path.unlink()
        self._paths = {}

    def _open(self) -> None:
        if self._folder is None:
            raise OSError("recording.folder was not set when the server started")
        name = self._name
        if self.choice.audio:
            path = self._folder.file(name, AUDIO)
            self._wave = WaveFile(path)
            self._paths[AUDIO] = path
        if self.choice.transcripts:
            path = self._folder.file(name, TRANSCRIPT)
            self._transcript = TranscriptFile(path)
            self._paths[TRANSCRIPT] = path
            started_at = name.started_at.isoformat(timespec="milliseconds")
            entry = {"call_id": name.call_id, "extension": name.extension, "started_at": started_at}
            self._transcript.append(entry)

    def _attempt(self, work: Callable[[], None]) -> None:
        if self.problem is not None:
            return
        try:
            work()
        except OSError as error:
            self._fail(error)
            self.close()

    def _wrote(self) -> None:
        """Note a success. A new file is none: on a full disk there may be room for its name alone."""
        if self.problem is None:
            self._note(None)

    def _fail(self, error: OSError) -> None:
        self.problem = error.strerror or str(error)
        folder = "" if self._folder is None else f"{self._folder.path}: "
        self._note(f"{folder}{self.problem}")
