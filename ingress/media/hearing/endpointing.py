"""When an utterance begins, pauses, goes on and is over, from one yes or no per 20 ms and the frames' times.

| state | leads to | when |
|---|---|---|
| listening | begun | `onset_ms` of speech within the last one and a half times that |
| begun | sure | `sure_ms` of speech in all |
| sure | paused | `pause_ms` without speech |
| paused | sure | speech |
| all but listening | listening | `end_silence_ms` without speech; `maximum_utterance_s`; `end` is called |
| listening | sure | `go_on` is called: a full utterance was cut while the caller spoke |

An utterance with less speech than `minimum_speech_ms` is a cough and is dropped.

`listen` takes a quick first opinion on each frame; from the start on `follow` takes a second one, on the
frames of the onset as well. It may come after the frame, so the time of the frame's arrival decides. Frames
that silence suppression has left out are given to this class as frames without speech.
"""

from __future__ import annotations

from collections import deque
from enum import Enum, auto

from actors.telephone import FRAME_MS, FRAME_S
from ingress.configuration.settings import EndpointingSettings


class Judgement(Enum):
    """What a frame decides."""

    SURE = auto()
    PAUSED = auto()
    RESUMED = auto()
    ENDED = auto()
    DROPPED = auto()
    """What had begun was too short to be an utterance."""


class _State(Enum):
    LISTENING = auto()
    BEGUN = auto()
    SURE = auto()
    PAUSED = auto()


class Endpointer:
    """The states above, and how much speech there was."""

    def __init__(self, settings: EndpointingSettings, sure_ms: int) -> None:
        self._onset_frames = max(1, settings.onset_ms // FRAME_MS)
        # Who is sure may interrupt, so what is sure is never dropped.
        sure_ms = max(sure_ms, settings.minimum_speech_ms + FRAME_MS - 1)
        self._sure_frames = sure_ms // FRAME_MS
        self._minimum_speech_ms = settings.minimum_speech_ms
        self._maximum_frames = int(settings.maximum_utterance_s / FRAME_S)
        self._pause_ms = settings.pause_ms
        self.wait_for(settings.end_silence_ms)
        self._recent: deque[bool] = deque(maxlen=max(1, self._onset_frames * 3 // 2))
        self._state = _State.LISTENING
        self.last_speech_s = 0.0
        """When the utterance's last frame with speech arrived."""
        self.frames = 0
        """Of the utterance, whose second opinion was taken."""
        self._speech_frames = 0

    def wait_for(self, end_silence_ms: int) -> None:
        """Take an utterance for over after this much silence, from now on."""
        # Half a frame of tolerance: arrival times jitter, and 499.9 ms of silence is enough.
        self._end_silence_s = end_silence_ms / 1000.0 - FRAME_S / 2
        self._pause_s = (self._pause_ms or end_silence_ms) / 1000.0 - FRAME_S / 2

    @property
    def is_in_speech(self) -> bool:
        """Whether an utterance is under way."""
        return self._state is not _State.LISTENING

    @property
    def is_full(self) -> bool:
        """Whether the utterance is, or was, as long as it may be."""
        return self.frames >= self._maximum_frames

    def listen(self, has_speech: bool, now: float) -> tuple[bool, ...]:
        """Take the first opinion on a frame; return those on the latest frames if an utterance has begun."""
        recent = self._recent
        recent.append(has_speech)
        if not has_speech or recent.count(True) < self._onset_frames:
            return ()
        self._state = _State.BEGUN
        self.last_speech_s = now
        self.frames = self._speech_frames = 0
        onset = tuple(recent)
        recent.clear()
        return onset

    def pass_over(self, frames: int) -> None:
        """Take that many frames without speech, while listening."""
        self._recent.extend((False,) * frames)

    def forget(self) -> None:
        """Forget the latest frames: the stream was interrupted."""
        self._recent.clear()

    def follow(self, has_speech: bool, at_s: float) -> Judgement | None:
        """Take the second opinion on the utterance's next frame, which arrived at `at_s`."""
        self.frames += 1
        if has_speech:
            self._speech_frames += 1
            self.last_speech_s = at_s
        if self.is_full:
            return self._finish()
        return self._judge_speech() if has_speech else self._judge_silence(at_s - self.last_speech_s)

    def correct(self, has_speech: bool, at_s: float) -> None:
        """Replace the opinion that `follow` was given on the frame that arrived at `at_s` by its opposite."""
        if has_speech:
            self._speech_frames += 1
            self.last_speech_s = max(self.last_speech_s, at_s)
        else:
            self._speech_frames -= 1

    def go_on(self, frames: int) -> None:
        """Make the last `frames` of a full utterance the beginning of the next one, which is sure."""
        self._state = _State.SURE
        self.frames = frames

    def end(self) -> Judgement | None:
        """End the utterance now, if one is under way."""
        return self._finish() if self.is_in_speech else None

    def _judge_speech(self) -> Judgement | None:
        if self._state is _State.PAUSED:
            self._state = _State.SURE
            return Judgement.RESUMED
        if self._state is _State.BEGUN and self._speech_frames >= self._sure_frames:
            self._state = _State.SURE
            return Judgement.SURE
        return None

    def _judge_silence(self, silence_s: float) -> Judgement | None:
        if silence_s >= self._end_silence_s:
            return self._finish()
        if self._state is _State.SURE and silence_s >= self._pause_s:
            self._state = _State.PAUSED
            return Judgement.PAUSED
        return None

    def _finish(self) -> Judgement:
        self._state = _State.LISTENING
        has_enough = self._speech_frames * FRAME_MS >= self._minimum_speech_ms
        return Judgement.ENDED if has_enough else Judgement.DROPPED
