"""The call's other leg: waited for, asked, gone. Only a clear yes opens."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flow_talk import Talk

from ingress.dialogs.base import CollectKeys, EndCall, Interrupted, Listen, Say, Transfer

Start = Callable[..., Talk]

DOOR = """
languages: en
left: sorry
anywhere: [{words: goodbye, next: bye}, {words: repeat, next: again}]
slots:
  visitor: {kind: own_name}
  resident: {kind: name, names: [{name: Ann Lee, flat: "12", number: "1012"}, {name: Bob Fox, flat: "7", number: "1007"}]}
  may_enter: {kind: yes_no}
steps:
  who: {ask: visitor, say: "Who are you?", next: whom}
  whom: {ask: resident, say: "Whom do you visit?", next: ring}
  ring: {set: {RING: "{resident.number}"}, say: I am calling., wait_for: return, timeout_s: 40, failed: nobody, next: announce}
  announce: {leg: return, say: "Hello {resident}.", next: may}
  may:
    leg: return
    ask: may_enter
    say: "{visitor} is at the door. Open?"
    meanwhile: I am asking.
    retries: 1
    failed: unclear
    next: {yes: open, no: closed}
  open: {leg: return, say: I open., next: let_in}
  let_in: {hang_up: return, set: {OPEN: "1"}, say: Come in., next: done}
  done: {transfer: "900{resident.flat}", reason: open}
  closed: {hang_up: return, say: "{resident} cannot see you.", next: bye}
  nobody: {say: Nobody answers., next: bye}
  unclear: {say: I could not ask., next: bye}
  sorry: {say: They hung up., next: bye}
  bye: {say: Goodbye., end: closed}
