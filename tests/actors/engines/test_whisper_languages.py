"""The languages of a whisper model, found out without loading it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from actors.checks.languages import is_clear
from actors.engines.whisper_languages import (
    ENGLISH_ONLY_TOKENS,
    MULTILINGUAL,
    OTHER_CODES,
    language_shares,
    model_code,
    model_languages,
)


def test_the_list_is_that_of_the_library() -> None:
    """Which is slow to import."""
    tokenizer = pytest.importorskip("faster_whisper.tokenizer")
    assert sorted(MULTILINGUAL) == sorted(tokenizer._LANGUAGE_CODES)
    assert set(OTHER_CODES.values()) <= set(MULTILINGUAL)


@pytest.mark.parametrize(
    ("language", "code"), [("en_US", "en"), ("PT-br", "pt"), ("pt", "pt"), ("nb-NO", "no"), ("zh_Hant", "zh")]
)
def test_the_model_is_asked_without_a_region(language: str, code: str) -> None:
    """However the language is written; it may have an older code in the model."""
    assert model_code(language) == code
    assert code in MULTILINGUAL


@pytest.mark.parametrize(
    ("model", "is_english"), [("bundled", False), ("small", False), ("small.en", True), ("bundled-en", True)]
)
def test_a_name_says_whether_a_model_knows_english_only(model: str, is_english: bool) -> None:
    """As all of the hub's do."""
    assert (model_languages(model) == ["en"]) == is_english


@pytest.mark.parametrize("tokens", [ENGLISH_ONLY_TOKENS, 51_865, 51_866])
def test_a_folder_says_it_by_its_vocabulary(tmp_path: Path, tokens: int) -> None:
    """Whatever it is called; one that cannot be read is judged when it is loaded."""
    (tmp_path / "vocabulary.json").write_text(json.dumps([str(number) for number in range(tokens)]))
    assert (model_languages(str(tmp_path)) == ["en"]) == (tokens == ENGLISH_ONLY_TOKENS)
    (tmp_path / "vocabulary.json").write_text("[")
    assert "pt" in model_languages(str(tmp_path))


def test_a_language_is_as_probable_as_it_is_among_those_asked_for() -> None:
    """By the codes that were asked for; of those that the model does not know none is."""
    heard = {"ru": 0.2, "en": 0.6, "pt": 0.2}
    assert language_shares(("pt-BR", "en-GB"), heard) == {
        "pt-BR": pytest.approx(0.25),
        "en-GB": pytest.approx(0.75),
    }
    assert language_shares(("xx", "yy"), heard) == {"xx": 0.0, "yy": 0.0}


def test_no_language_is_probable_if_a_third_one_was_spoken() -> None:
    """Spanish, to an extension in Portuguese and English: the more probable of the two is not clear."""
    shares = language_shares(("pt", "en"), {"es": 0.84, "en": 0.15, "pt": 0.01})
    assert shares == {"pt": pytest.approx(0.02), "en": pytest.approx(0.3)}
    assert not is_clear("Yes, of course.", 0.65, shares["en"])
