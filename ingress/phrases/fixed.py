"""What a media worker says by itself: all lines are busy, sorry, one moment.

The gateway renders them in the background into the cache's directory on disk (`ingress.phrases.warming`),
and the shelf reads them from there. In place of a phrase that is not on the shelf a tone is played.
"""

from __future__ import annotations

from collections.abc import Iterable

from actors.sentences import split_sentences
from actors.speakable import speakable_pieces
from ingress.configuration.extensions import Extension, Phrase
from ingress.configuration.phrases import phrase_text
from ingress.configuration.settings import Settings
from ingress.phrases.disk import phrase_store
from ingress.phrases.key import phrase_key

_Identity = tuple[str | None, str, str | None, str]


class PhraseShelf:
    """The phrases of all extensions as audio in memory: a second or two of 16 KB each."""

    def __init__(self, settings: Settings) -> None:
        self._store = phrase_store(settings.cache)
        self._speech = settings.speech
        self._audio: dict[tuple[str, ...], bytes] = {}
        """By the keys of a phrase's pieces: extensions that sound alike share it."""
        self._known_keys: dict[_Identity, tuple[str, ...]] = {}
        """By engine, language, voice and text: `audio` is called on the audio clock's loop; it reads none."""

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
        keys = self._known_keys.get(_identity(extension, phrase))
        return self._audio.get(keys) if keys is not None else None

    def _keys(self, extension: Extension, phrase: Phrase) -> tuple[str, ...]:
        """Return the keys of a phrase's pieces; none if there is no text for it."""
        identity = engine, language, voice, text = _identity(extension, phrase)
        if identity not in self._known_keys:
            self._known_keys[identity] = tuple(
                phrase_key(self._speech.for_engine(engine), language, voice, piece)
                for sentence in split_sentences(text)
                for piece in speakable_pieces(sentence, language)
            )
        return self._known_keys[identity]


def _identity(extension: Extension, phrase: Phrase) -> _Identity:
    return extension.tts, extension.language, extension.spoken_voice, phrase_text(extension, phrase) or ""
