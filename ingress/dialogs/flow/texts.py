"""What every flow says by itself, in six languages, and texts with `{slots}` in them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ingress.dialogs.texts import MOMENT, NOT_UNDERSTOOD

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
        NOT_UNDERSTOOD["en"],
        "Please say yes or no.",
        "You said {value}. Is that right?",
        MOMENT["en"],
        "I am sorry, we cannot go on here. Goodbye.",
        "yes",
        "no",
    ),
    "pt": CommonTexts(
        NOT_UNDERSTOOD["pt"],
        "Por favor, diga sim ou não.",
        "Você disse {value}. Está certo?",
        MOMENT["pt"],
        "Desculpe, não podemos continuar. Até logo.",
        "sim",
        "não",
    ),
    "es": CommonTexts(
        NOT_UNDERSTOOD["es"],
        "Por favor, diga sí o no.",
        "Ha dicho {value}. ¿Es correcto?",
        MOMENT["es"],
        "Lo siento, no podemos continuar. Adiós.",
        "sí",
        "no",
    ),
    "fr": CommonTexts(
        NOT_UNDERSTOOD["fr"],
        "Veuillez dire oui ou non.",
        "Vous avez dit {value}. Est-ce exact ?",
        MOMENT["fr"],
        "Désolé, nous ne pouvons pas continuer. Au revoir.",
        "oui",
        "non",
    ),
    "de": CommonTexts(
        NOT_UNDERSTOOD["de"],
        "Bitte sagen Sie ja oder nein.",
        "Sie haben {value} gesagt. Ist das richtig?",
        MOMENT["de"],
        "Es tut mir leid, hier geht es nicht weiter. Auf Wiederhören.",
        "ja",
        "nein",
    ),
    "it": CommonTexts(
        NOT_UNDERSTOOD["it"],
        "Per favore, dica sì o no.",
        "Ha detto {value}. È corretto?",
        MOMENT["it"],
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
