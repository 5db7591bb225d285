"""Texts cut into clauses, and espeak-ng's sounds in the letters of two kinds of voices."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.engines.phonemes import (
    LEAST_CHARACTERS,
    MOST_CHARACTERS,
    clauses,
    espeak_voice,
    kokoro_sounds,
    piper_sounds,
    sentences,
    short_groups,
    sounds,
)

texts = st.text(st.sampled_from("abcé 0123 ,.;:!?…—()¿«» \n"), max_size=200)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Bom dia, tudo bem?", [("Bom dia", ","), ("tudo bem", "?")]),
        ("¿Qué hora es?! (dice)", [("Qué hora es", "?"), ("dice", "")]),
        ("Meet at a.b.c. Now", [("Meet at a.b.c", "."), ("Now", "")]),
        ("à 3,5 km — non…", [("à 3,5 km", "—"), ("non", "…")]),
        ("... — ?!", []),
        ("", []),
    ],
)
def test_a_text_is_cut_at_marks_that_end_words(text: str, found: list[tuple[str, str]]) -> None:
    """Marks inside a word stay, brackets and quotes go, and what has no letter is no clause."""
    assert [(part.words, part.mark) for part in clauses(text)] == found


@given(texts)
def test_groups_keep_all_words_and_are_neither_long_nor_tiny(text: str) -> None:
    """In their order; only the last may be tiny, and only a single word long."""
    parts = clauses(text)
    groups = list(short_groups(parts))
    words = [word for part in parts for word in part.words.split()]
    assert [word for group in groups for part in group for word in part.words.split()] == words
    for group in groups:
        assert all(len(part.words) <= MOST_CHARACTERS or " " not in part.words for part in group)
    for group in groups[:-1]:
        assert sum(len(part.words) for part in group) >= LEAST_CHARACTERS
    assert [part for sentence in sentences(parts) for part in sentence] == parts


def test_marks_are_put_back_behind_the_sounds() -> None:
    """The voices learned their melody from them."""
    assert sounds(clauses("one, two. three"), str.upper) == "ONE, TWO. THREE"


@pytest.mark.parametrize(
    ("ipa", "language", "written"),
    [
        ("bˈoŋ d^ʒˈiæ", "pt-BR", "bˈoŋ ʤˈiæ"),
        ("nˌɐ̃^ʊ̃", "pt", "nˌɐ̃ʊ̃"),
        ("həlˈo^ʊ bˈɑːɾə^l", "en", "həlˈO bˈɑɾᵊl"),
        ("ðe^əɹ nˈə^ʊ", "en-GB", "ðɛːɹ nˈQ"),
        ("t^sˈaj-t", "it", "ʦˈajt"),
    ],
)
def test_kokoro_has_single_letters_for_tied_sounds(ipa: str, language: str, written: str) -> None:
    """By its training's own table."""
    assert kokoro_sounds(ipa, language) == written


def test_piper_has_decomposed_letters() -> None:
    """A nasal vowel is a vowel and a tilde."""
    assert piper_sounds("t^ʃ ɐ̃ ç") == "tʃ ɐ\u0303 c\u0327"


@pytest.mark.parametrize(
    ("language", "voice"), [("pt", "pt-br"), ("pt-PT", "pt"), ("en-GB", "en"), ("es-AR", "es"), ("xx", None)]
)
def test_a_region_has_its_voice_else_its_languages(language: str, voice: str | None) -> None:
    """Of raymal's languages."""
    assert espeak_voice(language) == voice
