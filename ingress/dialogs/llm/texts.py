"""What the language-model dialog says by itself, in the same words to every caller."""

from __future__ import annotations

from dataclasses import dataclass, fields

from actors.checks.languages import primary


@dataclass(frozen=True, slots=True)
class LlmTexts:
    """Its sentences in one language."""

    hello: str
    """When the call begins and the endpoint does not answer."""
    filler: str
    """While the model takes its time."""
    failed: str
    """The endpoint does not answer."""
    again: str
    """Behind `failed`, if the call goes on."""
    cut: str
    """An answer broke off after its first sentences."""
    limit: str
    """The call has reached a limit."""
    goodbye: str
    """Before the call ends, if nothing else was said."""
    connecting: str
    """Before a transfer, if nothing else was said."""
    not_understood: str

    @property
    def all(self) -> tuple[str, ...]:
        """Every one of them."""
        return tuple(getattr(self, field.name) for field in fields(self))


TEXTS = {
    "en": LlmTexts(
        "Hello, how can I help you?",
        "One moment, please.",
        "I am sorry, I have a technical problem.",
        "Could you say that again, please?",
        "I am sorry, I could not finish. Could you say that again, please?",
        "I have to end our conversation here.",
        "Goodbye.",
        "I will connect you now.",
        "Sorry, I did not understand that.",
    ),
    "pt": LlmTexts(
        "Olá, como posso ajudar?",
        "Um momento, por favor.",
        "Desculpe, estou com um problema técnico.",
        "Você pode repetir, por favor?",
        "Desculpe, não consegui terminar. Você pode repetir, por favor?",
        "Preciso encerrar a nossa conversa aqui.",
        "Até logo.",
        "Vou transferir a sua ligação agora.",
        "Desculpe, não entendi.",
    ),
    "es": LlmTexts(
        "Hola, ¿en qué puedo ayudarle?",
        "Un momento, por favor.",
        "Lo siento, tengo un problema técnico.",
        "¿Puede repetirlo, por favor?",
        "Lo siento, no he podido terminar. ¿Puede repetirlo, por favor?",
        "Tengo que terminar aquí nuestra conversación.",
        "Adiós.",
        "Le comunico ahora.",
        "Lo siento, no le he entendido.",
    ),
    "fr": LlmTexts(
        "Bonjour, comment puis-je vous aider ?",
        "Un instant, s'il vous plaît.",
        "Je suis désolé, j'ai un problème technique.",
        "Pouvez-vous répéter, s'il vous plaît ?",
        "Je suis désolé, je n'ai pas pu terminer. Pouvez-vous répéter, s'il vous plaît ?",
        "Je dois terminer notre conversation ici.",
        "Au revoir.",
        "Je vous mets en relation.",
        "Désolé, je n'ai pas compris.",
    ),
    "de": LlmTexts(
        "Guten Tag, wie kann ich Ihnen helfen?",
        "Einen Moment, bitte.",
        "Es tut mir leid, ich habe ein technisches Problem.",
        "Können Sie das bitte wiederholen?",
        "Es tut mir leid, ich konnte nicht zu Ende sprechen. Können Sie das bitte wiederholen?",
        "Ich muss unser Gespräch hier beenden.",
        "Auf Wiederhören.",
        "Ich verbinde Sie jetzt.",
        "Entschuldigung, das habe ich nicht verstanden.",
    ),
    "it": LlmTexts(
        "Buongiorno, come posso aiutarla?",
        "Un momento, per favore.",
        "Mi dispiace, ho un problema tecnico.",
        "Può ripetere, per favore?",
        "Mi dispiace, non sono riuscito a finire. Può ripetere, per favore?",
        "Devo concludere qui la nostra conversazione.",
        "Arrivederci.",
        "La metto in comunicazione.",
        "Mi dispiace, non ho capito.",
    ),
}
"""By language. In any other one nothing is said of it: English read by another voice is not understood."""

LANGUAGES = {
    "en": "English",
    "pt": "Portuguese",
    "es": "Spanish",
    "fr": "French",
    "de": "German",
    "it": "Italian",
}
"""By their names in English, which models know best."""


NONE = LlmTexts(*[""] * len(fields(LlmTexts)))


def texts(language: str) -> LlmTexts:
    """Return the sentences of a language; all empty if there are none."""
    return TEXTS.get(primary(language), NONE)


def language_name(language: str) -> str:
    """Return a language's name for a model: `Portuguese (pt-BR)`, or the code alone."""
    name = LANGUAGES.get(primary(language))
    return language if name is None else name if language == primary(language) else f"{name} ({language})"
