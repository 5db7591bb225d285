"""Which letters a voice can read: scripts by Unicode's names of letters, and the scripts of languages."""

from __future__ import annotations

import unicodedata
from collections import Counter

from actors.checks.languages import primary

LATIN = frozenset({"LATIN"})
_CYRILLIC, _ARABIC = frozenset({"CYRILLIC"}), frozenset({"ARABIC"})
_DEVANAGARI = frozenset({"DEVANAGARI"})
_SCRIPTS = {
    **dict.fromkeys(("ru", "uk", "bg", "be", "mk", "kk", "ky", "mn", "tg"), _CYRILLIC),
    **dict.fromkeys(("ar", "fa", "ur", "ps", "ckb"), _ARABIC),
    **dict.fromkeys(("hi", "mr", "ne", "sa"), _DEVANAGARI),
    **dict.fromkeys(("zh", "yue", "cmn"), frozenset({"CJK", "BOPOMOFO"})),
    **dict.fromkeys(("sr", "uz", "az", "bs"), _CYRILLIC | LATIN),
    "ja": frozenset({"CJK", "HIRAGANA", "KATAKANA"}),
    "ko": frozenset({"HANGUL", "CJK"}),
    "el": frozenset({"GREEK"}),
    "he": frozenset({"HEBREW"}),
    "yi": frozenset({"HEBREW"}),
    "th": frozenset({"THAI"}),
    "bn": frozenset({"BENGALI"}),
    "ta": frozenset({"TAMIL"}),
    "te": frozenset({"TELUGU"}),
    "kn": frozenset({"KANNADA"}),
    "ml": frozenset({"MALAYALAM"}),
    "gu": frozenset({"GUJARATI"}),
    "pa": frozenset({"GURMUKHI"}),
    "ka": frozenset({"GEORGIAN"}),
    "hy": frozenset({"ARMENIAN"}),
    "am": frozenset({"ETHIOPIC"}),
    "km": frozenset({"KHMER"}),
    "lo": frozenset({"LAO"}),
    "my": frozenset({"MYANMAR"}),
    "si": frozenset({"SINHALA"}),
}
# fmt: off
_IN_LATIN = frozenset({
    "en", "pt", "es", "fr", "de", "it", "nl", "ca", "gl", "eu", "pl", "cs", "sk", "sl", "hr",
    "hu", "ro", "sv", "da", "no",
    "nb", "nn", "fi", "et", "lv", "lt", "is", "ga", "cy", "tr", "vi", "id", "ms", "sw", "af",
    "sq", "fil", "tl",
})
# fmt: on
UNREADABLE_SHARE = 0.5
"""So many of the letters in other scripts: what the voice leaves out is not a name, but the text."""


def language_scripts(language: str) -> frozenset[str] | None:
    """Return the scripts that a voice of the language reads: the first words of its letters' Unicode names.

    A voice of another script is taken to read Latin letters as well. None: the language is not known here.
    """
    code = primary(language)
    if code in _IN_LATIN:
        return LATIN
    scripts = _SCRIPTS.get(code)
    return scripts | LATIN if scripts is not None else None


def unreadable(text: str, scripts: frozenset[str]) -> str | None:
    """Return what a voice of these scripts cannot read, if it is half of the letters or more."""
    letters = [character for character in text if character.isalpha()]
    if text.isascii() or not letters:
        return None
    found = Counter(_script(letter) for letter in letters)
    foreign = {script: count for script, count in found.items() if script not in scripts}
    if sum(foreign.values()) < UNREADABLE_SHARE * len(letters):
        return None
    names = " and ".join(sorted(script if script == "CJK" else script.title() for script in foreign))
    return f"{sum(foreign.values())} of {len(letters)} letters are {names}"


def _script(letter: str) -> str:
    return unicodedata.name(letter, "UNKNOWN").partition(" ")[0].partition("-")[0]
