"""What callers say in this benchmark: names, words and audio of utterances, half of them for the report.

Recordings of Asterisk's prompts, digits and letters, put together where one is not enough, and hibari's
voice. Everything follows from an utterance's name: its text, its pauses, and the half that it belongs to. The
recordings that strings are made of are in both halves; the strings are not.

    for utterance in utterances(Half.TUNING, Kind.DIGITS):
        print(utterance.name, utterance.text, len(utterance.samples))
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from random import Random
from typing import NamedTuple

from actors.telephone import TELEPHONE_RATE_HZ
from benchmarks.harness.telephone_speech import is_words
from benchmarks.hearing.levels import Audio
from benchmarks.hearing.vocabulary import (
    ANSWERS,
    DIGITS,
    FIRST_NAMES,
    LAST_NAMES,
    PHONETIC_NAMES,
    REQUESTS,
    SPELLED,
    TEENS,
    TENS,
    TWENTIES,
)
from benchmarks.hearing.voices import Sound, Voice, at_spoken_level, joined, texts

LANGUAGES = ("en", "es")
LENGTHS = range(2, 12)
STRINGS_PER_LENGTH = 10
SYNTHESISED_STRINGS = 3
"""Of those."""
REPEATS = range(1, 13)
NUMBERS = 40
LONGEST_WORD_S = 1.2
SHORTEST_SENTENCE_S, LONGEST_SENTENCE_S = 1.0, 9.0
PAUSE_IN_STRING_MS = (60.0, 200.0)
PAUSE_BETWEEN_GROUPS_MS = (250.0, 350.0)
"""All pauses are shorter than the silence that ends an utterance."""
PAUSE_IN_NAME_MS = (250.0, 400.0)
SHARE_OF_GROUPS = 0.2


class Half(StrEnum):
    """What an utterance may be used for."""

    TUNING = "tuning"
    REPORT = "report"

    @classmethod
    def of(cls, name: str) -> Half:
        """Return the half that an utterance of this name belongs to, on every machine the same."""
        return cls.REPORT if digest(name) % 2 else cls.TUNING


class Kind(StrEnum):
    """What an utterance is."""

    DIGITS = "digit strings"
    REPEATED = "repeated words"
    NUMBERS = "numbers"
    WORDS = "single words"
    LETTERS = "letters"
    NAMES = "names with a pause"
    SENTENCES = "sentences"


@dataclass(frozen=True, slots=True, eq=False)
class Utterance:
    """One utterance as it is spoken, before any line."""

    name: str
    kind: Kind
    language: str
    text: str
    samples: Audio
    """8 kHz, from its first to its last sound, at -20 dBFS."""

    @property
    def duration_s(self) -> float:
        """How long it lasts."""
        return len(self.samples) / TELEPHONE_RATE_HZ


def digest(name: str) -> int:
    """Return the number of 64 bits that a name always gives."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")


def utterances(half: Half, *kinds: Kind, most: int | None = None) -> list[Utterance]:
    """Return one half's utterances of these kinds (none named: of all).

    They come in an order by their names' digests. With `most`, no more than so many of each kind and
    language: always the same ones first.
    """
    drafts = [
        draft for draft in _drafts() if Half.of(draft.name) is half and (not kinds or draft.kind in kinds)
    ]
    drafts.sort(key=lambda draft: digest(f"order {draft.name}"))
    chosen: list[Utterance] = []
    for kind in Kind:
        for language in LANGUAGES:
            those = (each for each in drafts if (each.kind, each.language) == (kind, language))
            chosen += [draft.speak() for draft in islice(those, most)]
    return chosen


class _Draft(NamedTuple):
    """An utterance whose audio has not been made yet."""

    name: str
    kind: Kind
    language: str
    text: str
    sounds: Sequence[Sound]
    pauses_ms: Sequence[float] = (0.0,)
    """After each sound."""

    def speak(self) -> Utterance:
        samples = joined((sound.samples() for sound in self.sounds), self.pauses_ms)
        return Utterance(self.name, self.kind, self.language, self.text, at_spoken_level(samples))


def _drafts() -> Iterator[_Draft]:
    for language in LANGUAGES:
        yield from _digit_strings(language)
        yield from _repeated(language)
        yield from _numbers(language)
        yield from _words(language)
        yield from _letters(language)
        yield from _names(language)
        yield from _sentences(language)


def _string(name: str, kind: Kind, language: str, text: str, files: Sequence[str]) -> _Draft:
    """Return recordings put together as a caller says a string: now and then he pauses between two groups."""
    random = Random(f"pauses {name}")
    pauses_ms = [
        random.uniform(
            *(PAUSE_BETWEEN_GROUPS_MS if random.random() < SHARE_OF_GROUPS else PAUSE_IN_STRING_MS)
        )
        for _ in files
    ]
    voice = Voice.recorded(language)
    return _Draft(name, kind, language, text, [Sound(voice, file) for file in files], pauses_ms)


def _digit_strings(language: str) -> Iterator[_Draft]:
    """Every second string ends in the same digit two, three or four times."""
    for length in LENGTHS:
        for number in range(STRINGS_PER_LENGTH):
            name = f"digits/{language}/{length}/{number}"
            random = Random(name)
            digits = [random.randrange(10) for _ in range(length)]
            if number % 2:
                tail = min(length, random.randint(2, 4))
                digits[-tail:] = [digits[-1]] * tail
            text = " ".join(DIGITS[language][digit] for digit in digits)
            if language == "en" and number >= STRINGS_PER_LENGTH - SYNTHESISED_STRINGS:
                yield _Draft(name, Kind.DIGITS, language, text, [Sound(Voice.HIBARI, text)])
            else:
                files = [f"digits/{digit}" for digit in digits]
                yield _string(name, Kind.DIGITS, language, text, files)


