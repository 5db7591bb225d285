"""What hearing reports to the call: that the caller speaks, pauses, goes on, has finished.

| event | is followed by |
|---|---|
| `CallerSpeaking` | `CallerPaused`, `HeardUtterance` |
| `CallerPaused` | `CallerResumed`, `HeardUtterance` |
| `CallerResumed` | `CallerPaused`, `HeardUtterance` |
| `HeardUtterance` | `CallerSpeaking`, or `HeardUtterance` of a short answer |

So every `CallerSpeaking` leads to a `HeardUtterance`, unless the call ends. Of sounds that turned out to be
noise nothing is reported.
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
    """It is sure that the caller speaks: enough speech, confirmed. Stops an answer that is being played."""


@dataclass(frozen=True, slots=True)
class CallerPaused:
    """The utterance may be over: transcription may begin."""

    utterance: HeardUtterance
    """What was said so far; its `decided_s` is the moment of the pause."""


@dataclass(frozen=True, slots=True)
class CallerResumed:
    """The caller went on after a pause: a transcription begun then is of no use."""


HearingEvent = CallerSpeaking | CallerPaused | CallerResumed | HeardUtterance
