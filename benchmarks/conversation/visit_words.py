"""What visitors and residents say, by language.

The wordings are kept apart from the lists of the flow's words: they are what a person might say, and were
written before any of them was tried. One was changed: kokoro speaks a single "Sim." as "sing", and whisper
hears just that. Nothing is learnt from it, so a yes in Portuguese has two words at least.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """Of one language."""

    visitor: tuple[str, ...]
    """Their own name."""
    whom: tuple[str, ...]
    """Each with `{resident}`."""
    residents: tuple[str, ...]
    """Of `examples/doorman/residents.yaml`."""
    strangers: tuple[str, ...]
    """Who do not live there."""
    right: tuple[str, ...]
    """The name was understood."""
    consent: tuple[str, ...]
    refusal: tuple[str, ...]
    unclear: tuple[str, ...]
    """Neither yes nor no: no door opens for any of them."""
    plain_yes: str
    plain_no: str


WORDS = {
    "en": Words(
        visitor=("My name is George Hill.", "I am Nancy Cooper.", "It's Walter Green.", "Alice Morgan."),
        whom=(
            "I am here to see {resident}.",
            "I'm visiting {resident}.",
            "{resident}, please.",
            "Could you call {resident}?",
        ),
        residents=("Helena Martins", "Peter Wilson", "Emily Carter", "Carlos Andrade"),
        strangers=("Gregory Thompson", "Barbara Fitzgerald", "Doctor Stone"),
        right=("Yes, that is right.", "Yes.", "That's correct."),
        consent=("Yes, please.", "Yes, you can open the door.", "Yes, of course.", "Sure, yes, open it."),
        refusal=(
            "No, thank you.",
            "No, do not open.",
            "No, I don't know them.",
            "Please do not let them in.",
        ),
        unclear=(
            "Maybe.",
            "Who did you say it was?",
            "I am in the kitchen right now.",
            "Hmm, I don't know yet.",
            "What is it about?",
        ),
        plain_yes="Yes.",
        plain_no="No.",
    ),
    "pt": Words(
        visitor=(
            "Meu nome é Jorge Almeida.",
            "Eu sou a Lúcia Ferreira.",
            "É o Roberto Dias.",
            "Clara Nunes.",
        ),
        whom=(
            "Vim visitar {resident}.",
            "Eu gostaria de falar com {resident}.",
            "{resident}, por favor.",
            "Pode chamar {resident}?",
        ),
        residents=("Helena Martins", "Ana Ribeiro", "Marina Lopes", "Carlos Andrade"),
        strangers=("Gustavo Fontes", "Beatriz Campos", "doutor Pedrosa"),
        right=("Sim, está certo.", "Sim, por favor.", "Isso mesmo."),
        consent=("Sim, por favor.", "Sim, pode abrir a porta.", "Sim, claro.", "Pode sim, abra."),
        refusal=("Não, obrigada.", "Não, não abra.", "Não, eu não conheço.", "Por favor, não deixe entrar."),
        unclear=(
            "Talvez.",
            "Quem você disse que era?",
            "Eu estou na cozinha agora.",
            "Hum, ainda não sei.",
            "Do que se trata?",
        ),
        plain_yes="Sim, pode abrir.",
        plain_no="Não.",
    ),
}
APARTMENT_KEYS = "202#"
"""Peter Wilson's, and the key that ends them."""
YES_KEY, NO_KEY = "1", "2"