"""  # noqa: E501


AGAIN = "[return] Please say yes or no. [return] Tim is at the door. Open?"


async def at_the_question(start: Start) -> Talk:
    """Return a call in which the resident is asked."""
    talk = start(DOOR)
    await talk.begin()
    await talk.says("My name is Tim")
    assert await talk.says("Mister Fox") == "I am calling."
    assert talk.variables == {"RING": "1007"}
    assert talk.action(Listen) == Listen(no_input_s=40.0, leg="caller")
    assert await talk.joins() == "[return] Hello Bob Fox. [return] Tim is at the door. Open?"
    return talk


async def test_a_clear_yes_opens(start: Start) -> None:
    """The resident is told, their leg ends, the dialplan gets the number of the list."""
    talk = await at_the_question(start)
    assert talk.done[-2:] == [Listen(leg="return"), Listen(no_input_s=300.0, leg="caller")]
    assert talk.action(CollectKeys) is None
    assert await talk.says("Yes, open the door.", "return") == "[return] I open. Come in."
    assert EndCall("", leg="return") in talk.done
    assert (talk.end, talk.variables["OPEN"]) == (Transfer("9007", "open"), "1")


@pytest.mark.parametrize(
    "answer", ["yes no", "I think yes", "Yes? Who?", "maybe", "ok but later", "goodbye", "yes? no?", ""]
)
async def test_nothing_else_opens(start: Start, answer: str) -> None:
    """It is asked again, and then the door stays closed."""
    talk = await at_the_question(start)
    for _ in range(2):
        assert "OPEN" not in talk.variables
        said = await (talk.says(answer, "return") if answer else talk.mumbles("return"))
    assert said == "I could not ask. Goodbye."
    assert talk.end == EndCall("closed")
    assert "OPEN" not in talk.variables


async def test_a_no_and_silence_close(start: Start) -> None:
    """Keys count as well; silence is asked about once."""
    talk = await at_the_question(start)
    assert await talk.is_silent("return") == "[return] Tim is at the door. Open?"
    assert await talk.says("Repeat, please.", "return") == "[return] Tim is at the door. Open?"
    assert await talk.presses("2", "return") == "Bob Fox cannot see you. Goodbye."
    assert "OPEN" not in talk.variables


async def test_the_caller_cannot_answer_for_the_other_leg(start: Start) -> None:
    """A yes of theirs is no consent; they hear that they have to wait, and may leave."""
    talk = await at_the_question(start)
    assert await talk.says("yes yes open") == "I am asking."
    assert await talk.presses("1") == "I am asking."
    assert await talk.is_silent() == "I am asking."
    assert "OPEN" not in talk.variables
    assert await talk.says("goodbye") == "Goodbye."
    assert talk.end == EndCall("closed")


async def test_the_other_leg_leaves(start: Start) -> None:
    """While it is asked."""
    talk = await at_the_question(start)
    assert await talk.leaves() == "They hung up. Goodbye."
    assert "OPEN" not in talk.variables


async def test_nobody_joins(start: Start) -> None:
    """The wait is over with the silence that it asked for; who speaks meanwhile goes on waiting."""
    talk = start(DOOR)
    await talk.begin()
    await talk.says("Tim")
    await talk.says("Ann")
    assert await talk.says("hello?") == "One moment, please."
    assert talk.action(Listen) == Listen(no_input_s=40.0, leg="caller")
    assert await talk.is_silent() == "Nobody answers. Goodbye."


async def test_a_caller_who_speaks_does_not_wait_longer(start: Start) -> None:
    """The wait lasts `timeout_s` from its beginning on; from the first answer on another machine, too."""
    now = [1_000.0]
    talk = start(DOOR, clock=lambda: now[0])
    await talk.begin()
    await talk.says("Tim")
    await talk.says("Ann")
    for now[0], rest_s in ((1_000.0, 40.0), (1_030.0, 10.0), (1_039.5, 1.0), (7.0, 40.0), (17.0, 30.0)):
        assert await talk.says("hello?") == "One moment, please."
        assert talk.action(Listen) == Listen(no_input_s=rest_s, leg="caller")
    now[0] = 47.0
    assert await talk.says("hello?") == "Nobody answers. Goodbye."


async def test_who_joined_and_spoke_before_the_question_is_asked(start: Start) -> None:
    """Nothing of the answer to `LegJoined` was heard, so the call still waits; no yes is taken."""
    talk = start(DOOR)
    await talk.begin()
    await talk.says("Tim")
    await talk.says("Ann")
    talk.has_return = True
    assert await talk.says("Yes.", "return") == "[return] Hello Ann Lee. [return] Tim is at the door. Open?"
    assert "OPEN" not in talk.variables


@pytest.mark.parametrize(
    ("heard", "opens"),
    [
        ("", False),
        ("Hello Bob Fox.", False),
        ("Hello Bob Fox. Tim is at the door.", False),
        ("Tim is at the door. Open?", True),
    ],
)
async def test_a_yes_before_the_question_was_heard_does_not_open(
    start: Start, heard: str, opens: bool
) -> None:
    """Many people answer the telephone with it. A no, a key, and a yes to the question that follows count."""
    talk = await at_the_question(start)
    assert await talk.event(Interrupted("Whom do you visit?", "caller")) == ""
    assert await talk.event(Interrupted(heard, "return")) == ""
    asked = dict(talk.state)
    said = await talk.says("Yes.", "return")
    assert said == ("[return] I open. Come in." if opens else AGAIN)
    if not opens:
        assert await talk.says("Yes.", "return") == "[return] I open. Come in."
    for answer in (talk.presses("1", "return"), talk.says("No.", "return")):
        talk.state, talk.end = dict(asked), None
        assert await answer != AGAIN


async def test_a_leg_that_is_there_already_is_not_waited_for(start: Start) -> None:
    """And one that spoke too early is asked to wait."""
    talk = start(DOOR)
    await talk.begin()
    assert await talk.joins() == ""
    assert await talk.says("hello", "return") == "[return] One moment, please."
    await talk.says("Tim")
    said = await talk.says("Ann Lee")
    assert said == "I am calling. [return] Hello Ann Lee. [return] Tim is at the door. Open?"
    assert [action.leg for action in talk.done if isinstance(action, Say)] == ["caller", "return", "return"]


async def test_steps_that_only_lead_to_a_leg_that_is_gone_end(start: Start) -> None:
    """A loop that no check finds has an end all the same."""
    talk = start(
        "languages: en\nleft: gone\nanywhere: [{words: help, next: gone}]\nslots: {it: {kind: yes_no}}\n"
        "steps: {wait: {wait_for: return, next: ask}, ask: {leg: return, ask: it, say: What?, next: end},\n"
        "  gone: {next: back}, end: {end: done}}"
    )
    await talk.begin()
    await talk.joins()
    assert await talk.says("help") == "[return] What?"
    assert await talk.leaves() == "I am sorry, we cannot go on here. Goodbye."
    assert talk.end == EndCall("flow_leads_nowhere")


async def test_who_waited_is_listened_to_as_usual_again(start: Start) -> None:
    """The long silence that a wait allows ends with it."""
    talk = start(
        "languages: en\nslots: {it: {kind: yes_no}, more: {kind: yes_no}}\n"
        "steps: {wait: {wait_for: return, next: ask, failed: end}, end: {end: done},\n"
        "  ask: {leg: return, ask: it, say: Well?, next: more}, more: {ask: more, say: More?, next: end}}"
    )
    await talk.begin()
    await talk.joins()
    assert talk.done[-1] == Listen(no_input_s=300.0, leg="caller")
    assert await talk.says("no", "return") == "More?"
    assert talk.done[-1] == Listen(leg="caller")
