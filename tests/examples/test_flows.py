"""The example flows, as whole conversations."""

from __future__ import annotations

from pathlib import Path

import pytest
from flow_talk import Talk, flow_dialog

from ingress.dialogs.base import EndCall, Transfer

FLOWS = Path(__file__).parents[2] / "examples" / "flows"
RESERVATION = FLOWS / "reservation.yaml"


async def test_a_reservation_in_english() -> None:
    """By voice: help, a correction, and a clear yes at the end."""
    talk = Talk(flow_dialog(RESERVATION), "en-US")
    assert (await talk.begin()).startswith("Restaurant Maré, good evening.")
    assert (await talk.says("Help, please.")).startswith("You can make a reservation")
    assert await talk.says("I would like to book a table") == "What is your name?"
    assert (await talk.says("My name is Maria Silva.")).startswith("What is your telephone number?")
    assert (await talk.says("five five five, one two")).startswith("Sorry, I did not understand that.")
    assert await talk.says("2125550122") == "You said 2 1 2 5 5 5 0 1 2 2. Is that right?"
    assert await talk.says("Yes, that's right.") == "For which day?"
    assert (await talk.says("in spring")).startswith("Say a day, such as Friday")
    assert (await talk.says("next Friday")).startswith("For how many people?")
    confirmation = "Maria Silva, a table for 4, on 2026-12-04. Is that right?"
    assert await talk.says("for four people") == confirmation
    assert await talk.says("I think so") == f"Please say yes or no. {confirmation}"
    assert await talk.says("No.") == "What shall I change: the day or the people?"
    assert (await talk.says("the number of people")).startswith("For how many people?")
    assert await talk.says("twenty") == "How many people, from one to twelve?"
    assert (await talk.says("six")).startswith("Maria Silva, a table for 6")
    assert await talk.says("Yes.") == "It is booked. See you then!"
    assert talk.end == EndCall("booked")
    expected = {"NAME": "Maria Silva", "DAY": "2026-12-04", "PEOPLE": "6", "PHONE": "2125550122"}
    assert talk.variables == expected


async def test_a_reservation_in_portuguese_by_keys() -> None:
    """Numbers on the keypad, the rest by voice; silence is asked about."""
    talk = Talk(flow_dialog(RESERVATION), "pt-BR")
    await talk.begin()
    assert (await talk.is_silent()).startswith("Você está aí? Diga reserva")
    assert (await talk.presses("2")).startswith("Abrimos todos os dias")
    assert await talk.presses("1") == "Em nome de quem?"
    assert (await talk.says("Meu nome é João")).startswith("Qual é o seu telefone?")
    assert (await talk.presses("0119")).startswith("Desculpe, não entendi.")  # no key 0 for an operator
    assert await talk.presses("11987654321") == "Para que dia?"
    assert (await talk.says("Amanhã, por favor.")).startswith("Para quantas pessoas?")
    assert await talk.presses("2") == "João, mesa para 2, no dia 2026-11-28. Está certo?"
    assert await talk.presses("1") == "Está reservado. Até lá!"
    assert talk.variables["PHONE"] == "11987654321"


@pytest.mark.parametrize(
    ("said", "end"),
    [
        ("operator", Transfer("200", "operator")),
        ("goodbye", EndCall("goodbye")),
        ("can I talk to a person", Transfer("200", "operator")),
    ],
)
async def test_a_caller_who_wants_something_else(said: str, end: EndCall | Transfer) -> None:
    """Is understood in every question."""
    talk = Talk(flow_dialog(RESERVATION), "en")
    await talk.begin()
    await talk.says("reservation")
    await talk.says("Ann")
    await talk.says(said)
    assert talk.end == end


async def test_a_caller_who_is_not_understood_gets_a_person() -> None:
    """After the third try; a large party, too."""
    talk = Talk(flow_dialog(RESERVATION), "en")
    await talk.begin()
    for _ in range(3):
        await talk.mumbles()
    assert talk.end == Transfer("200", "operator")
    talk = Talk(flow_dialog(RESERVATION), "en", step="ask_people", slots={"name": "Ann"})
    for _ in range(3):
        await talk.says("thirty")
    assert talk.end == Transfer("200", "large party")
