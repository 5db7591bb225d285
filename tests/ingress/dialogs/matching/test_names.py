"""Names of a list and expected words, as they are heard."""

from __future__ import annotations

import time

import pytest

from ingress.dialogs.matching import NameList, best_match, is_all, requests, without_introduction

RESIDENTS = {
    "souza": ["Ana Souza", "Dona Ana"],
    "lima": ["Ana Lima"],
    "pereira": ["João Pereira", "apartamento 42"],
    "figueiredo": ["Carla Figueiredo", "apartamento 142"],
    "alves": ["Doutor Alves", "a casa azul"],
}


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("Ana Souza, por favor", {"souza"}),
        ("anna sousa", {"souza"}),
        ("dona ana", {"souza"}),
        ("Ana", {"souza", "lima"}),
        ("quero falar com o João", {"pereira"}),
        ("apartamento quarenta e dois", {"pereira"}),
        ("apartamento 142", {"figueiredo"}),
        ("apartamento 43", set()),
        ("Karla Figueredo", {"figueiredo"}),
        ("Figueiredo", {"figueiredo"}),
        ("Pedro Rocha", set()),
        ("dona Teresa", set()),
        ("dona Susana", set()),
        ("dona Anna", {"souza"}),
        ("doutor Pedrosa", set()),
        ("doutor Alves", {"alves"}),
        ("a casa azul", {"alves"}),
        ("a casa verde", set()),
        ("seu João", {"pereira"}),
        ("Ana ou João", {"souza", "lima", "pereira"}),
        ("Ana Figueiredo", {"souza", "lima", "figueiredo"}),
        ("não a Ana Souza, a Ana Lima", {"souza", "lima"}),
        ("", set()),
    ],
)
def test_a_name_is_found_or_it_is_not(text: str, keys: set[str]) -> None:
    """Of two that are as near both are named, and none is the one."""
    found = NameList(RESIDENTS, "pt").find(text)
    assert set(found.keys) == keys
    assert found.key == (keys.pop() if len(keys) == 1 else None)


def test_a_long_list_is_searched_quickly() -> None:
    """1,000 residents and a long answer: a gateway serves other calls meanwhile."""
    names = NameList({str(n): [f"Resident{n} Family{n * 7}", f"flat {n}"] for n in range(1_000)}, "en")
    began_s = time.process_time()
    assert names.find("well I would like to see Residant512 Famly3584 if that is possible").key == "512"
    assert time.process_time() - began_s < 0.2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I want to make reservations", "book"),
        ("number two", "bar"),
        ("to", None),
        ("book a table at the bar", "book"),
        ("the bar or an appointment", None),
        ("rebooking", None),
    ],
)
def test_the_choice_of_which_most_was_said(text: str, expected: str | None) -> None:
    """Whole words and numbers; a long word may be a little wrong; of two as good none."""
    choices = {"book": ["reservation", "book a table"], "bar": ["bar", "2"], "visit": ["appointment"]}
    assert best_match(text, choices, "en") == expected


def test_a_request_is_the_whole_of_what_was_said() -> None:
    """A name may contain the word."""
    assert is_all("Repita, por favor.", requests("repeat", "pt"), "pt")
    assert not is_all("repita o nome da Ana", requests("repeat", "pt"), "pt")


@pytest.mark.parametrize(
    ("text", "language", "name"),
    [
        ("My name is Maria.", "en", "Maria"),
        ("It's Maria-José Silva", "en", "Maria-José Silva"),
        ("Je m'appelle Luc", "fr", "Luc"),
        ("Meu nome é José da Silva", "pt", "José da Silva"),
        ("Maria", "pl", "Maria"),
        ("My name is", "en", "My name is"),
    ],
)
def test_a_name_without_what_is_said_before_it(text: str, language: str, name: str) -> None:
    """As it was written, with its capitals."""
    assert without_introduction(text, language) == name
