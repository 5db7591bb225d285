"""When an utterance begins, pauses, goes on and is over, from one yes or no per 20 ms and the frames' times.

Hysteresis on both sides: speech must fill `onset_ms` of the last one and a half times that before an
utterance starts, and be gone for `end_silence_ms` before it is over. Half-way, after `pause_ms`, it may be
over: a pause, which the next speech takes back. An utterance with less speech than `minimum_speech_ms` is
a cough and is dropped.

While nothing is under way, `listen` takes the quick first opinion on each frame as it comes. From the start
on, `follow` takes a second opinion on every frame, those of the onset included: it may come a little after
the frame, so each has the time of its own arrival, and those times, not the moment of the call, decide.
`correct` replaces an opinion that later audio shows to be wrong.
The caller's silence is often the absence of frames (silence suppression): whoever calls says so with
frames without speech. Nothing here reads a clock.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from actors.telephone import FRAME_MS, FRAME_S
from ingress.configuration.settings import EndpointingSettings
from ingress.media.hearing.events import EndReason


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """An utterance may have begun; audio from `look_back_ms` before belongs to it."""

    recent: tuple[bool, ...]
    """The opinions on the latest frames, oldest first, the present one included."""


@dataclass(frozen=True, slots=True)
class SpeechIsSure:
    """There has been so much speech that it is nothing else."""

    since_s: float


@dataclass(frozen=True, slots=True)
class SpeechPaused:
    """The utterance may be over."""

    last_speech_s: float


@dataclass(frozen=True, slots=True)
class SpeechResumed:
    """It was not over."""


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """The utterance is over."""

    last_speech_s: float
    """When the last frame with speech in it had arrived: the end of the caller's words."""
    reason: EndReason


@dataclass(frozen=True, slots=True)
class SpeechDropped:
    """What had begun was too short to be an utterance."""

    speech_ms: int


Judgement = SpeechIsSure | SpeechPaused | SpeechResumed | SpeechEnded | SpeechDropped


class Endpointer:
    """Listening, in speech, or paused."""

    __slots__ = (
        "_end_silence_s",
        "_frames",
        "_in_speech",
        "_is_paused",
        "_is_sure",
        "_last_speech_s",
        "_maximum_frames",
        "_minimum_speech_ms",
        "_onset_frames",
        "_pause_s",
        "_recent",
        "_speech_frames",
        "_started_s",
        "_sure_frames",
    )

    def __init__(self, settings: EndpointingSettings, sure_ms: int) -> None:
        self._onset_frames = max(1, settings.onset_ms // FRAME_MS)
        self._sure_frames = max(1, sure_ms // FRAME_MS)
        self._minimum_speech_ms = settings.minimum_speech_ms
        self._maximum_frames = int(settings.maximum_utterance_s / FRAME_S)
        # Half a frame of tolerance: arrival times jitter, and 499.9 ms of silence is enough.
        self._end_silence_s = settings.end_silence_ms / 1000.0 - FRAME_S / 2
        self._pause_s = settings.pause_ms / 1000.0 - FRAME_S / 2
        if settings.pause_ms == 0:
            self._pause_s = self._end_silence_s
        self._recent: deque[bool] = deque(maxlen=max(1, self._onset_frames * 3 // 2))
        self._in_speech = False
        self._is_sure = False
        self._is_paused = False
        self._started_s = 0.0
        self._last_speech_s = 0.0
        self._frames = 0
        self._speech_frames = 0

    @property
    def is_in_speech(self) -> bool:
        """Whether an utterance is under way."""
        return self._in_speech

    def listen(self, has_speech: bool, now: float) -> SpeechStarted | None:
        """Take the first opinion on a frame while no utterance is under way."""
        recent = self._recent
        recent.append(has_speech)
        if not has_speech or recent.count(True) < self._onset_frames:
            return None
        self._in_speech = True
        self._is_sure = self._is_paused = False
        self._started_s = self._last_speech_s = now
        self._frames = self._speech_frames = 0
        started = SpeechStarted(tuple(recent))
        recent.clear()
        return started

    def pass_over(self, frames: int) -> None:
        """Take that many frames without speech while no utterance is under way."""
        self._recent.extend((False,) * frames)

    def forget(self) -> None:
        """The stream was interrupted: what was heard before is no part of an onset."""
        self._recent.clear()

    def follow(self, has_speech: bool, at_s: float) -> Judgement | None:
        """Take the second opinion on the utterance's next frame, which arrived at `at_s`."""
        self._frames += 1
        if has_speech:
            self._speech_frames += 1
            self._last_speech_s = at_s
        if self._frames >= self._maximum_frames:
            return self._finish(EndReason.MAXIMUM)
        return self._judge_speech() if has_speech else self._judge_silence(at_s - self._last_speech_s)

    def correct(self, has_speech: bool, at_s: float) -> None:
        """Replace the opinion that `follow` was given on the frame that arrived at `at_s` by its opposite."""
        if has_speech:
            self._speech_frames += 1
            self._last_speech_s = max(self._last_speech_s, at_s)
        else:
            self._speech_frames -= 1

    def end(self, reason: EndReason) -> SpeechEnded | SpeechDropped | None:
        """End the utterance, if one is under way, for a reason that is not silence."""
        return self._finish(reason) if self._in_speech else None

    def _judge_speech(self) -> Judgement | None:
        if self._is_paused:
            self._is_paused = False
            return SpeechResumed()
        if not self._is_sure and self._speech_frames >= self._sure_frames:
            self._is_sure = True
            return SpeechIsSure(self._started_s)
        return None

    def _judge_silence(self, silence_s: float) -> Judgement | None:
        if silence_s >= self._end_silence_s:
            return self._finish(EndReason.SILENCE)
        if self._is_sure and not self._is_paused and silence_s >= self._pause_s:
            self._is_paused = True
            return SpeechPaused(self._last_speech_s)
        return None

    def _finish(self, reason: EndReason) -> SpeechEnded | SpeechDropped:
        self._in_speech = False
        speech_ms = self._speech_frames * FRAME_MS
        if speech_ms < self._minimum_speech_ms:
            return SpeechDropped(speech_ms)
        return SpeechEnded(self._last_speech_s, reason)
