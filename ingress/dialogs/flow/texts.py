"""What every flow says by itself, in six languages, and texts with `{slots}` in them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([A-Za-z_]\w*)(?:\.([A-Za-z_]\w*))?\}|[{}]")
"""`{slot}`, `{slot.field}`; `{{` and `}}` are braces; any other brace is a mistake."""
CALL_NAMES = ("call_id", "caller_number", "caller_name", "extension")
"""What a placeholder may name beside slots."""


@dataclass(frozen=True, slots=True)
class CommonTexts:
    """One language's."""

    not_understood: str
    yes_or_no: str
    confirm: str
    """With `{value}`."""
    moment: str
    sorry: str
    """Before a call ends that cannot go on."""
    yes: str
    no: str


COMMON: Mapping[str, CommonTexts] = {
    "en": CommonTexts(
        "Sorry, I did not understand that.",
        "Please say yes or no.",
        "You said {value}. Is that right?",
        "One moment, please.",
        "I am sorry, we cannot go on here. Goodbye.",
        "yes",
        "no",
    ),
    "pt": CommonTexts(
        "Desculpe, não entendi.",
        "Por favor, diga sim ou não.",
        "Você disse {value}. Está certo?",
        "Um momento, por favor.",
        "Desculpe, não podemos continuar. Até logo.",
        "sim",
        "não",
    ),
    "es": CommonTexts(
        "Lo siento, no le he entendido.",
        "Por favor, diga sí o no.",
        "Ha dicho {value}. ¿Es correcto?",
        "Un momento, por favor.",
        "Lo siento, no podemos continuar. Adiós.",
        "sí",
        "no",
    ),
    "fr": CommonTexts(
        "Désolé, je n'ai pas compris.",
        "Veuillez dire oui ou non.",
        "Vous avez dit {value}. Est-ce exact ?",
        "Un instant, s'il vous plaît.",
        "Désolé, nous ne pouvons pas continuer. Au revoir.",
        "oui",
        "non",
    ),
    "de": CommonTexts(
        "Entschuldigung, das habe ich nicht verstanden.",
        "Bitte sagen Sie ja oder nein.",
        "Sie haben {value} gesagt. Ist das richtig?",
        "Einen Moment, bitte.",
        "Es tut mir leid, hier geht es nicht weiter. Auf Wiederhören.",
        "ja",
        "nein",
    ),
    "it": CommonTexts(
        "Mi dispiace, non ho capito.",
        "Per favore, dica sì o no.",
        "Ha detto {value}. È corretto?",
        "Un momento, per favore.",
        "Mi dispiace, non possiamo continuare. Arrivederci.",
        "sì",
        "no",
    ),
}


def placeholders(text: str) -> Iterator[tuple[str, str | None]]:
    """Yield the name and the field of each placeholder; an empty name for a brace that is none."""
    for found in PLACEHOLDER.finditer(text):
        if found[0] not in ("{{", "}}"):
            yield found[1] or "", found[2]


def has_placeholders(text: str) -> bool:
    """Whether the text is not the same for every caller."""
    return any(True for _ in placeholders(text))


def filled(text: str, value_of: Mapping[str, str]) -> str:
    """Return a text with the values of its placeholders; `value_of` has `slot` and `slot.field`."""

    def value(found: re.Match[str]) -> str:
        if found[0] in ("{{", "}}"):
            return found[0][0]
        name = f"{found[1]}.{found[2]}" if found[2] else found[1]
        return value_of.get(name, "") if found[1] else found[0]

    return PLACEHOLDER.sub(value, text)
