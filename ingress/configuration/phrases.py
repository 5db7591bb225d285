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
        Phrase.STILL_THERE: "Are you still there?",
        Phrase.NO_INPUT: "I could not hear anything. Goodbye.",
        Phrase.TOO_LONG: "This call has reached its longest time. Goodbye.",
        Phrase.NO_AUDIO: "There is no sound any more. Goodbye.",
        Phrase.CALLER_LEFT: "The caller has hung up. Goodbye.",
    },
    "pt": {
        Phrase.BUSY: "Todas as linhas estão ocupadas. Por favor, tente novamente mais tarde.",
        Phrase.APOLOGY: "Desculpe, ocorreu um problema. Por favor, repita.",
        Phrase.WAITING: "Um momento, por favor.",
        Phrase.STILL_THERE: "Você ainda está aí?",
        Phrase.NO_INPUT: "Não ouvi nada. Até logo.",
        Phrase.TOO_LONG: "Esta chamada chegou ao tempo máximo. Até logo.",
        Phrase.NO_AUDIO: "Não há mais som nesta chamada. Até logo.",
        Phrase.CALLER_LEFT: "A outra pessoa desligou. Até logo.",
    },
    "es": {
        Phrase.BUSY: "Todas las líneas están ocupadas. Por favor, inténtelo de nuevo más tarde.",
        Phrase.APOLOGY: "Lo siento, ha ocurrido un problema. Por favor, repítalo.",
        Phrase.WAITING: "Un momento, por favor.",
        Phrase.STILL_THERE: "¿Sigue usted ahí?",
        Phrase.NO_INPUT: "No he oído nada. Adiós.",
        Phrase.TOO_LONG: "Esta llamada ha llegado a su tiempo máximo. Adiós.",
        Phrase.NO_AUDIO: "Ya no hay sonido en esta llamada. Adiós.",
        Phrase.CALLER_LEFT: "La otra persona ha colgado. Adiós.",
    },
    "fr": {
        Phrase.BUSY: "Toutes nos lignes sont occupées. Veuillez rappeler plus tard.",
        Phrase.APOLOGY: "Je suis désolé, un problème est survenu. Veuillez répéter.",
        Phrase.WAITING: "Un instant, s'il vous plaît.",
        Phrase.STILL_THERE: "Êtes-vous toujours là ?",
        Phrase.NO_INPUT: "Je n'ai rien entendu. Au revoir.",
        Phrase.TOO_LONG: "Cet appel a atteint sa durée maximale. Au revoir.",
        Phrase.NO_AUDIO: "Il n'y a plus de son. Au revoir.",
        Phrase.CALLER_LEFT: "L'autre personne a raccroché. Au revoir.",
    },
    "de": {
        Phrase.BUSY: "Alle Leitungen sind belegt. Bitte versuchen Sie es später noch einmal.",
        Phrase.APOLOGY: "Es tut mir leid, es gab ein Problem. Bitte wiederholen Sie das.",
        Phrase.WAITING: "Einen Moment, bitte.",
        Phrase.STILL_THERE: "Sind Sie noch da?",
        Phrase.NO_INPUT: "Ich habe nichts gehört. Auf Wiederhören.",
        Phrase.TOO_LONG: "Dieser Anruf hat seine längste Dauer erreicht. Auf Wiederhören.",
        Phrase.NO_AUDIO: "Es ist kein Ton mehr zu hören. Auf Wiederhören.",
        Phrase.CALLER_LEFT: "Der Anrufer hat aufgelegt. Auf Wiederhören.",
    },
    "it": {
        Phrase.BUSY: "Tutte le linee sono occupate. La preghiamo di riprovare più tardi.",
        Phrase.APOLOGY: "Mi dispiace, si è verificato un problema. La prego di ripetere.",
        Phrase.WAITING: "Un momento, per favore.",
        Phrase.STILL_THERE: "È ancora in linea?",
        Phrase.NO_INPUT: "Non ho sentito nulla. Arrivederci.",
        Phrase.TOO_LONG: "Questa chiamata ha raggiunto la durata massima. Arrivederci.",
        Phrase.NO_AUDIO: "Non c'è più audio. Arrivederci.",
        Phrase.CALLER_LEFT: "L'altra persona ha riattaccato. Arrivederci.",
    },
}


def phrase_text(extension: Extension, phrase: Phrase) -> str | None:
    """Return the operator's text, else the language's own; None: there is none, use a tone."""
    chosen = extension.phrases.get(phrase)
    if chosen is not None:
        return chosen.strip() or None
    return TEXTS.get(primary(extension.language), {}).get(phrase)
