"""Sentences of a text, whole or in pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.sentences import MAX_SENTENCE_CHARACTERS, SentenceSplitter, split_sentences

# fmt: off
PIECES = st.sampled_from([
    "Good day", "Dr.", "3.14", "5.", "p.m.", "no", "No.", ".", "...", "…", "!", "?", "。", "？", ",", ", ",
    "”", ")", "(", "“", " ", "  ", "\n", "\r\n", "and so on", "Sim", "ação", "今日は", "مرحبا؟", "नमस्ते।",
    "x" * 150, "a b " * 40,
])
# fmt: on
TEXTS = st.lists(PIECES | st.text(max_size=5), max_size=30).map("".join)


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Hello there. How are you? I'm fine!", ["Hello there.", "How are you?", "I'm fine!"]),
        ("Wait!!! What?! (Really.) Ok", ["Wait!!!", "What?!", "(Really.)", "Ok"]),
        ("She said “Come in.” Then she left.", ["She said “Come in.”", "Then she left."]),
        ("Dr. Lee and Sra. Lima sit. J. K. Roe is not.", ["Dr. Lee and Sra. Lima sit.", "J. K. Roe is not."]),
        ("It costs 3.50 or 3.14. Is that so?", ["It costs 3.50 or 3.14.", "Is that so?"]),
        (
            "It is at 5 p.m. tomorrow, e.g. in London. Come.",
            ["It is at 5 p.m. tomorrow, e.g. in London.", "Come."],
        ),
        ("Wir treffen uns am 3. Mai. Gut.", ["Wir treffen uns am 3. Mai.", "Gut."]),
        ("well... maybe. Well... Maybe.", ["well... maybe.", "Well...", "Maybe."]),
        ("No. Not today. See No. 5 instead.", ["No.", "Not today.", "See No. 5 instead."]),
        ("See example.com/a?b=c. Then call.", ["See example.com/a?b=c.", "Then call."]),
        ("1. Say yes\n2. Say no\n\nThank you", ["1. Say yes", "2. Say no", "Thank you"]),
        ("¿Cómo está? ¡Bien! Él vive aquí.", ["¿Cómo está?", "¡Bien!", "Él vive aquí."]),
        ("今日は。「元気ですか？」はい。", ["今日は。", "「元気ですか？」", "はい。"]),
        ("نعم. كيف حالك؟ بخير.", ["نعم.", "كيف حالك؟", "بخير."]),
        ("नमस्ते। आप कैसे हैं? ठीक।", ["नमस्ते।", "आप कैसे हैं?", "ठीक।"]),
        ("Your visit is on Jan. 5 at noon. Bye.", ["Your visit is on Jan. 5 at noon.", "Bye."]),
        ("It takes approx. 5 min. Is that fine?", ["It takes approx. 5 min.", "Is that fine?"]),
        ("Go to Apt. 4. Ring twice.", ["Go to Apt. 4.", "Ring twice."]),
        ("Das dauert ca. 20 Minuten. Gut.", ["Das dauert ca. 20 Minuten.", "Gut."]),
        (
            "O Dr. Silva atende na Av. Paulista, nº 5. Certo?",
            ["O Dr. Silva atende na Av. Paulista, nº 5.", "Certo?"],
        ),
        ("Custa aprox. R$ 5. É no apto. 12. Sim.", ["Custa aprox. R$ 5.", "É no apto. 12.", "Sim."]),
        ("La Sra. Gil vive en la Avda. Mayor. Bien.", ["La Sra. Gil vive en la Avda. Mayor.", "Bien."]),
        ("See example.com. It is in the U.S. today.", ["See example.com.", "It is in the U.S. today."]),
        (
            "Come at 9 a.m. on Dec. 24. We close in Jan. Bye.",
            ["Come at 9 a.m. on Dec. 24.", "We close in Jan.", "Bye."],
        ),
        ("**Done.** Next _one._ And `so.` On.", ["**Done.**", "Next _one._", "And `so.`", "On."]),
        ("  \n ", []),
        ("", []),
    ],
)
def test_sentences_end_where_a_reader_would_pause(text: str, sentences: list[str]) -> None:
    """Marks end sentences in many scripts; abbreviations, decimals, dates and addresses do not."""
    assert split_sentences(text) == sentences


def test_a_sentence_comes_out_as_soon_as_the_next_one_begins() -> None:
    """A full stop waits for the next word's first letter; a question mark for the space only."""
    splitter = SentenceSplitter()
    assert splitter.feed("Good day. ") == []
    assert splitter.feed("H") == ["Good day."]
    assert splitter.feed("ow are you? ") == ["How are you?"]
    assert splitter.feed("Bye.") == []
    assert splitter.finish() == ["Bye."]
    assert splitter.finish() == []


def test_a_long_sentence_is_cut_at_a_clause_then_at_a_space_then_anywhere() -> None:
    """The cut of a text that is too long falls where it is heard least."""
    clause = "a" * 90 + ", " + "b" * 90
    assert split_sentences(f"{clause}; {'c ' * 40}")[0] == f"{clause};"
    assert split_sentences("d" * 150 + " " + "e" * 150) == ["d" * 150, "e" * 150]
    assert split_sentences("f" * 450) == ["f" * 200, "f" * 200, "f" * 50]


@pytest.mark.parametrize("digits", [*range(195, 215), 400, 405, 410])
def test_a_cut_in_a_string_of_digits_leaves_no_number(digits: int) -> None:
    """Few digits alone would be read as a number: other digits than were written."""
    for sentence in split_sentences("7" * digits):
        assert len(sentence) >= 5
    assert split_sentences("x " * 97 + "0800 123 4567")[-1].endswith("0800 123 4567")


@given(TEXTS)
def test_no_character_is_lost(text: str) -> None:
    """The sentences joined are the text, apart from white space."""
    assert "".join("".join(split_sentences(text)).split()) == "".join(text.split())


@given(TEXTS, st.data())
def test_any_cutting_of_the_input_gives_the_same_sentences(text: str, data: st.DataObject) -> None:
    """A language model's pieces do not change where sentences end."""
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=20)))
    splitter = SentenceSplitter()
    sentences: list[str] = []
    for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        sentences += splitter.feed(text[start:end])
    assert sentences + splitter.finish() == split_sentences(text)


@given(TEXTS)
def test_sentences_are_bounded_trimmed_and_never_empty(text: str) -> None:
    """Every sentence is something to say and short enough to say."""
    for sentence in split_sentences(text):
        assert 0 < len(sentence) <= MAX_SENTENCE_CHARACTERS
        assert sentence == sentence.strip()
