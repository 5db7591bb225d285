"""Word error rate with a stated normalisation, so that spelling habits do not count as mishearing.

Both sides are treated alike, in this order: lower case; `#`, `*`, `%`, `&` become the words they are
read as; whole numbers below 100 and their ordinals become words, longer ones are read digit by digit
(as telephone numbers are); hyphens, dashes, slashes and ellipses separate words; all other punctuation
is dropped ("A.M." is "am", "user's" is "users"). Nothing else is forgiven: "voicemail" and "voice mail"
differ, as does a misspelling in the reference.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_SYMBOLS = {"#": "pound", "*": "star", "%": "percent", "&": "and"}
# fmt: off
_UNITS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)
# fmt: on
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_IRREGULAR_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth",
    "nine": "ninth", "twelve": "twelfth",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class WordErrors:
    """Edits that turn a reference into a hypothesis, and the words of the reference."""

    errors: int
    words: int

    @property
    def rate(self) -> float:
        """Word error rate, 0.0 and up; 1.0 for words heard where none were said."""
        return self.errors / self.words if self.words else float(self.errors > 0)


def normalise(text: str) -> str:
    """Return `text` as plain lower-case words, single spaces between."""
    text = text.lower()
    for symbol, word in _SYMBOLS.items():
        text = text.replace(symbol, f" {word} ")
    text = re.sub(r"(?<=\d),(?=\d{3})", "", text)
    text = re.sub(r"(\d+)(st|nd|rd|th)\b", lambda match: f" {_ordinal(match[1])} ", text)
    text = re.sub(r"\d+", lambda match: f" {_number(match[0])} ", text)
    text = re.sub(r"[-‐-―/…_]|\.{2,}", " ", text)
    text = re.sub(r"[^\w\s]", "", text)
    return " ".join(text.split())


def word_errors(references: Sequence[str], hypotheses: Sequence[str]) -> WordErrors:
    """Return the errors of all hypotheses together, after normalising both sides."""
    import jiwer

    counts = jiwer.process_words(
        [normalise(text) for text in references], [normalise(text) for text in hypotheses]
    )
    return WordErrors(
        errors=counts.substitutions + counts.deletions + counts.insertions,
        words=counts.hits + counts.substitutions + counts.deletions,
    )


def _number(digits: str) -> str:
    if len(digits) > 2 or (len(digits) == 2 and digits[0] == "0"):
        return " ".join(_UNITS[int(digit)] for digit in digits)
    value = int(digits)
    if value < len(_UNITS):
        return _UNITS[value]
    tens, units = divmod(value, 10)
    return _TENS[tens - 2] + (f" {_UNITS[units]}" if units else "")


def _ordinal(digits: str) -> str:
    *before, last = _number(digits).split()
    if last in _IRREGULAR_ORDINALS:
        last = _IRREGULAR_ORDINALS[last]
    else:
        last = f"{last[:-1]}ieth" if last.endswith("y") else f"{last}th"
    return " ".join([*before, last])
