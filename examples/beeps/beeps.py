"""A text-to-speech engine that needs no model: it spells the text, a beep for each letter."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from pydantic import BaseModel, Field

from actors.engines import Synthesize, TtsEngine

RATE_HZ = 8_000
AMPLITUDE = 8_000
"""-12 dBFS."""


class BeepsSettings(BaseModel):
    """`[speech.beeps]`."""

    lowest_hz: float = Field(default=400.0, ge=300.0, le=1_000.0)
    """Of the letter a; each letter after it is 50 Hz higher."""
    letter_ms: int = Field(default=60, ge=20, le=500)


class Beeps(TtsEngine):
    """Speaks every language."""

    Settings = BeepsSettings
    options: BeepsSettings

    def load(self) -> None:
        """There is no model."""

    def synthesize(self, request: Synthesize) -> Iterator[bytes]:
        """Yield one piece of 8 kHz int16 for each letter; silence for a space."""
        for character in request.text.strip().lower():
            if character.isspace():
                yield self._tone(0.0)
            elif "a" <= character <= "z":
                yield self._tone(self.options.lowest_hz + 50.0 * (ord(character) - ord("a")))

    def _tone(self, frequency_hz: float) -> bytes:
        times_s = np.arange(RATE_HZ * self.options.letter_ms // 1000) / RATE_HZ
        return (AMPLITUDE * np.sin(2.0 * np.pi * frequency_hz * times_s)).astype("<i2").tobytes()
