"""Cut a stream of text into sentences, each as soon as it is surely complete.

A dialog writes its answer in pieces, as a language model does; speech starts with the first sentence
while the rest is being written. The end of a sentence is a matter of what follows it: "Dr. Smith" and
"at 5 p.m. tomorrow" go on, "Good day. How" does not. So a full stop ends a sentence only once the next
word has begun, and only if that word is not in lower case and the word before is no abbreviation. When
in doubt the sentence goes on: two sentences spoken together sound right, half a sentence does not.

Text is examined one character at a time and each decision looks at the text before it alone: however
the text is cut into pieces, the sentences are the same. None is longer than `MAX_SENTENCE_CHARACTERS`,
so that a voice can begin and no model gets more than it can speak. The marks are those of Unicode's
Sentence_Terminal property in daily use (Latin, Arabic, Hindi, Chinese, Japanese) and the ellipsis.
A cut that is forced by the length does not leave few digits of a longer string alone: they would be read as a
number of their own.
"""

from __future__ import annotations

import re

MAX_SENTENCE_CHARACTERS = 200
"""Of written text. How long it takes to be spoken is known once it is speakable: then it is cut again
(`actors.speakable.pieces`), under the limit of XTTS for languages in Latin script (203 to 273)."""

_MARKS_BEFORE_SPACE = "!?؟۔।॥"
_MARKS_ANYWHERE = "。！？｡"
_DOTS = ".…"
_MARKS = _MARKS_BEFORE_SPACE + _MARKS_ANYWHERE + _DOTS
_CLOSERS = "\"'”’»›)]}」』）】*_~`"
_OPENERS = "\"'“‘«‹([{¿¡*_~`"

# English, then German, French, Italian, Spanish, Portuguese. One set for all: a sentence too long does less
# harm than half a sentence, and few of them are words of another language.
# fmt: off
_ABBREVIATIONS = frozenset({
    "mr", "mrs", "ms", "mx", "dr", "prof", "rev", "hon", "st", "mt", "gen", "col", "sgt", "capt", "lt", "gov",
    "sen", "rep", "vs", "approx", "dept", "appt", "incl", "excl", "viz", "cf",
    "hr", "fr", "bzw", "ca", "evtl", "ggf", "inkl", "zzgl", "vgl", "bspw", "sog", "str", "mio", "mrd",
    "mme", "mlle", "mm", "env", "bd", "sig", "sigg", "dott", "ing", "avv", "ecc",
    "sr", "sra", "srta", "sres", "dra", "ud", "uds", "vd", "vds", "dña", "av", "avda", "lic", "ej",
    "srs", "profa", "exmo", "exma", "eng", "rod", "pça", "trav", "aprox", "ex", "obs",
})
_NUMBERED = frozenset({
    "no", "nos", "nr", "nrs", "nº", "n", "núm", "num", "art", "p", "pp", "pg", "pág", "págs", "pag", "fig",
    "figs", "ext", "tel", "tél", "vol", "apt", "apto", "ap", "apdo", "dpto", "depto", "rm", "ste", "bl",
    "cap", "ch", "chap", "sec", "cód", "ref", "kap", "abs", "cel", "int", "min", "max", "máx", "mín",
    "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec",
    "jän", "mär", "okt", "dez", "janv", "févr", "avr", "juil", "déc", "gen", "mag", "giu", "lug", "ago",
    "set", "ott", "dic", "ene", "abr", "fev", "mai", "out",
    "est", "mon", "tue", "tues", "wed", "thu", "thurs", "fri",
    "sat", "sun", "seg", "sex", "sáb",
})
# fmt: on
"""Abbreviations only when a number follows: "No. 5", "Jan. 5"; but "No. Not today", "See you in Jan. Bye"."""

_SHORT_NUMBER = re.compile(r"\d{1,2}")
_BEFORE_ORDINALS = frozenset(
    {"am", "vom", "zum", "beim", "im", "den", "dem", "der", "des", "bis", "ab", "seit"}
)
"""A number in front of a list, or a German ordinal: "1. Say yes", "am 3. Mai"; but "Press 1. Then wait"."""
_DOTTED = re.compile(r"([^\W\d_]{1,2}\.)+[^\W\d_]{1,2}")  # "e.g.", "p.m.", "U.S."
_CLAUSE_END = re.compile(r"[,;:—–](?=\s)|[，、；：]")
_WORD_END = re.compile(r"(?<!\d)(?=\s)|(?=\s(?!\d))")  # not inside "0800 123 4567"
_DIGITS_END = re.compile(r"\d{10}$")
_DIGITS_KEPT = 9


def split_sentences(text: str) -> list[str]:
    """Return the sentences of a whole text, without the space around them."""
    splitter = SentenceSplitter()
    return splitter.feed(text) + splitter.finish()


class SentenceSplitter:
    """Text in, in any pieces; complete sentences out."""

    def __init__(self) -> None:
        self._text = ""
        """The sentence so far. Never starts with space, is never longer than the limit."""

    def feed(self, text: str) -> list[str]:
        """Return the sentences that `text` completes."""
        sentences: list[str] = []
        for character in text:
            if _ends_sentence(self._text, character):
                sentences.append(self._take(len(self._text)))
            if self._text or not character.isspace():
                self._text += character
            if len(self._text) > MAX_SENTENCE_CHARACTERS:
                sentences.append(self._take(_forced_end(self._text)))
        return sentences

    def finish(self) -> list[str]:
        """Return what is left: the last sentence, or nothing."""
        return [self._take(len(self._text))] if self._text else []

    def _take(self, end: int) -> str:
        """Cut the first `end` characters off."""
        sentence, self._text = self._text[:end].rstrip(), self._text[end:].lstrip()
        return sentence


def _ends_sentence(text: str, following: str) -> bool:
    """Whether `text` is a whole sentence, given the character after it."""
    sentence = text.rstrip()
    if not sentence:
        return False
    if following == "\n":
        return True
    core = sentence.rstrip(_CLOSERS)
    mark = core[-1:]  # empty when the text is closing marks alone
    if not mark:
        return False
    spaced = len(sentence) < len(text)
    if mark in _MARKS_ANYWHERE:
        return following not in _CLOSERS + _MARKS
    if mark in _MARKS_BEFORE_SPACE:
        return spaced or following.isspace()
    if mark in _DOTS and spaced and not following.isspace():
        return not following.islower() and not _goes_on(core, following)
    return False


def _goes_on(core: str, following: str) -> bool:
    """Whether the full stop at the end of `core` belongs to its last word."""
    words = core[:-1].split()[-2:] if core[:-1] and not core[-2].isspace() else [""]
    word = words[-1].lstrip(_OPENERS)
    return (
        word.lower() in _ABBREVIATIONS
        or (following.isdigit() and word.lower() in _NUMBERED)
        or (len(word) == 1 and word.isalpha())
        or (
            _SHORT_NUMBER.fullmatch(word) is not None
            and (len(words) == 1 or words[0].lower() in _BEFORE_ORDINALS)
        )
        or _DOTTED.fullmatch(word) is not None
    )


def _forced_end(text: str) -> int:
    """Where to cut a text that is too long: after its last clause, else its last word, else anywhere."""
    for pattern in (_CLAUSE_END, _WORD_END):
        ends = [found.end() for found in pattern.finditer(text) if found.end() <= MAX_SENTENCE_CHARACTERS]
        if ends:
            return ends[-1]
    if _DIGITS_END.search(text):
        return MAX_SENTENCE_CHARACTERS - _DIGITS_KEPT
    return MAX_SENTENCE_CHARACTERS
