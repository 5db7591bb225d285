"""Who speaks in the calls: voices that no word list was written with, at several speeds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import soxr

from actors.telephone import TELEPHONE_RATE_HZ
from benchmarks.hearing.levels import trimmed
from benchmarks.hearing.voices import at_spoken_level
from ingress.caller.script_file import ScriptSpeech
from ingress.commands.script_call import Voice

EDGE_S = 0.06
"""Silence before and behind an utterance: a phone sends some."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """A voice of an engine at a speed, which changes its pitch as well: another person."""

    tts: str
    language: str
    voice: str | None
    speed: float = 1.0

    def say(self, text: str) -> bytes:
        """Return a text as 8 kHz int16 at -20 dBFS. Raises EngineError, ConfigurationError."""
        return _spoken(self, text)


SPEAKERS = {
    "en": tuple(Speaker("hibari", "en", None, speed) for speed in (0.9, 1.0, 1.12)),
    "pt": tuple(
        Speaker("kokoro", "pt", voice, speed)
        for voice, speed in (("pm_alex", 1.0), ("pm_santa", 0.95), ("pm_alex", 1.1))
    ),
}
"""By language. The server answers in Portuguese with another voice than these."""


@cache
def _voice(tts: str, language: str, voice: str | None) -> Voice:
    return Voice(ScriptSpeech(tts=tts, language=language, voice=voice))


@cache
def _spoken(speaker: Speaker, text: str) -> bytes:
    audio = _voice(speaker.tts, speaker.language, speaker.voice).say(text)
    samples = np.frombuffer(audio, "<i2").astype(np.float64)
    faster = soxr.resample(samples, TELEPHONE_RATE_HZ * speaker.speed, TELEPHONE_RATE_HZ)
    edge = np.zeros(int(EDGE_S * TELEPHONE_RATE_HZ), np.int16)
    whole = at_spoken_level(trimmed(np.clip(faster, -32_768, 32_767).astype(np.int16)))
    return np.concatenate((edge, whole, edge)).astype("<i2").tobytes()
