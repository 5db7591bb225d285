"""One name of a list as it was heard: whole, in part, or a little wrong.

| said | found |
|---|---|
| "Ana Souza", where there is an Ana Lima too | Ana Souza: it says more than "Ana" |
| "Ana" | both: they are as near |
| "Ana Costa" of Ana Souza and Rui Costa | both: each has a word that the other has not |
| "Doctor Stone" | not Doctor Bell: a title is no part of a name |
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz, process

from actors.checks.languages import primary
from ingress.dialogs.matching.phrases import matching_words
from ingress.dialogs.matching.tokens import folded_words
from ingress.dialogs.matching.vocabulary import VOCABULARIES

WHOLE_SCORE = 80.0
"""Of 100, of rapidfuzz's ratio, for a name of two words or more."""
WORD_SCORE = 85.0
"""For a single word, which is sooner another one."""
PART_PENALTY = 8.0
"""For a first or last name alone: who has it as a whole name, or an alias, comes first."""
MARGIN = 4.0
"""Two entries within it are as near."""
MOST_WORDS = 24
"""Of an answer, of which the first are looked at."""
SHORTEST_PART = 3
"""Letters of a part of a name: not "de", "da"."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a text may mean: the one entry, or several that are as near; none: neither."""

    keys: tuple[str, ...]

    @property
    def key(self) -> str | None:
        """The entry, if there is just one."""
        return self.keys[0] if len(self.keys) == 1 else None


class NameList:
    """Names to find in what callers say. Made once for each language: numbers in names are in figures."""

    def __init__(self, names: Mapping[str, Sequence[str]], language: str) -> None:
        """`names`: what each entry is called, by its key; the first of it is its name, also known in part."""
        self._language = language
        vocabulary = VOCABULARIES.get(primary(language))
        self._titles = frozenset(folded_words(vocabulary.titles) if vocabulary else ())
        spoken: dict[int, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
        for key, called in names.items():
            for place, name in enumerate(called):
                words = matching_words(name, language)
                if not words:
                    continue
                spoken[len(words)][" ".join(words)][key] = 0.0
                if place == 0 and len(words) > 1 and not any(map(str.isdecimal, words)):
                    for word in words:
                        if len(word) >= SHORTEST_PART and word not in self._titles:
                            spoken[1][word].setdefault(key, PART_PENALTY)
        self._spoken = {length: dict(of_length) for length, of_length in spoken.items()}
        self._texts = {length: list(of_length) for length, of_length in self._spoken.items()}

    def find(self, text: str) -> Found:
        """Return the entry whose name is in the text."""
        said = matching_words(text, self._language)[:MOST_WORDS]
        scores: dict[str, float] = {}
        places: dict[str, set[int]] = defaultdict(set)
        for length, of_length in self._spoken.items():
            for at in range(len(said) - length + 1):
                part = " ".join(said[at : at + length])
                for name, score in self._near(part, length):
                    for key, penalty in of_length[name].items():
                        # A longer name says more: "Ana Souza" before "Ana".
                        scores[key] = max(scores.get(key, 0.0), score - penalty + length)
                        places[key].update(range(at, at + length))
        if not scores:
            return Found(())
        best = max(scores, key=lambda key: scores[key])
        least = scores[best] - MARGIN
        return Found(
            tuple(key for key, score in scores.items() if score > least or not places[key] <= places[best])
        )

    def _near(self, part: str, length: int) -> list[tuple[str, float]]:
        if part in self._spoken[length]:
            return [(part, 100.0)]
        if len(part) <= SHORTEST_PART:
            return []
        figures = _figures(part)
        cutoff = WORD_SCORE if length == 1 else WHOLE_SCORE
        found = process.extract(part, self._texts[length], scorer=fuzz.ratio, score_cutoff=cutoff, limit=5)
        return [
            (name, score)
            for name, score, _ in found
            if _figures(name) == figures and self._is_near_without_titles(part, name)
        ]

    def _is_near_without_titles(self, part: str, name: str) -> bool:
        """Whether two are alike not only for their titles: "Dona Ana" and "Dona Marina" are not."""
        said, called = ([w for w in words.split() if w not in self._titles] for words in (part, name))
        cutoff = WHOLE_SCORE if len(called) > 1 else WORD_SCORE
        return fuzz.ratio(" ".join(said), " ".join(called)) >= cutoff


def _figures(words: str) -> list[str]:
    """Return the numbers among words: they are heard exactly, or not at all."""
    return [word for word in words.split() if word.isdecimal()]
