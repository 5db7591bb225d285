"""The languages of a whisper model, without loading it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from actors.checks.languages import primary

_CODES = """
af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha haw he hi hr ht hu hy
id is it ja jw ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr ms mt my ne nl nn no oc pa pl ps pt ro ru
sa sd si sk sl sn so sq sr su sv sw ta te tg th tk tl tr tt uk ur uz vi yi yo zh yue
"""
MULTILINGUAL = _CODES.split()
"""Of every multilingual model (faster_whisper/tokenizer.py); `yue` has been known since large-v3."""
OTHER_CODES = {"nb": "no", "jv": "jw", "fil": "tl", "iw": "he", "in": "id"}
"""Codes of today, or of once, for languages that the models know by another one."""
ENGLISH_ONLY_TOKENS = 51_864
"""Of the vocabulary; a multilingual one has a token more, and large-v3 two."""


LIKELY_PROBABILITY = 0.5
"""Of all languages asked for: with less, another one is as likely. Eleven letters or more of one of them have
0.55 or more, mostly 0.9; of a third language, 0.15 or less. Words as short as "sim" or "alô" have from 0.05
to 1.0, and so tell nothing."""


BUNDLED_ENGLISH = "bundled-en"
"""Name of the bundled model that knows English alone."""


def model_code(language: str) -> str:
    """Return the code by which the models know a language, whatever its region: `pt` of `pt_BR`."""
    code = primary(language)
    return OTHER_CODES.get(code, code)


def model_languages(model: str) -> list[str]:
    """Return the codes that a model takes, as far as its name or its folder says."""
    try:
        folder = Path(model).expanduser()
    except RuntimeError:  # `~nosuch`
        folder = Path(model)
    is_english_only = (
        _tokens(folder) == ENGLISH_ONLY_TOKENS
        if folder.is_dir()
        else model.endswith((".en", BUNDLED_ENGLISH))
    )
    return ["en"] if is_english_only else [*MULTILINGUAL, *OTHER_CODES]


def language_shares(languages: Sequence[str], probabilities: Mapping[str, float]) -> dict[str, float]:
    """Return how probable each of the languages is among these alone, as they are written there.

    `probabilities`: of all that the model knows, by its codes. The shares of what is probably in none of the
    languages are small: they add up to less than 1, and to 0 if the model knows none of them.
    """
    of_each = {language: probabilities.get(model_code(language), 0.0) for language in languages}
    total = max(sum(of_each.values()), LIKELY_PROBABILITY)
    return {language: probability / total for language, probability in of_each.items()}


def _tokens(folder: Path) -> int | None:
    """Return how many tokens the vocabulary of a folder has; None if that is not known."""
    for name in ("vocabulary.json", "vocabulary.txt"):
        try:
            text = (folder / name).read_text(encoding="utf-8")
            return len(json.loads(text) if name.endswith(".json") else text.splitlines())
        except (OSError, ValueError, TypeError):
            continue
    return None
