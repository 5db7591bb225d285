"""The echo dialog: says back what it heard. For trying out a connection and its speech."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from actors.checks.languages import primary
from ingress.configuration.settings import DialogSettings
from ingress.dialogs.base import (
    CallBegan,
    CallerNotUnderstood,
    CallerPressed,
    CallerSaid,
    Dialog,
    DialogAction,
    DialogCall,
    DialogEvent,
    Say,
)
from ingress.dialogs.texts import NOT_UNDERSTOOD


@dataclass(frozen=True, slots=True)
class EchoTexts:
    """What it says in one language."""

    greeting: str
    said: str
    """Before the caller's words."""
    pressed: str
    """With `{keys}`."""
    not_understood: str


TEXTS = {
    "en": EchoTexts(
        "Hello. Say something, and I will repeat it.",
        "You said:",
        "You pressed {keys}.",
        NOT_UNDERSTOOD["en"],
    ),
    "pt": EchoTexts(
        "Olá. Diga alguma coisa, e eu vou repetir.",
        "Você disse:",
        "Você apertou {keys}.",
        NOT_UNDERSTOOD["pt"],
    ),
    "es": EchoTexts(
        "Hola. Diga algo, y lo repetiré.",
        "Usted dijo:",
        "Usted pulsó {keys}.",
        NOT_UNDERSTOOD["es"],
    ),
    "fr": EchoTexts(
        "Bonjour. Dites quelque chose, et je vais le répéter.",
        "Vous avez dit :",
        "Vous avez appuyé sur {keys}.",
        NOT_UNDERSTOOD["fr"],
    ),
    "de": EchoTexts(
        "Hallo. Sagen Sie etwas, und ich wiederhole es.",
        "Sie haben gesagt:",
        "Sie haben {keys} gedrückt.",
        NOT_UNDERSTOOD["de"],
    ),
    "it": EchoTexts(
        "Salve. Dica qualcosa, e lo ripeterò.",
        "Lei ha detto:",
        "Ha premuto {keys}.",
        NOT_UNDERSTOOD["it"],
    ),
}
"""By language; in any other it speaks English."""


class EchoDialog(Dialog):
    """Greets, then repeats, in the language of the extension."""

    def __init__(self, settings: DialogSettings) -> None:
        super().__init__(settings)
        self._greeting = settings.greeting

    def fixed_texts_in(self, language: str) -> Sequence[str]:
        """Return the greeting, if any, and what is said when nothing was understood."""
        return [text for text in (self._greeting_in(language), _texts(language).not_understood) if text]

    async def respond(self, event: DialogEvent, call: DialogCall) -> AsyncIterator[DialogAction]:
        """Say the greeting, the words, the keys, or that nothing was understood."""
        texts = _texts(call.language)
        match event:
            case CallBegan():
                if greeting := self._greeting_in(call.language):
                    yield Say(greeting, is_fixed=True)
            case CallerSaid(text):
                yield Say(f"{texts.said} {text}")
            case CallerPressed(digits):
                yield Say(texts.pressed.format(keys=" ".join(digits)))
            case CallerNotUnderstood():
                yield Say(texts.not_understood, is_fixed=True)

    def _greeting_in(self, language: str) -> str:
        """Return the operator's, which may be empty, else the language's."""
        return _texts(language).greeting if self._greeting is None else self._greeting


def _texts(language: str) -> EchoTexts:
    return TEXTS.get(primary(language), TEXTS["en"])
