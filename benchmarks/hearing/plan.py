"""How much of the material is tried under which condition.

The clean line gets most: the figures by kind are its. Under each other condition the first of the same
utterances are tried again, so that conditions are compared on the same words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from benchmarks.hearing.conditions import CLEAN, CONDITIONS, NOISES_ALONE, Condition, NoiseAlone
from benchmarks.hearing.material import LANGUAGES, Half, Kind, Utterance, utterances


@dataclass(frozen=True, slots=True)
class SpeechJob:
    """One utterance, to be heard under one condition."""

    utterance: Utterance
    condition: Condition
    extension_language: str
    """In which it is transcribed."""


@dataclass(frozen=True, slots=True)
class NoiseJob:
    """One noise alone."""

    noise: NoiseAlone
    seconds: float
    half: Half


Job = SpeechJob | NoiseJob


@dataclass(frozen=True, slots=True)
class Plan:
    """How many utterances of each kind, in each language."""

    clean: Mapping[Kind, int]
    others: Mapping[Kind, int]
    conditions: Sequence[Condition]
    noise_s: float
    """Of each noise alone."""
    foreign: int
    """Spanish sentences on an English extension."""
    noises: Sequence[NoiseAlone] = NOISES_ALONE

    def jobs(self, half: Half) -> Iterator[Job]:
        """Yield what is to be done, the longest first."""
        if self.noise_s:
            yield from (NoiseJob(noise, self.noise_s, half) for noise in self.noises)
        spoken = {kind: utterances(half, kind, most=self.most(kind)) for kind in Kind}
        for condition in self.conditions:
            for kind, found in spoken.items():
                count = (self.clean if condition is CLEAN else self.others)[kind]
                for language in LANGUAGES:
                    those = [each for each in found if each.language == language]
                    yield from (SpeechJob(each, condition, language) for each in those[:count])
        for each in utterances(half, Kind.SENTENCES, most=self.foreign):
            if each.language == "es":
                yield SpeechJob(each, CLEAN, "en")

    def only(self, text: str) -> Plan:
        """Return a plan of the conditions that have a text in their names; of the noises alone as well."""
        conditions = [each for each in CONDITIONS if text in each.name]
        noises = [each for each in self.noises if text in each.name]
        return replace(self, conditions=conditions, noises=noises, foreign=0)

    def most(self, kind: Kind) -> int:
        """Return how many of a kind are needed in each language."""
        return max(self.clean[kind], self.others[kind])


FULL = Plan(
    clean=MappingProxyType({
        Kind.DIGITS: 40, Kind.REPEATED: 14, Kind.NUMBERS: 12, Kind.WORDS: 24, Kind.LETTERS: 12, Kind.NAMES: 7,
        Kind.SENTENCES: 16,
    }),
    others=MappingProxyType({
        Kind.DIGITS: 6, Kind.REPEATED: 2, Kind.NUMBERS: 2, Kind.WORDS: 7, Kind.LETTERS: 2, Kind.NAMES: 1,
        Kind.SENTENCES: 3,
    }),
    conditions=CONDITIONS,
    noise_s=300.0,
    foreign=20,
)  # fmt: skip
QUICK = Plan(
    clean=MappingProxyType(dict.fromkeys(Kind, 1) | {Kind.DIGITS: 3}),
    others=MappingProxyType(dict.fromkeys(Kind, 0) | {Kind.DIGITS: 1, Kind.WORDS: 1}),
    conditions=[each for each in CONDITIONS if each is CLEAN or "-44" in each.name or "10 dB" in each.name],
    noise_s=15.0,
    foreign=2,
)
