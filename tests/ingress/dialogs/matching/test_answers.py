"""A clear yes, a clear no, and everything else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingress.dialogs.matching import yes_or_no
from ingress.dialogs.matching.answers import written_out
from ingress.dialogs.matching.tokens import folded_words
from ingress.dialogs.matching.vocabulary import VOCABULARIES


def phrases(language: str, *kinds: str) -> list[str]:
    """Return the phrases of these kinds."""
    answers = VOCABULARIES[language].answers
    return [phrase.lstrip("=") for kind in kinds for phrase in written_out(getattr(answers, kind))]


@pytest.mark.parametrize(
    ("language", "yes", "no", "neither"),
    [
        (
            "en",
            ["Yes.", "Yes, please let him in.", "Yeah, sure.", "OK", "That's right.", "uh, yes"],
            ["No.", "No, thank you.", "Don't open.", "That's wrong.", "Of course not.", "not right",
             "Do not let them in.", "Please do not let them in.", "Don't open the door."],
            ["yes no", "I think yes", "Yes? Who is it?", "ok, wait", "yes, but later", "why not", "yes?",
             "yes, that's wrong", "no problem", "I don't know", "maybe", "hello", "",
             "did they say yes on the news",
             "yes I know he is standing there", "definitely a stranger", "of course he rings"],
        ),
        (
            "pt",
            ["Sim.", "Sim, pode abrir.", "Pode.", "É.", "Isso mesmo.", "Com certeza!",
             "ah sim, pode deixar ele subir"],
            ["Não, não pode.", "Claro que não.", "Está errado.", "de jeito nenhum", "É claro que não.",
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


@pytest.mark.parametrize(
    ("language", "texts"),
    [
        ("en", "not yes|yes… no wait|yeah no|of course not|I don't say no|I didn't say yes|he said yes"
               "|yes, hello"
         "|yes, send him away|yes, keep it closed|yes, call the police|yes, in an hour|dont let him in"
         "|fine thanks"
         "|let him in over my dead body|can you repeat, yes|yes, wrong number|no worries|yeah right"),
        ("pt", "sim, não sei|acho que sim|pode não|claro que não|sim, manda embora|sim, deixa ele esperando"
               "|sim, alô"
         "|sim, daqui a pouco|sim, é engano|sim, pode falar|oi, tudo bem|uhum|tanto faz|não digo que não"
         "|sim, e"
         "|sim, deixe fechada|eu não disse sim|pode deixar lá fora|sim, só um minutinho|desautorizo"),
        ("es", "bueno|sí, hola|sí, mande|que se vaya|sí, que se vaya|sí, en un rato|no digo que no|sí, no sé"
         "|por supuesto que no|pues no|no importa"),
        ("fr", "allô oui|oui, j'écoute|oui, fermez|oui, qu'il parte|n'ouvrez pas|si|ça va|je ne dis pas non"
         "|pas tout à fait|oui bof|bien sûr que non"),
        ("de", "ja, hallo|ja, Müller|na ja|jein|ja, machen Sie zu|ja, er soll gehen|ja schon|sicher nicht"
         "|ich sage nicht nein|ja, am Apparat|öffnen Sie nicht"),
        ("it", "sì, pronto|sì, dica|sì, lo mandi via|sì, chiuda|mica sì|sì, magari|come no|certo che no"
         "|non dico di no|assolutamente"),
    ],
)  # fmt: skip
def test_what_sounds_like_a_yes_is_none(language: str, texts: str) -> None:
    """A refusal with words of consent, who answers the telephone, another order than was asked for."""
    for text in texts.split("|"):
        assert yes_or_no(text, language) != "yes", text


def test_beside_the_value_that_is_confirmed_a_yes_may_have_other_words() -> None:
    """Not refusals or doubts."""
    assert yes_or_no("Yes, on Monday.", "en") is None
    assert yes_or_no("Yes, on Monday.", "en", is_repeated=True) == "yes"
    assert yes_or_no("Yes, on Monday, I think.", "en", is_repeated=True) is None
    assert yes_or_no("Não, quatro.", "pt", is_repeated=True) == "no"


@pytest.mark.parametrize("language", VOCABULARIES)
@settings(max_examples=30, deadline=None)
@given(st.data())
def test_a_yes_with_any_other_word_is_none(language: str, data: st.DataObject) -> None:
    """Wherever it stands, and whatever else is said; nor is a question one."""
    consent = phrases(language, "yes", "fillers")
    known = {word for phrase in consent for word in folded_words(phrase)}
    other = data.draw(
        st.sampled_from(phrases(language, "no", "doubts"))
        | st.text("abcdefghijklmnopqrstuvwxyz", min_size=1).filter(lambda word: word not in known)
    )
    before = data.draw(st.lists(st.sampled_from(consent), max_size=4))
    after = data.draw(st.lists(st.sampled_from(consent), max_size=4))
    has_other = not set(folded_words(other)) <= known
    assert not has_other or yes_or_no(", ".join([*before, other, *after]), language) != "yes"
    assert yes_or_no(f"{', '.join(before)}?", language) != "yes"
