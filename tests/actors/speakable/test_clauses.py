"""Sentences in clauses: where they are cut, and where not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.speakable import SpeakableText, speakable_pieces
from actors.speakable.clauses import LEAST_WEIGHT, clauses_of
from actors.speakable.pieces import weight


@pytest.mark.parametrize(
    ("language", "text", "clauses"),
    [
        ("en", "Good morning.", ["Good morning."]),
        ("en", "Yes, that is all right with us.", ["Yes, that is all right with us."]),
        (
            "en",
            "Your table is booked for Friday, at half past seven; we look forward to it, Ana.",
            ["Your table is booked for Friday,", "at half past seven;", "we look forward to it, Ana."],
        ),
        (
            "en",
            "Dr. Smith is free on Monday at 9:30, and so is Dr. Jones.",
            ["Doctor Smith is free on Monday at nine thirty,", "and so is Doctor Jones."],
        ),
        (
            "en",
            "The reading was 31,234,567 kilowatt hours at the end of the year.",
            [
                "The reading was thirty-one million two hundred thirty-four thousand "
                "five hundred sixty-seven,",
                "kilowatt hours at the end of the year.",
            ],
        ),
        (
            "pt",
            "O número de pessoas que moram neste prédio é de 234 e o de carros é de 567.",
            [
                "O número de pessoas que moram neste prédio é de duzentos e trinta e quatro,",
                "e o de carros é de quinhentos e sessenta e sete.",
            ],
        ),
        (
            "pt",
            "Posso oferecer uma mesa perto da janela na sexta-feira mas o terraço está ocupado até domingo.",
            [
                "Posso oferecer uma mesa perto da janela na sexta-feira,",
                "mas o terraço está ocupado até domingo.",
            ],
        ),
        ("pt", "Ele mora aqui e ela também.", ["Ele mora aqui e ela também."]),
        (
            "de",
            "Wir rufen Sie zurück, sobald jemand frei ist, der Ihnen helfen kann.",
            ["Wir rufen Sie zurück,", "sobald jemand frei ist,", "der Ihnen helfen kann."],
        ),
        (
            "pl",
            "Proszę poczekać na linii, zaraz ktoś odbierze.",
            ["Proszę poczekać na linii,", "zaraz ktoś odbierze."],
        ),
        ("pl", "Numer to 3, 14 i 159.", ["Numer to 3, 14 i 159."]),
        ("zh", "请您稍等片刻，我们马上为您接通。", ["请您稍等片刻,", "我们马上为您接通。"]),
    ],
)
def test_where_a_sentence_is_cut(language: str, text: str, clauses: list[str]) -> None:
    """After marks with enough on both sides, in a long clause before a conjunction; never inside a number."""
    made = [clause for piece in speakable_pieces(text, language) for clause in clauses_of(piece, language)]
    assert made == clauses


@given(
    st.text(alphabet="ab 1,;.—\n", max_size=300) | st.text(max_size=300), st.sampled_from(["en", "pt", "pl"])
)
def test_nothing_is_lost_and_nothing_added_but_commas(text: str, language: str) -> None:
    """Clauses are not empty, and none of several is too short; those of a clause are itself."""
    for piece in speakable_pieces(text, language):
        clauses = clauses_of(piece, language)
        assert "".join("".join(clauses).split()).replace(",", "") == "".join(piece.split()).replace(",", "")
        assert all(clause.strip() == clause != "" for clause in clauses)
        if len(clauses) > 1 and all(" " in clause for clause in clauses):
            assert all(weight(clause) >= LEAST_WEIGHT for clause in clauses)


def test_a_long_clause_without_any_mark_is_cut_all_the_same() -> None:
    """The deadline of a synthesis is the same for slow engines."""
    clauses = clauses_of(SpeakableText("word " * 29 + "word."), "en")
    assert clauses == [" ".join(["word"] * 15) + ",", " ".join(["word"] * 15) + "."]
