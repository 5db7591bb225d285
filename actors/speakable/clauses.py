"""Cut a sentence into clauses, for an engine that takes long for a whole one.

| cut | unless |
|---|---|
| after a comma, a semicolon, a colon, a dash | it stands between digits |
| before a conjunction, in a clause of more than `LONG_WEIGHT` | it is between two words of a number |
| at the space next to the middle, in a clause of more than `LONGEST_WEIGHT` | the same |

No clause is shorter than `LEAST_WORDS` words or `LEAST_WEIGHT`: a voice says a single word as a sentence of
its own. The text is a speakable one: numbers and abbreviations are words already. A clause keeps its mark,
or gets a comma, so that the voice goes on after it. The cuts depend on the text alone: a clause that is said
again is found again.
"""

from __future__ import annotations

import re
from functools import cache

from actors.checks.languages import primary
from actors.speakable.pieces import weight
from actors.speakable.spelling import spelling
from actors.speakable.text import LANGUAGES, SpeakableText

LEAST_WORDS = 3
LEAST_WEIGHT = 12
"""Not a second of speech."""
LONG_WEIGHT = 45
"""Three seconds."""
LONGEST_WEIGHT = 100
"""What a slow engine has to make within the deadline of a synthesis."""

_SYLLABLE = "[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]"
_MARK_END = re.compile(
    rf"(?:(?<!\d)[,;:]|(?<=\d)[,;:](?!\s*\d))(?=\s)|[—–](?=\s)|[，、；：]|(?<={_SYLLABLE})[,;:]"
)
_SPACE = re.compile(r"(?<=\S)\s(?=\S)")
_PAUSES = " ,;:—–，、；："

# fmt: off
_CONJUNCTIONS = {
    "en": ("and", "but", "or", "because", "so", "while", "although", "if", "when", "until"),
    "pt": ("e", "mas", "ou", "porque", "pois", "então", "enquanto", "embora", "se", "quando", "até"),
    "es": ("y", "e", "pero", "o", "porque", "pues", "mientras", "aunque", "si", "cuando", "hasta"),
    "fr": ("et", "mais", "ou", "parce", "car", "donc", "pendant", "si", "quand", "lorsque", "puis"),
    "de": ("und", "aber", "oder", "weil", "denn", "während", "obwohl", "wenn", "dass", "bis", "damit"),
    "it": ("e", "ma", "o", "perché", "quindi", "mentre", "anche", "se", "quando", "finché"),
}
# fmt: on
_BEFORE_CONJUNCTION = {
    language: re.compile(rf"(?<=\S)\s(?=(?:{'|'.join(words)})\s)", re.IGNORECASE)
    for language, words in _CONJUNCTIONS.items()
}


def clauses_of(text: SpeakableText, language: str) -> list[SpeakableText]:
    """Return the text in clauses; the whole of it if there is no place to cut."""
    code = primary(language)
    clauses = _cut(text, [found.end() for found in _MARK_END.finditer(text)])
    clauses = [part for clause in clauses for part in _at_conjunctions(clause, code)]
    *others, last = [part for clause in clauses for part in _halves(clause, code)]
    return [SpeakableText(part if part[-1] in _PAUSES else f"{part},") for part in others] + [
        SpeakableText(last)
    ]


def _at_conjunctions(clause: str, code: str) -> list[str]:
    conjunction = _BEFORE_CONJUNCTION.get(code)
    if conjunction is None or weight(clause) <= LONG_WEIGHT:
        return [clause]
    places = (found.start() for found in conjunction.finditer(clause))
    return _cut(clause, [place for place in places if not _is_in_number(clause, place, code)])


def _halves(clause: str, code: str) -> list[str]:
    """Return a clause, cut in the middle while it is too long for a slow engine."""
    if weight(clause) <= LONGEST_WEIGHT:
        return [clause]
    spaces = [found.start() for found in _SPACE.finditer(clause)]
    places = [place for place in spaces if not _is_in_number(clause, place, code)]
    if not places:
        return [clause]
    middle = min(places, key=lambda place: abs(2 * place - len(clause)))
    return [*_halves(clause[:middle], code), *_halves(clause[middle + 1 :], code)]


def _is_in_number(clause: str, place: int, code: str) -> bool:
    """Whether a space stands between two words of a number: "two hundred and five"."""
    numbers = _number_words(code)
    before = _last_word(clause[:place])
    after = clause[place:].split(maxsplit=2)
    if after[0].lower() == LANGUAGES[code].conjunction if code in LANGUAGES else False:
        after = after[1:]
    elif code in LANGUAGES and before == LANGUAGES[code].conjunction:
        before = _last_word(clause[:place].rpartition(" ")[0])
    return bool(after) and before in numbers and after[0].lower().strip(_PAUSES) in numbers


def _last_word(text: str) -> str:
    return text.split()[-1].lower() if text.split() else ""


@cache
def _number_words(code: str) -> frozenset[str]:
    """Return the words of which a language's numbers are made, hyphens not cut."""
    words = LANGUAGES.get(code)
    if words is None:
        return frozenset()
    numbers = spelling(code, tuple(words.rulesets.items()))
    values = (*range(101), *range(200, 1_001, 100), 2_000, 10**6, 2 * 10**6, 10**9, 2 * 10**9)
    spelled = {numbers.number(value, form) for value in values for form in ("plain", "feminine")}
    return frozenset(word.lower() for text in spelled for word in text.split()) - {words.conjunction}


def _cut(text: str, ends: list[int]) -> list[str]:
    """Return the text cut at those of the places that leave enough before and after them."""
    clauses: list[str] = []
    start = 0
    for end in ends:
        if _is_enough(text[start:end].strip()) and _is_enough(text[end:].strip()):
            clauses.append(text[start:end].strip())
            start = end
    return [*clauses, text[start:].strip()]


def _is_enough(clause: str) -> bool:
    clause_weight = weight(clause)
    are_syllables = clause_weight > 2 * len(clause)  # Chinese and Japanese have no space between words
    return clause_weight >= LEAST_WEIGHT and (are_syllables or len(clause.split()) >= LEAST_WORDS)
