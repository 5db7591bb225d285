"""What hearing reports to the call.

| event | is followed by |
|---|---|
| `CallerSpeaking` | `CallerPaused`, `HeardUtterance` |
| `CallerPaused` | `CallerResumed`, `HeardUtterance` |
| `CallerResumed` | `CallerPaused`, `HeardUtterance` |
| `HeardUtterance` | `CallerSpeaking`, or `HeardUtterance` of a short answer |

Of sounds that turned out to be noise nothing is reported.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HeardUtterance:
    """What the caller said, as audio: the utterance is over."""

    audio: bytes
    """8 kHz int16, look-back and a little trailing silence included."""
    last_speech_s: float
    decided_s: float


@dataclass(frozen=True, slots=True)
class CallerSpeaking:
    """It is sure that the caller speaks."""


@dataclass(frozen=True, slots=True)
class CallerPaused:
    """The utterance may be over: transcription may begin."""

    utterance: HeardUtterance
    """What was said so far."""


@dataclass(frozen=True, slots=True)
class CallerResumed:
    """The utterance was not over."""


HearingEvent = CallerSpeaking | CallerPaused | CallerResumed | HeardUtterance
