"""The sounds that utterances are made of: recordings of two languages, and hibari's voice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from actors.engines.hibari import HibariTts
from actors.messages import Synthesize
from actors.settings import SpeechSettings
from actors.telephone import TELEPHONE_RATE_HZ
from benchmarks.harness.telephone_speech import (
    ENGLISH,
    SPANISH,
    obtain_corpus,
    read_recording,
    read_transcripts,
)
from benchmarks.hearing.levels import Audio, at_level, limited, speech_level_dbfs, trimmed

SPOKEN_LEVEL_DBFS = -20.0


class Voice(StrEnum):
    """Whose."""

    ENGLISH = "en"
    """Asterisk's recordings."""
    SPANISH = "es"
    HIBARI = "hibari"
    """Synthesised; English."""

    @classmethod
    def recorded(cls, language: str) -> Voice:
        """Return the recordings of a language."""
        return cls(language)


_CORPORA = {Voice.ENGLISH: ENGLISH, Voice.SPANISH: SPANISH}


class Sound(NamedTuple):
    """One stretch of speech: a recording's name, or a text."""

    voice: Voice
    what: str

    def samples(self) -> Audio:
        """Return it from its first to its last sound, at -20 dBFS."""
        return _samples(self.voice, self.what)

    @property
    def duration_s(self) -> float:
        """How long it lasts."""
        return len(self.samples()) / TELEPHONE_RATE_HZ


def texts(voice: Voice) -> Mapping[str, str]:
    """Return the text of each recording, by name."""
    folder = _folder(voice)
    found = read_transcripts(obtain_corpus(Path("/"), _CORPORA[voice]), _CORPORA[voice])
    return {name: text for name, text in found.items() if (folder / f"{name}.wav").is_file()}


def joined(sounds: Iterable[Audio], pauses_ms: Iterable[float]) -> Audio:
    """Return sounds with a pause after each, but for the last."""
    parts: list[Audio] = []
    for sound, pause_ms in zip(sounds, pauses_ms, strict=True):
        parts += [sound, np.zeros(int(pause_ms * TELEPHONE_RATE_HZ / 1_000), np.int16)]
    return np.concatenate(parts[:-1])


def at_spoken_level(samples: Audio) -> Audio:
    """Return speech at -20 dBFS."""
    return limited(at_level(samples, speech_level_dbfs(samples), SPOKEN_LEVEL_DBFS))


@cache
def _samples(voice: Voice, what: str) -> Audio:
    if voice is Voice.HIBARI:
        audio = b"".join(_hibari().synthesize(Synthesize("benchmark", what, "en")))
    else:
        audio = read_recording(_folder(voice) / f"{what}.wav")
    return at_spoken_level(trimmed(np.frombuffer(audio, "<i2")))


@cache
def _folder(voice: Voice) -> Path:
    corpus = _CORPORA[voice]
    return obtain_corpus(Path("/"), corpus) / corpus.sounds


@cache
def _hibari() -> HibariTts:
    engine = HibariTts(SpeechSettings())
    engine.load()
    return engine
