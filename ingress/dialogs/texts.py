"""What several dialogs say, in the same words: so each is synthesized once."""

from __future__ import annotations

from collections.abc import Mapping

from ingress.configuration.extensions import Phrase
from ingress.configuration.phrases import TEXTS

NOT_UNDERSTOOD: Mapping[str, str] = {
    "en": "Sorry, I did not understand that.",
    "pt": "Desculpe, não entendi.",
    "es": "Lo siento, no le he entendido.",
    "fr": "Désolé, je n'ai pas compris.",
    "de": "Entschuldigung, das habe ich nicht verstanden.",
    "it": "Mi dispiace, non ho capito.",
}
"""By language."""
MOMENT: Mapping[str, str] = {language: phrases[Phrase.WAITING] for language, phrases in TEXTS.items()}
"""As a media worker says it to a caller who waits."""
