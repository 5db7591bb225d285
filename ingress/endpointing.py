"""When an utterance begins and when it is over, from one yes or no per 20 ms and the clock.

Hysteresis on both sides: speech must fill `onset_ms` of the last one and a half times that before an
utterance starts, and be gone for `end_silence_ms` before it is over. A burst with less speech than
`minimum_speech_ms` is a cough, not an utterance.

The caller's silence is often the absence of frames, not frames of zeros (Asterisk sends nothing while
the far side sends nothing, and a phone with silence suppression pauses its stream), so `pause` says
that no frame came and time passed; it counts as silence. Time is always the `now` given by the caller
of these methods; nothing here reads a clock.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from ingress.pacing import FRAME_MS, FRAME_S
from ingress.settings import EndpointingSettings
from ingress.utterance import EndReason


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """An utterance has begun; audio from `look_back_ms` before belongs to it."""

    at_s: float


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """The utterance is over."""

    last_speech_s: float
    """When the last frame with speech in it had arrived: the end of the caller's words."""
    decided_s: float
    reason: EndReason


@dataclass(frozen=True, slots=True)
class SpeechDropped:
    """What had begun was too short to be an utterance."""

    speech_ms: int


Judgement = SpeechStarted | SpeechEnded | SpeechDropped


class Endpointer:
    """Two states, listening and in speech."""

    def __init__(self, settings: EndpointingSettings) -> None:
        self._settings = settings
        self._onset_frames = max(1, settings.onset_ms // FRAME_MS)
        self._recent: deque[bool] = deque(maxlen=max(1, self._onset_frames * 3 // 2))
        self._in_speech = False
        self._speech_frames = 0
        self._started_s = 0.0
        self._last_speech_s = 0.0

    @property
    def is_in_speech(self) -> bool:
        """Whether an utterance is under way."""
        return self._in_speech

    def frame(self, has_speech: bool, now: float) -> Judgement | None:
        """Take the verdict on the frame that has just arrived."""
        return self._judge_in_speech(has_speech, now) if self._in_speech else self._judge(has_speech, now)

    def pause(self, now: float) -> Judgement | None:
        """No frame came, and it is `now`."""
        if self._in_speech:
            return self._end_if_silent(now)
        if self._recent and self._recent[-1]:
            self._recent.append(False)
        return None

    def end(self, reason: EndReason, now: float) -> Judgement | None:
        """End the utterance, if one is under way, for a reason that is not silence."""
        return self._finish(reason, now) if self._in_speech else None

    def _judge(self, has_speech: bool, now: float) -> Judgement | None:
        self._recent.append(has_speech)
        if not has_speech or sum(self._recent) < self._onset_frames:
            return None
        self._in_speech = True
        self._speech_frames = sum(self._recent)
        self._started_s = now
        self._last_speech_s = now
        return SpeechStarted(at_s=now)

    def _judge_in_speech(self, has_speech: bool, now: float) -> Judgement | None:
        if has_speech:
            self._speech_frames += 1
            self._last_speech_s = now
        if now - self._started_s >= self._settings.maximum_utterance_s - FRAME_S / 2:
            return self._finish(EndReason.MAXIMUM, now)
        return self._end_if_silent(now)

    def _end_if_silent(self, now: float) -> Judgement | None:
        # Half a frame of tolerance: arrival times jitter, and 499.9 ms of silence is enough.
        if now - self._last_speech_s < self._settings.end_silence_ms / 1000.0 - FRAME_S / 2:
            return None
        return self._finish(EndReason.SILENCE, now)

    def _finish(self, reason: EndReason, now: float) -> Judgement:
        self._in_speech = False
        self._recent.clear()
        speech_ms = self._speech_frames * FRAME_MS
        if speech_ms < self._settings.minimum_speech_ms:
            return SpeechDropped(speech_ms=speech_ms)
        return SpeechEnded(last_speech_s=self._last_speech_s, decided_s=now, reason=reason)
