"""A clear yes, a clear no, and everything else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingress.dialogs.matching import yes_or_no
from ingress.dialogs.matching.vocabulary import VOCABULARIES


def phrases(language: str, *kinds: str) -> list[str]:
    """Return the phrases of these kinds."""
    answers = VOCABULARIES[language].answers
    return [phrase.lstrip("~=") for kind in kinds for phrase in getattr(answers, kind).split("|")]


@pytest.mark.parametrize(
    ("language", "yes", "no", "neither"),
    [
        (
            "en",
            ["Yes.", "Yes, please let him in.", "Yeah, sure.", "OK", "That's right.", "uh, yes"],
            ["No.", "No, thank you.", "Don't open.", "That's wrong.", "Of course not.", "not right",
             "Do not let them in.", "Don't open the door."],
            ["yes no", "I think yes", "Yes? Who is it?", "ok, wait", "yes, but later", "why not", "yes?",
             "yes, that's wrong", "no problem", "I don't know", "maybe", "hello", "",
             "did they say yes on the news",
             "yes I know he is standing there", "definitely a stranger", "of course he rings"],
        ),
        (
            "pt",
            ["Sim.", "Sim, pode abrir.", "Pode.", "É.", "Isso mesmo.", "Com certeza!",
             "ah sim, pode deixar ele subir"],
            ["Não, não pode.", "Claro que não.", "Está errado.", "de jeito nenhum",
             "Por favor, não deixe entrar."],
            ["acho que sim", "acho que não", "Sim? Quem é?", "pois não", "é amanhã", "não sei", "pode ser",
             "sim, mas",
             "sim não", "talvez", "nem sim", "alô", "se ele pode entrar sim",
             "quero falar com ele antes", "pode deixar aí fora", "sim eu sei que ele chegou aí"],
        ),
        ("es", ["Sí.", "Sí, que pase.", "si", "claro", "vale"], ["No.", "Claro que no."],
         ["si viene mañana", "creo que sí", "¿Sí? ¿Quién es?", "puede ser", "no, sí"]),
        ("fr", ["Oui.", "Oui, bien sûr.", "D'accord."], ["Non.", "Bien sûr que non.", "Pas du tout."],
         ["pourquoi pas", "oui et non", "peut-être", "ce n'est pas oui", "oui, qui est-ce"]),
        ("de", ["Ja.", "Ja, bitte.", "Genau."], ["Nein.", "Nein, danke.", "Auf keinen Fall."],
         ["ja nein", "vielleicht ja", "ja, aber nicht jetzt", "ich weiß nicht", "ja, wer ist da"]),
        ("it", ["Sì.", "Sì, grazie.", "si", "Va bene."], ["No.", "Certo che no."],
         ["se sì", "forse sì", "sì, ma dopo", "non si può", "chi è"]),
        ("pl", [], [], ["tak", "nie", "yes"]),
    ],
)  # fmt: skip
def test_clear_answers(language: str, yes: list[str], no: list[str], neither: list[str]) -> None:
    """As people say them."""
    assert {text: yes_or_no(text, language) for text in yes} == dict.fromkeys(yes, "yes")
    assert {text: yes_or_no(text, language) for text in no} == dict.fromkeys(no, "no")
    assert {text: yes_or_no(text, language) for text in neither} == dict.fromkeys(neither)


@pytest.mark.parametrize("language", VOCABULARIES)
@settings(max_examples=40, deadline=None)
@given(st.data())
def test_an_answer_with_a_refusal_or_a_doubt_is_never_a_yes(language: str, data: st.DataObject) -> None:
    """Wherever it stands, and whatever else is said."""
    others = phrases(language, "yes", "fillers")
    against = data.draw(st.sampled_from(phrases(language, "no", "negations", "doubts")))
    before = data.draw(st.lists(st.sampled_from(others), max_size=4))
    after = data.draw(st.lists(st.sampled_from(others), max_size=4))
    # Fillers around it must not make another phrase of a refusal's words.
    assert yes_or_no(", ".join([*before, against, *after]), language) != "yes" or against in others
    assert yes_or_no(f"{', '.join(before)}?", language) != "yes"
