"""What a media worker says by itself: all lines are busy, sorry, one moment.

These phrases are said when the gateway cannot help, so their audio lies in the media worker. It is not made
there: the gateway renders each phrase in the background into the cache's directory on disk
(`ingress.phrases.warming`), and the shelf reads it from there. A phrase that is not on the shelf, because it
has not been rendered yet, cannot be, or there is no such directory, is replaced by a tone.

Each language has its own words, chosen by the part of its code before the hyphen. A language without words
of its own gets none: English read by, say, a Polish voice is worse than a tone. The operator may set any
phrase per extension; an empty text means a tone as well.
"""

from __future__ import annotations

from collections.abc import Iterable

from actors.sentences import split_sentences
from ingress.configuration.extensions import Extension, Phrase
from ingress.configuration.settings import Settings
from ingress.phrases.disk import phrase_store
from ingress.phrases.key import phrase_key

TEXTS: dict[str, dict[Phrase, str]] = {
    "en": {
        Phrase.BUSY: "All lines are busy. Please try again later.",
        Phrase.APOLOGY: "I am sorry, something went wrong. Please say that again.",
        Phrase.WAITING: "One moment, please.",
    },
    "pt": {
        Phrase.BUSY: "Todas as linhas estão ocupadas. Por favor, tente novamente mais tarde.",
        Phrase.APOLOGY: "Desculpe, ocorreu um problema. Por favor, repita.",
        Phrase.WAITING: "Um momento, por favor.",
    },
    "es": {
        Phrase.BUSY: "Todas las líneas están ocupadas. Por favor, inténtelo de nuevo más tarde.",
        Phrase.APOLOGY: "Lo siento, ha ocurrido un problema. Por favor, repítalo.",
        Phrase.WAITING: "Un momento, por favor.",
    },
    "fr": {
        Phrase.BUSY: "Toutes nos lignes sont occupées. Veuillez rappeler plus tard.",
        Phrase.APOLOGY: "Je suis désolé, un problème est survenu. Veuillez répéter.",
        Phrase.WAITING: "Un instant, s'il vous plaît.",
    },
    "de": {
        Phrase.BUSY: "Alle Leitungen sind belegt. Bitte versuchen Sie es später noch einmal.",
        Phrase.APOLOGY: "Es tut mir leid, es gab ein Problem. Bitte wiederholen Sie das.",
        Phrase.WAITING: "Einen Moment, bitte.",
    },
    "it": {
        Phrase.BUSY: "Tutte le linee sono occupate. La preghiamo di riprovare più tardi.",
        Phrase.APOLOGY: "Mi dispiace, si è verificato un problema. La prego di ripetere.",
        Phrase.WAITING: "Un momento, per favore.",
    },
}


def phrase_text(extension: Extension, phrase: Phrase) -> str | None:
    """Return the operator's text, else the language's own; None: there is none, use a tone."""
    chosen = extension.phrases.get(phrase)
    if chosen is not None:
        return chosen.strip() or None
    language = extension.language.replace("_", "-").partition("-")[0].lower()
    return TEXTS.get(language, {}).get(phrase)


class PhraseShelf:
    """The phrases of all extensions as audio in memory: a second or two of 16 KB each."""

    def __init__(self, settings: Settings) -> None:
        self._store = phrase_store(settings.cache)
        self._speech = settings.speech
        self._audio: dict[tuple[str, ...], bytes] = {}
        """By the keys of a phrase's sentences: extensions that sound alike share it."""

    def load(self, extensions: Iterable[Extension]) -> None:
        """Read what is missing from the disk: blocking. A phrase is on the shelf whole or not at all."""
        if self._store is None:
            return
        wanted = {self._keys(extension, phrase) for extension in extensions for phrase in Phrase}
        for keys in wanted - self._audio.keys():
            parts = [self._store.read(key) for key in keys]
            audio = b"".join(part for part in parts if part is not None)
            if audio and None not in parts:
                self._audio[keys] = audio

    def audio(self, extension: Extension, phrase: Phrase) -> bytes | None:
        """Return the phrase as 8 kHz int16, at once; None when it is not on the shelf."""
        return self._audio.get(self._keys(extension, phrase))

    def _keys(self, extension: Extension, phrase: Phrase) -> tuple[str, ...]:
        """Return the keys of a phrase's sentences; none if there is no text for it."""
        return tuple(
            phrase_key(self._speech, extension.language, extension.voice, sentence)
            for sentence in split_sentences(phrase_text(extension, phrase) or "")
        )
