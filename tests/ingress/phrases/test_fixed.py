"""What a media worker says by itself: which words, and whether they are on the shelf."""

from __future__ import annotations

from pathlib import Path

import pytest
from further_engines import HUM
from recorded_pool import extension

from actors.sentences import split_sentences
from actors.settings import SpeechSettings
from ingress.configuration.extensions import Extension, Phrase
from ingress.configuration.phrases import TEXTS, phrase_text
from ingress.configuration.settings import CacheSettings, ExtensionSettings, Settings
from ingress.phrases.disk import Label, PhraseStore
from ingress.phrases.fixed import PhraseShelf
from ingress.phrases.key import phrase_key
from ingress.server.checking import extension_book

SPEECH = SpeechSettings(stt="scripted", tts="scripted")


def settings(directory: Path, disk_bytes: int = 1_000_000) -> Settings:
    """Return settings with two Portuguese extensions, one of which has words of its own."""
    return Settings(
        speech=SPEECH,
        cache=CacheSettings(directory=str(directory), disk_bytes=disk_bytes),
        extensions={
            "lisbon": ExtensionSettings(port=0, language="pt-PT"),
            "porto": ExtensionSettings(port=0, language="pt-PT", busy="Agora não."),
        },
    )


def render(directory: Path, extension: Extension, text: str) -> bytes:
    """Put a sentence's audio, which is its text, into the folder; return the audio."""
    audio = text.encode()
    key = phrase_key(SPEECH, extension.language, extension.voice, text)
    assert PhraseStore(directory, 1_000_000).write(
        key, Label(text, extension.language, None, "scripted"), audio
    )
    return audio


@pytest.mark.parametrize("language", ["en", "pt", "es", "fr", "de", "it"])
def test_each_language_has_all_phrases_of_its_own(language: str) -> None:
    """No language borrows a text from another."""
    texts = set(TEXTS[language].values())
    assert set(TEXTS[language]) == set(Phrase)
    assert len(texts) == len(Phrase)
    others = [text for other, phrases in TEXTS.items() if other != language for text in phrases.values()]
    assert not texts & set(others)


@pytest.mark.parametrize("language", ["pt", "pt-BR", "PT_br", "pt-Latn-BR"])
def test_the_language_is_the_part_before_the_hyphen(language: str) -> None:
    """In any spelling."""
    assert phrase_text(extension(language=language), Phrase.WAITING) == "Um momento, por favor."


def test_a_language_without_words_gets_none() -> None:
    """English words in a Polish voice are worse than a tone."""
    assert [phrase_text(extension(language="pl"), phrase) for phrase in Phrase] == [None] * len(Phrase)


def test_the_operator_s_words_come_first() -> None:
    """Also in a language that we have no words for; an empty text is a wish for a tone."""
    own = {"phrases": {Phrase.BUSY: "Zajęte.", Phrase.APOLOGY: " "}}
    chosen = extension(language="pl").model_copy(update=own)
    assert phrase_text(chosen, Phrase.BUSY) == "Zajęte."
    assert phrase_text(chosen, Phrase.APOLOGY) is None
    assert phrase_text(chosen.model_copy(update={"language": "en"}), Phrase.APOLOGY) is None


def test_the_shelf_has_what_was_rendered_and_finds_the_rest_later(tmp_path: Path) -> None:
    """Whole phrases only: with one sentence of two there is none."""
    chosen = settings(tmp_path)
    every = extension_book(chosen).extensions
    lisbon = every["lisbon"]
    shelf = PhraseShelf(chosen)
    shelf.load(every.values())
    assert shelf.audio(every["lisbon"], Phrase.BUSY) is None

    first, second = split_sentences(TEXTS["pt"][Phrase.BUSY])
    rendered = render(tmp_path, lisbon, first)
    shelf.load(every.values())
    assert shelf.audio(every["lisbon"], Phrase.BUSY) is None
    rendered += render(tmp_path, lisbon, second)
    shelf.load(every.values())
    assert shelf.audio(every["lisbon"], Phrase.BUSY) == rendered
    assert shelf.audio(every["porto"], Phrase.BUSY) is None
    own = render(tmp_path, lisbon, "Agora não.")
    shelf.load(every.values())
    assert shelf.audio(every["porto"], Phrase.BUSY) == own


def test_a_phrase_of_another_engine_is_another_phrase(tmp_path: Path) -> None:
    """Two extensions that differ in it alone do not share their audio."""
    chosen = settings(tmp_path)
    lisbon = extension_book(chosen).extensions["lisbon"]
    other = lisbon.model_copy(update={"tts": HUM})
    audio = render(tmp_path, lisbon, "Um momento, por favor.")
    shelf = PhraseShelf(chosen)
    shelf.load([lisbon, other])
    assert shelf.audio(lisbon, Phrase.WAITING) == audio
    assert shelf.audio(other, Phrase.WAITING) is None


def test_what_is_on_the_shelf_stays_there(tmp_path: Path) -> None:
    """The folder may be cleared meanwhile."""
    chosen = settings(tmp_path)
    every = extension_book(chosen).extensions
    audio = render(tmp_path, every["lisbon"], "Um momento, por favor.")
    shelf = PhraseShelf(chosen)
    shelf.load(every.values())
    assert PhraseStore(tmp_path, 1_000_000).clear().files == 1
    shelf.load(every.values())
    assert shelf.audio(every["lisbon"], Phrase.WAITING) == audio
    assert shelf.audio(every["porto"], Phrase.WAITING) is shelf.audio(every["lisbon"], Phrase.WAITING)
