"""The words of the phrases that a media worker plays by itself, in each language.

A language is the part of its code before the hyphen. One without words of its own has none: English read by a
Polish voice is worse than a tone. The operator may set any of them per extension; an empty text means a tone.
"""

from __future__ import annotations

from actors.checks.languages import primary
from ingress.configuration.extensions import Extension, Phrase

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
    return TEXTS.get(primary(extension.language), {}).get(phrase)
