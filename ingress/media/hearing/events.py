"""What the caller does, as hearing finds it: speaks, pauses, goes on, has finished.

Order within one utterance: `CallerSpeaking`, then any number of `CallerPaused` and `CallerResumed` in turn,
then `HeardUtterance`, which may follow a pause directly. A short answer is a `HeardUtterance` alone. After
`CallerSpeaking` there is always a `HeardUtterance`, unless the call ends. Sounds that turned out to be noise
make no event.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from actors.telephone import audio_duration_ms


class EndReason(Enum):
    """Why an utterance is over."""

    SILENCE = "silence"
    MAXIMUM = "maximum"
    DIGIT = "digit"


@dataclass(frozen=True, slots=True)
class HeardUtterance:
    """What the caller said, as audio: the utterance is over."""

    audio: bytes
    """8 kHz int16, look-back and a little trailing silence included."""
    last_speech_s: float
    decided_s: float
    reason: EndReason

    @property
    def duration_ms(self) -> float:
        """Length of the audio."""
        return audio_duration_ms(self.audio)


@dataclass(frozen=True, slots=True)
class CallerSpeaking:
    """It is sure that the caller speaks: enough speech, confirmed. Stops an answer that is being played."""

    since_s: float
    """When the utterance began."""


@dataclass(frozen=True, slots=True)
class CallerPaused:
    """The utterance may be over: a good moment to begin transcribing."""

    utterance: HeardUtterance
    """What was said so far; its `decided_s` is the moment of the pause."""


@dataclass(frozen=True, slots=True)
class CallerResumed:
    """The caller went on after a pause: what was begun then is worthless."""


HearingEvent = CallerSpeaking | CallerPaused | CallerResumed | HeardUtterance
