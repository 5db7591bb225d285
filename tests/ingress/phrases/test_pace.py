"""What is known of an engine's speed."""

from __future__ import annotations

from ingress.phrases.pace import SECONDS_PER_LETTER, UNKNOWN_FACTOR, Pace, Paces


def test_what_an_engine_says_counts_until_it_has_been_measured() -> None:
    """Of each engine and language by itself."""
    paces = Paces()
    assert paces.of(None, "en") == Pace(UNKNOWN_FACTOR, UNKNOWN_FACTOR, SECONDS_PER_LETTER)
    paces.expect("kokoro", 0.65)
    assert paces.of("kokoro", "pt") == Pace(0.65, 0.65, SECONDS_PER_LETTER)
    paces.note("kokoro", "pt", letters=20, first_s=0.4, whole_s=1.6, audio_s=2.0)
    assert paces.of("kokoro", "pt") == Pace(0.8, 0.2, 0.1)
    assert paces.of("kokoro", "es") == Pace(0.65, 0.65, SECONDS_PER_LETTER)


def test_one_sentence_that_waited_means_nothing_and_old_ones_are_forgotten() -> None:
    """A model was loaded; or the machine is busy from now on."""
    paces = Paces()
    for whole_s in (0.2, 9.0, 0.2):
        paces.note(None, "en", 15, whole_s, whole_s, 1.0)
    assert paces.of(None, "en").factor == 0.2
    for _ in range(6):
        paces.note(None, "en", 15, 0.9, 0.9, 1.0)
    assert paces.of(None, "en").factor == 0.9


def test_very_short_sentences_are_not_measured() -> None:
    """Most of their time is not spent on speech."""
    paces = Paces()
    paces.note(None, "en", 2, 0.3, 0.3, 0.2)
    paces.note(None, "en", 0, 0.3, 0.3, 2.0)
    assert paces.of(None, "en").factor == UNKNOWN_FACTOR