def _repeated(language: str) -> Iterator[_Draft]:
    words = {"no": "vm-no"} | {DIGITS[language][digit]: f"digits/{digit}" for digit in (0, 1, 6, 8)}
    for count in REPEATS:
        for word, file in words.items():
            name = f"repeated/{language}/{word}/{count}"
            yield _string(name, Kind.REPEATED, language, " ".join([word] * count), [file] * count)


def _numbers(language: str) -> Iterator[_Draft]:
    """One to three numbers of two or three digits: "forty seven, fifty nine". Half of English is hibari."""
    voice = Voice.recorded(language)
    for count in range(NUMBERS):
        name = f"numbers/{language}/{count}"
        random = Random(name)
        numbers = [_number(language, random) for _ in range(random.choice((1, 2, 2, 3)))]
        text = " ".join(words for words, _ in numbers)
        if language == "en" and count % 2:
            spoken = Sound(Voice.HIBARI, ", ".join(words for words, _ in numbers) + ".")
            yield _Draft(name, Kind.NUMBERS, language, text, [spoken])
            continue
        within_ms, between_ms = random.uniform(10, 40), random.uniform(150, 350)
        pauses_ms = [ms for _, files in numbers for ms in (*[within_ms] * (len(files) - 1), between_ms)]
        sounds = [Sound(voice, file) for _, files in numbers for file in files]
        yield _Draft(name, Kind.NUMBERS, language, text, sounds, pauses_ms)


def _number(language: str, random: Random) -> tuple[str, list[str]]:
    """Return the words of a number, and their recordings."""
    tens, units = random.randint(2, 9), random.randint(1, 9)
    if random.random() < 0.2:
        words, files = TEENS[language][units], [f"digits/1{units}"]
    elif language == "en":
        words = f"{TENS['en'][tens - 2]} {DIGITS['en'][units]}"
        files = [f"digits/{tens}0", f"digits/{units}"]
    elif tens == 2:
        words, files = TWENTIES[units], [f"digits/2{units}"]
    else:
        words = f"{TENS['es'][tens - 2]} y {DIGITS['es'][units]}"
        files = [f"digits/{tens}0", "digits/and", f"digits/{units}"]
    if random.random() < 0.7:
        return words, files
    if language == "es":
        return f"ciento {words}", ["digits/100-and", *files]
    hundreds = random.randint(1, 9)
    return f"{DIGITS['en'][hundreds]} hundred {words}", [f"digits/{hundreds}", "digits/hundred", *files]


def _words(language: str) -> Iterator[_Draft]:
    """Every recording of one word, and in English answers in hibari's voice."""
    voice = Voice.recorded(language)
    digits = {f"digits/{digit}": word for digit, word in enumerate(DIGITS[language])}
    for file, said in sorted((dict(texts(voice)) | digits).items()):
        text, sound = said.strip(" .!?,"), Sound(voice, file)
        if not text.isalpha() or file.startswith(("letters/", "spy-")) or sound.duration_s > LONGEST_WORD_S:
            continue
        yield _Draft(f"words/{language}/{file}", Kind.WORDS, language, text, [sound])
    if language == "en":
        for answer in ANSWERS:
            sounds = [Sound(Voice.HIBARI, f"{answer}.")]
            yield _Draft(f"words/en/hibari/{answer}", Kind.WORDS, "en", answer, sounds)


def _letters(language: str) -> Iterator[_Draft]:
    """Names letter by letter, and each letter alone."""
    for word in (*SPELLED, *"ABCDEFGHIJKLMNOPQRSTUVWXYZ"):
        files = [f"letters/{letter.lower()}" for letter in word]
        yield _string(f"letters/{language}/{word}", Kind.LETTERS, language, " ".join(word), files)


def _names(language: str) -> Iterator[_Draft]:
    """Two names with a pause between."""
    if language == "en":
        pairs = [(first, last) for first in FIRST_NAMES for last in LAST_NAMES]
        pairs = [pair for pair in pairs if digest(" ".join(pair)) % 8 == 0]
        sounds = {name: Sound(Voice.HIBARI, f"{name}.") for name in (*FIRST_NAMES, *LAST_NAMES)}
    else:
        pairs = [(one, other) for one in PHONETIC_NAMES for other in PHONETIC_NAMES if one != other]
        sounds = {name: Sound(Voice.SPANISH, file) for name, file in PHONETIC_NAMES.items()}
    for first, last in pairs:
        name = f"names/{language}/{first} {last}"
        pauses_ms = (Random(name).uniform(*PAUSE_IN_NAME_MS), 0.0)
        yield _Draft(name, Kind.NAMES, language, f"{first} {last}", [sounds[first], sounds[last]], pauses_ms)


def _sentences(language: str) -> Iterator[_Draft]:
    """Every prompt of two words and more, and in English requests in hibari's voice."""
    voice = Voice.recorded(language)
    for file, text in sorted(texts(voice).items()):
        if "/" in file or len(text.split()) < 2 or not is_words(text):
            continue
        sound = Sound(voice, file)
        if SHORTEST_SENTENCE_S <= sound.duration_s <= LONGEST_SENTENCE_S:
            yield _Draft(f"sentences/{language}/{file}", Kind.SENTENCES, language, text, [sound])
    if language == "en":
        for number, text in enumerate(REQUESTS):
            sounds = [Sound(Voice.HIBARI, text)]
            yield _Draft(f"sentences/en/hibari/{number}", Kind.SENTENCES, "en", text, sounds)
