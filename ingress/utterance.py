"""One utterance of the caller, as the ear hands it on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from actors.messages import audio_duration_ms


class EndReason(Enum):
    """Why an utterance is over."""

    SILENCE = "silence"
    MAXIMUM = "maximum"
    DIGIT = "digit"


@dataclass(frozen=True, slots=True)
class HeardUtterance:
    """What the caller said, as audio."""

    audio: bytes
    """8 kHz int16, look-back and a little trailing silence included."""
    last_speech_s: float
    decided_s: float
    reason: EndReason

    @property
    def duration_ms(self) -> float:
        """Length of the audio."""
        return audio_duration_ms(self.audio)
