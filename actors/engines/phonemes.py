"""From text to the sounds that neural voices were trained on, around what espeak-ng returns.

espeak-ng drops punctuation, which the voices need for their melody: a text is cut into clauses, the words of
each become sounds, and its mark is put back. Pure: the library is an argument.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from actors.checks.languages import normalised, primary

ESPEAK_VOICES = {"en": "en-us", "en-GB": "en", "pt": "pt-br", "pt-PT": "pt", "es": "es", "es-MX": "es-419",
                 "fr": "fr", "it": "it", "de": "de"}  # fmt: skip
"""espeak-ng's voice of a language, or of one of its regions."""

LEAST_CHARACTERS = 7
"""A single short word has no melody."""

MOST_CHARACTERS = 45
"""Three seconds of speech: an answer begins, and an interrupted one ends, within the work for it."""

_CLAUSE = re.compile(r"(.*?)([,;:.!?…—]+)(?=\s|$)|(.+)$", re.DOTALL)
_UNSPOKEN = re.compile(r"[\"“”„«»‹›()\[\]{}<>¡¿*_~`|\\^#]+")

# What misaki, the text processing that Kokoro was trained with, writes for sounds that espeak-ng ties
# together (its module for espeak-ng, Apache-2.0); longer ones first.
_KOKORO_SOUNDS = (
    ("a^ɪ", "I"), ("a^ʊ", "W"), ("d^z", "ʣ"), ("d^ʒ", "ʤ"), ("e^ɪ", "A"), ("o^ʊ", "O"), ("ə^ʊ", "Q"),
    ("s^s", "S"), ("t^s", "ʦ"), ("t^ʃ", "ʧ"), ("ɔ^ɪ", "Y"),
)  # fmt: skip
_KOKORO_ENGLISH = (
    ("ʔˌn̩", "tᵊn"), ("ʔn̩", "tᵊn"), ("ʔn", "tᵊn"), ("ə^l", "ᵊl"), ("ʲo", "jo"), ("ʲə", "jə"),
    ("a^ɪ", "I"), ("a^ʊ", "W"), ("d^ʒ", "ʤ"), ("e^ɪ", "A"), ("t^ʃ", "ʧ"), ("ɔ^ɪ", "Y"),
    ("ɚ", "əɹ"), ("ʔ", "t"), ("ʲ", ""), ("e", "A"), ("r", "ɹ"), ("x", "k"), ("ç", "k"), ("ɐ", "ə"),
    ("ɬ", "l"), ("\u0303", ""),
)  # fmt: skip
_KOKORO_AMERICAN = (("o^ʊ", "O"), ("ɜːɹ", "ɜɹ"), ("ɜː", "ɜɹ"), ("ɪə", "iə"), ("ː", ""))
_KOKORO_BRITISH = (("e^ə", "ɛː"), ("iə", "ɪə"), ("ə^ʊ", "Q"))
_SYLLABIC = re.compile("(\\S)\u0329")


@dataclass(frozen=True, slots=True)
class Clause:
    """Words, and the mark that ends them."""

    words: str
    mark: str
    """One of , ; : . ! ? … — or empty."""

    @property
    def ends_sentence(self) -> bool:
        """Whether a voice stops after it, rather than pauses."""
        return self.mark in {".", "!", "?", "…"}


def espeak_voice(language: str) -> str | None:
    """Return espeak-ng's voice of a language; None: it is none of raymal's."""
    return ESPEAK_VOICES.get(normalised(language)) or ESPEAK_VOICES.get(primary(language))


def clauses(text: str) -> list[Clause]:
    """Return the clauses of a text that have anything to say, without brackets and quotes."""
    found = []
    for match in _CLAUSE.finditer(_UNSPOKEN.sub(" ", text)):
        words = " ".join((match[1] or match[3] or "").split())
        if any(character.isalnum() for character in words):
            found.append(Clause(words, _mark(match[2] or "")))
    return found


def short_groups(parts: Sequence[Clause]) -> Iterator[list[Clause]]:
    """Yield clauses to be spoken together by a voice that takes long, so that the first is heard soon.

    A group has `LEAST_CHARACTERS`, if there are so many. A clause of more than `MOST_CHARACTERS` is cut.
    """
    waiting = [piece for part in parts for piece in cut(part, MOST_CHARACTERS)]
    group: list[Clause] = []
    for part in waiting:
        group.append(part)
        if sum(len(each.words) for each in group) >= LEAST_CHARACTERS:
            yield group
            group = []
    if group:
        yield group


def sentences(parts: Iterable[Clause]) -> Iterator[list[Clause]]:
    """Yield the clauses of each sentence."""
    group: list[Clause] = []
    for part in parts:
        group.append(part)
        if part.ends_sentence:
            yield group
            group = []
    if group:
        yield group


def cut(part: Clause, most_characters: int) -> list[Clause]:
    """Return a clause in like pieces of at most so many characters, cut between words, never in one."""
    spaces = [match.start() for match in re.finditer(" ", part.words)]
    if len(part.words) <= most_characters or not spaces:
        return [part]
    middle = min(spaces, key=lambda place: abs(place - len(part.words) // 2))
    first, second = Clause(part.words[:middle], ""), Clause(part.words[middle + 1 :], part.mark)
    return [*cut(first, most_characters), *cut(second, most_characters)]


def sounds(parts: Sequence[Clause], phonemes: Callable[[str], str]) -> str:
    """Return the sounds of clauses with their marks; `phonemes` gives those of words."""
    return " ".join(phonemes(part.words) + part.mark for part in parts)


def kokoro_sounds(ipa: str, language: str) -> str:
    """Return espeak-ng's tied IPA in the letters that Kokoro was trained on."""
    if primary(language) != "en":
        return _replaced(ipa, _KOKORO_SOUNDS).replace("^", "").replace("-", "")
    of_region = _KOKORO_BRITISH if normalised(language) == "en-GB" else _KOKORO_AMERICAN
    ipa = _replaced(ipa, (*of_region, *_KOKORO_ENGLISH))
    return _SYLLABIC.sub(r"ᵊ\1", ipa).replace("\u0329", "").replace("^", "")


def piper_sounds(ipa: str) -> str:
    """Return espeak-ng's tied IPA as Piper's voices know it: decomposed letters without ties."""
    return unicodedata.normalize("NFD", ipa.replace("^", ""))


def _mark(written: str) -> str:
    """A question stays one however it is written: the strongest of several marks."""
    return next((mark for mark in "?!….;:—," if mark in written), "")


def _replaced(text: str, changes: Iterable[tuple[str, str]]) -> str:
    for old, new in changes:
        text = text.replace(old, new)
    return text
