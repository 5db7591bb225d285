"""Characters: what a text may have in it, and what is left of it to be spoken.

`usual` makes one character of what readers take for the same one, and removes what they do not see. `tidy`,
the last step, leaves letters, digits, spaces and the punctuation that makes a pause.
"""

from __future__ import annotations

import re
import unicodedata

_ALIKE = {
    "’": "'", "‘": "'", "‛": "'", "ʼ": "'", "´": "'", "′": "'", "″": '"', "“": '"', "”": '"',
    "„": '"', "‟": '"',
    "«": '"', "»": '"', "‹": '"', "›": '"', "‐": "-", "‑": "-", "‒": "-", "⁃": "-", "−": "-",
    "―": "—", "…": "...",
    "№": "No.", "℃": "°C", "℉": "°F", "⁄": "/", "∕": "/", "•": " ", "‣": " ", "·": " ", "∗": "*", "✱": "*",
    **dict(zip("²³ºª½¼¾⅓⅔€£¥¢", "²³ºª½¼¾⅓⅔€£¥¢", strict=True)),
}  # fmt: skip
_JOINERS = "\u200c\u200d"
"""They shape the letters of some scripts, Arabic to Khmer."""
_THOUSANDS_SPACE = re.compile(r"(?<![\d.,'])([1-9]\d{0,2})((?:[\u00a0\u2009\u202f]\d{3})+)(?!\d)")
_GROUP_SPACE = re.compile(r"[\u00a0\u2009\u202f]")
_ROUND_THOUSANDS = re.compile(
    r"(?<![\w.,'-])(?<!\d )[1-9]\d{0,2}(?: \d{3})* 000(?: \d{3})*(?![\d'-]| \d)"
    r"|(?<![\w.,'-])(?<!\d )[1-9]\d{0,2}(?: \d{3})+(?=(?:,\d+)?\s?[€$£%])"
)
_PLAIN = re.compile(r"[\x20-\x7e]*")


def usual(text: str) -> str:
    """Return the text in its usual characters: composed, half-width, ASCII digits and quotes, no emoji."""
    text = _ROUND_THOUSANDS.sub(lambda found: found[0].replace(" ", "'"), text)
    if _PLAIN.fullmatch(text):
        return text
    text = _THOUSANDS_SPACE.sub(lambda found: found[1] + _GROUP_SPACE.sub("'", found[2]), text)
    text = unicodedata.normalize("NFC", text)
    return unicodedata.normalize("NFC", "".join(map(_usual, text, "\0" + text)))


def _usual(character: str, before: str) -> str:
    if " " <= character <= "~":
        return character
    if (alike := _ALIKE.get(character)) is not None:
        return alike
    category = unicodedata.category(character)
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if (
        category in ("Cf", "Me") or "\ufe00" <= character <= "\ufe0f"
    ):  # not seen: zero width, selectors, keycaps
        return character if character in _JOINERS and "\u0600" <= before <= "\u17ff" else ""
    if (category in ("So", "Sk", "Cc", "Cs", "Co", "Cn") and character != "°") or category[0] == "Z":
        return " "
    if category in ("No", "Nl", "Lm", "Ll", "Lu", "Lo", "Ps", "Pe", "Po", "Pd", "Sm", "Pc"):
        plain = unicodedata.normalize("NFKC", character).replace("⁄", "/")
        if category == "No" or (category == "Nl" and plain.isascii()):
            return f" {plain} " if plain.isascii() else " "
        if plain.isascii() or "\uff00" <= character <= "\uffef":  # wide forms, letters in fancy styles
            return plain
    return character


_KEPT_MARKS = frozenset(".,;:!?'-¿¡।॥。、，；：！？؟،؛۔…")
_SPACE = re.compile(r"\s+")
_BEFORE_MARK = re.compile(r"\s+(?=[,.;:!?。、，；：！？؟،؛۔](?!\w))")
_MARKS = re.compile(r"([,.;:!?](?:\s*[,.;:!?])+)")
_PAUSES = re.compile(r"(?<!\S)[,;:.!?'\-]+\s+|\s+'+(?!\w)|(?<![\w.])'+|'+(?!\w)|(?<!\w)-+|-+(?!\w)")
_LETTERS_END = re.compile(r"\.[^\W\d]$")
"""As in "p.m.": its last full stop is no pause."""
_START = re.compile(r"^[\s,.;:!?'\-]+")


def tidy(text: str, kept: str = "") -> str:
    """Return the letters, digits and pauses of a text, and `kept`; empty if there is nothing to say."""
    kept_marks = _KEPT_MARKS.union(kept)
    text = "".join(
        character if character.isalnum() or character in kept_marks or _is_mark(character) else " "
        for character in text
    )
    text = _BEFORE_MARK.sub("", _SPACE.sub(" ", text))
    text = _SPACE.sub(" ", _MARKS.sub(_one_mark, _PAUSES.sub(" ", text)))
    text = _START.sub("", text).rstrip(" ,;:-'")
    if not any(character.isalnum() or character in kept for character in text):
        return ""
    return text


def _is_mark(character: str) -> bool:
    """Whether it belongs to the letter before it."""
    return unicodedata.category(character) in ("Mn", "Mc") or character in _JOINERS


def _one_mark(found: re.Match[str]) -> str:
    """Of several marks the strongest one is left: a question, an exclamation, an end, a pause."""
    marks, rest = found[0], found.string[found.end() :]
    if marks[:2] == ".," and _LETTERS_END.search(found.string[: found.start()]):
        mark = ".,"
    elif "..." in marks and rest.lstrip()[:1].islower():
        mark = ","
    else:
        mark = next((mark for mark in "?!" if mark in marks), "." if "." in marks else marks[0])
    return mark if not rest or rest[0].isspace() else f"{mark} "
