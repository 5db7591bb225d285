"""Questions of each kind, and what comes of their answers."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flow_talk import Answering, Talk

from actors.errors import LookupFailedError
from ingress.configuration.settings import DialogSettings
from ingress.dialogs.actions import MAXIMUM_TEXT, checked_action
from ingress.dialogs.base import (
    CallBegan,
    CallEnded,
    CallerSaid,
    CollectKeys,
    DialogCall,
    EndCall,
    Interrupted,
    Listen,
    PlayFile,
    Say,
    SetVariable,
    Transfer,
)
from ingress.dialogs.flow.dialog import FlowDialog

Start = Callable[..., Talk]

ONE_QUESTION = """
languages: en
slots: {{ it: {slot} }}
steps:
  first:
    ask: it
    say: What?
    {options}
    next: last
  last: {{ say: "It is {{it}}.", set: {{ IT: "{{it}}" }}, end: done }}
"""


def asking(slot: str, options: str = "") -> str:
    """Return a flow with one question."""
    return ONE_QUESTION.format(slot=slot, options=options)


@pytest.mark.parametrize(
    ("slot", "answer", "said", "variable"),
    [
        ("{kind: number, maximum: 12}", "for four people", "It is 4.", "4"),
        ("{kind: date}", "tomorrow", "It is 2026-11-28.", "2026-11-28"),
        ("{kind: yes_no}", "yes please", "It is yes.", "yes"),
        ("{kind: text}", " Leave it at the door ", "It is Leave it at the door.", "Leave it at the door"),
        ("{kind: own_name}", "My name is Maria.", "It is Maria.", "Maria"),
        ("{kind: name, names: [Anna Smith, {name: Bob, aliases: [Robert]}]}", "Robert", "It is Bob.", "Bob"),
    ],
)
async def test_an_answer_fills_its_slot(
    start: Start, slot: str, answer: str, said: str, variable: str
) -> None:
    """By voice, without confirmation."""
    talk = start(asking(slot))
    assert await talk.begin() == "What?"
    assert await talk.says(answer) == said
    assert talk.variables == {"IT": variable}
    assert talk.end == EndCall("done")


@pytest.mark.parametrize(
    ("slot", "answer"),
    [
        ("{kind: number, maximum: 12}", "thirteen"),
        ("{kind: number}", "a lot"),
        ("{kind: digits, length: 4}", "one two three"),
        ("{kind: date, days: 30}", "March 15th"),
        ("{kind: yes_no}", "I think yes"),
        ("{kind: yes_no}", "yes no"),
        ("{kind: name, names: [Anna Smith, Anna Jones]}", "Anna"),
    ],
)
async def test_an_answer_that_is_none_is_asked_again(start: Start, slot: str, answer: str) -> None:
    """Twice, then the call ends politely: nothing is assumed."""
    talk = start(asking(slot))
    await talk.begin()
    for _ in range(2):
        assert (await talk.says(answer)).endswith(" What?")
        assert talk.end is None
    assert await talk.says(answer) == "I am sorry, we cannot go on here. Goodbye."
    assert talk.end == EndCall("not_understood")
    assert talk.variables == {}


@pytest.mark.parametrize(
    ("slot", "collected", "keys", "said"),
    [
        ("{kind: number, maximum: 12}", CollectKeys(2, "#", 3.0, "caller"), "12", "It is 12."),
        ("{kind: digits, length: [4, 6]}", CollectKeys(6, "#", 3.0, "caller"), "00123", "It is 0 0 1 2 3."),
        (
            "{kind: name, names: [{name: Ann, keys: '42'}, {name: Bob, keys: '7'}]}",
            CollectKeys(2, "#", 3.0, "caller"),
            "7",
            "It is Bob.",
        ),
        ("{kind: yes_no}", None, "2", "It is no."),
    ],
)
async def test_keys_answer_as_well(
    start: Start, slot: str, collected: CollectKeys | None, keys: str, said: str
) -> None:
    """They are collected as the slot needs, and are sure: nothing is read back."""
    talk = start(asking(slot))
    await talk.begin()
    assert talk.action(CollectKeys) == collected
    assert await talk.presses("99999999") != said
    assert await talk.presses(keys) == said


async def test_a_day_is_understood_in_the_language_that_is_spoken(start: Start) -> None:
    """The call's, with its region; the flow's first if it has not the call's."""
    for language, said, expected in (
        ("en-GB", "03/12", "It is 2026-12-03."),
        ("en-US", "12/03", "It is 2026-12-03."),
        ("de", "tomorrow", "It is 2026-11-28."),
    ):
        talk = start(asking("{kind: date}"), language)
        await talk.begin()
        assert await talk.says(said) == expected


async def test_digits_that_were_spoken_are_read_back(start: Start) -> None:
    """A no asks again, a correction is read back in its place, an unclear answer confirms nothing."""
    talk = start(asking("{kind: digits, length: 4}", "listen: {end_silence_ms: 1500}\n    retries: 4"))
    await talk.begin()
    assert talk.action(Listen) == Listen(end_silence_ms=1500, leg="caller")
    assert await talk.says("one two double three") == "You said 1 2 3 3. Is that right?"
    assert talk.action(Listen) is None
    assert talk.action(CollectKeys) is None
    assert await talk.says("maybe") == "Please say yes or no. You said 1 2 3 3. Is that right?"
    assert await talk.says("no, one two three four") == "You said 1 2 3 4. Is that right?"
    assert await talk.says("no") == "What?"
    assert await talk.says("four three two one") == "You said 4 3 2 1. Is that right?"
    assert await talk.says("yes, if you say so") == "Please say yes or no. You said 4 3 2 1. Is that right?"
    assert await talk.presses("1") == "It is 4 3 2 1."
    assert talk.variables == {"IT": "4321"}


async def test_a_confirmation_of_ones_own(start: Start) -> None:
    """Keys are read back too, then."""
    talk = start(asking("{kind: number}", 'confirm: "{value}, right?"\n    not_understood: "Pardon?"'))
    await talk.begin()
    assert await talk.says("seven") == "7, right?"
    assert await talk.mumbles() == "Pardon? 7, right?"
    assert await talk.presses("2") == "What?"
    assert await talk.presses("8") == "8, right?"
    assert await talk.says("yes, the number eight") == "It is 8."


@pytest.mark.parametrize(
    ("slot", "value", "answer", "is_taken"),
    [
        ("{kind: own_name}", "Tim Ray", "Yes, Tim Ray is my name.", True),
        ("{kind: own_name}", "Tim Ray", "Yes, my name is Kim Ray.", False),
        ("{kind: date}", "tomorrow", "Yes, on the 28th of November.", True),
        ("{kind: date}", "tomorrow", "Yes, on Monday.", False),
        ("{kind: yes_no}", "yes", "Yes, she says yes.", False),
    ],
)
async def test_who_confirms_a_value_may_repeat_it(
    start: Start, slot: str, value: str, answer: str, is_taken: bool
) -> None:
    """But not say another one."""
    talk = start(asking(slot, 'confirm: "{value}, right?"'))
    await talk.begin()
    await talk.says(value)
    assert (await talk.says(answer)).startswith("It is") is is_taken


@pytest.mark.parametrize(
    ("heard", "answer", "said"),
    [
        ("You said 7.", "Yes.", "Please say yes or no. You said 7. Is that right?"),
        ("", "Yes.", "Please say yes or no. You said 7. Is that right?"),
        ("You said 7. Is that right?", "Yes.", "It is 7."),
        ("You said 7.", "No.", "What?"),
        ("You said 7.", "No, eight.", "You said 8. Is that right?"),
    ],
)
async def test_a_yes_to_a_confirmation_that_was_not_heard_confirms_nothing(
    start: Start, heard: str, answer: str, said: str
) -> None:
    """It may be an answer to the question before, or noise; a no or another value costs nothing."""
    talk = start(asking("{kind: number}", 'confirm: "You said {value}. Is that right?"'))
    await talk.begin()
    assert await talk.says("seven") == "You said 7. Is that right?"
    assert await talk.event(Interrupted(heard)) == ""
    assert await talk.says(answer) == said


async def test_a_key_confirms_what_was_not_heard(start: Start) -> None:
    """No noise presses one."""
    talk = start(asking("{kind: number}", 'confirm: "{value}, right?"'))
    await talk.begin()
    await talk.says("seven")
    await talk.event(Interrupted(""))
    assert await talk.presses("1") == "It is 7."


async def test_what_is_said_about_silence_and_mumbling(start: Start) -> None:
    """Prompts of one's own, or another step."""
    options = 'silence: "Are you there?"\n    not_understood: {next: last}\n    again: "What is it?"'
    talk = start(asking("{kind: number}", options))
    await talk.begin()
    assert await talk.is_silent() == "Are you there? What is it?"
    assert await talk.mumbles() == "It is ."


MENU = """
languages: [en, pt]
anywhere:
  - {words: operator, keys: "0", next: operator}
  - {words: repeat, next: again}
  - {words: help, next: help}
  - {words: {en: [I am lost], pt: [me perdi]}, next: menu}
failed: operator
slots: {who: {kind: own_name}, n: {kind: number}}
steps:
  hello: {say: {en: {text: Welcome to the shop., short: Welcome.}, pt: Bem-vindo.}, next: menu}
  menu:
    say: {en: Bread or cake?, pt: Pão ou bolo?}
    retries: 1
    listen: {hot_words: {en: [rye], pt: [broa]}, no_input_s: 5}
    branches:
      - {words: {en: [bread, loaf], pt: pão}, keys: "1", next: ask_who}
      - {words: {en: cake, pt: [bolo]}, keys: ["2", "5"], next: ask_who}
  ask_who:
    ask: who
    say: {en: "Your name?", pt: "Seu nome?"}
    next: ask_n
  ask_n:
    ask: n
    say: {en: "How many, {who}?", pt: "Quantos, {who}?"}
    branches: [{words: {en: none, pt: nenhum}, next: menu}]
    next: bye
  help: {play: help.wav, say: {en: Say what you want., pt: Diga o que quer.}, next: back}
  bye: {say: {en: Thank you., pt: Obrigado.}, end: }
  operator: {say: {en: One moment., pt: Um momento.}, transfer: "200", reason: operator}
"""


async def test_a_menu_and_what_is_understood_anywhere(start: Start) -> None:
    """Words, keys, help and back, repeat, and an operator after too many tries."""
    talk = start(MENU)
    assert await talk.begin() == "Welcome to the shop. Bread or cake?"
    hello, _ = (action for action in talk.done if isinstance(action, Say))
    assert hello == Say("Welcome to the shop.", is_fixed=True, short="Welcome.", leg="caller")
    assert talk.action(Listen) == Listen(
        hot_words=("rye",), expected_words=("bread", "loaf", "cake"), no_input_s=5.0, leg="caller"
    )
    assert await talk.says("help please") == "Say what you want. Bread or cake?"
    assert talk.action(PlayFile) == PlayFile("help.wav", True, "caller")
    assert await talk.says("bread or cake") == "Sorry, I did not understand that. Bread or cake?"
    assert await talk.says("I am lost") == "Bread or cake?"
    assert await talk.presses("55") == "Your name?"
    assert await talk.says("Could you repeat that? It is Bob.") != "Your name?"
    assert await talk.says("repeat, please") == "How many, Could you repeat that? It is Bob?"
    assert not talk.done[0].is_fixed  # type: ignore[union-attr]
    assert await talk.says("none") == "Bread or cake?"
    assert await talk.says("fish") == "Sorry, I did not understand that. Bread or cake?"
    assert await talk.says("fish") == "One moment."
    assert talk.end == Transfer("200", "operator")


async def test_the_language_of_the_call_is_followed(start: Start) -> None:
    """Also when it is found out in the middle; in another one the flow's first is spoken."""
    talk = start(MENU, "de")
    assert await talk.begin() == "Welcome to the shop. Bread or cake?"
    talk.language = "pt-BR"
    assert await talk.says("eu quero um bolo") == "Seu nome?"
    assert await talk.says("Ana") == "Quantos, Ana?"
    assert await talk.says("quero falar com um atendente") == "Um momento."


async def test_who_interrupts_before_the_question_answers_it(start: Start) -> None:
    """Whoever knows the menu need not hear it. What was interrupted before it was heard begins anew."""
    talk = start(MENU)
    await talk.begin()
    talk.state = {"step": "hello"}  # as after an interruption of the welcome
    assert await talk.event(Interrupted("Welcome to the shop.")) == ""
    assert await talk.says("cake") == "Your name?"
    talk.state = {}
    assert await talk.says("bread") == "Your name?"
    assert await talk.event(CallEnded("ended", "")) == ""
    assert talk.state["step"] == "ask_who"


async def test_a_transfer_to_what_was_not_asked_yet_ends_politely(start: Start) -> None:
    """The list has the number of every name, but none was chosen."""
    talk = start(
        "languages: en\nslots: {who: {kind: name, names: [{name: Ann, number: '7'}]}}\n"
        "anywhere: [{words: operator, next: give}]\n"
        "steps: {ask: {ask: who, say: Who?, next: give}, give: {say: Wait., transfer: '{who.number}'}}"
    )
    await talk.begin()
    assert await talk.says("operator") == "Wait. I am sorry, we cannot go on here. Goodbye."
    assert talk.end == EndCall("flow_leads_nowhere")


def test_files_that_it_plays_and_that_are_not_there_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`raymal serve --check` says so, before a call does."""
    file = tmp_path / "flow.yaml"
    file.write_text("languages: en\nsteps: {a: {play: a.wav, next: b}, b: {play: b.wav, end: }}")

    def lines(**settings: str) -> list[str]:
        table = {"name": "flow", "flow": {"file": str(file)}, **settings}
        return list(FlowDialog(DialogSettings.model_validate(table)).unreachable())

    (tmp_path / "a.wav").touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    assert lines() == ["it plays a.wav, b.wav, and dialog.audio_folder is not set"]
    for folder in (str(tmp_path), "~"):
        assert lines(audio_folder=folder) == [
            f"it plays b.wav, which is no file in {tmp_path} (dialog.audio_folder)"
        ]


async def test_what_slots_make_too_long_is_cut(start: Start) -> None:
    """The whole text and its short one: more would be refused, and the turn would fail."""
    long = " ".join(["{it}"] * 30)
    talk = start(
        "languages: en\nslots: {it: {kind: text}}\n"
        "steps:\n"
        "  first: {ask: it, say: What?, next: last}\n"
        f"  last: {{say: {{text: '{long}', short: '{long}'}}, end: }}"
    )
    await talk.begin()
    assert len(await talk.says("x" * 200)) == MAXIMUM_TEXT
    said = checked_action(talk.action(Say))
    assert isinstance(said, Say)
    assert len(said.short or "") == MAXIMUM_TEXT


async def test_a_turn_that_is_left_is_closed_at_once(start: Start) -> None:
    """Not by the garbage collector, some time later and in another task."""
    talk = start(MENU)
    call = DialogCall("c1", "default", "en", None, None, datetime.now(UTC), [], {})
    left: list[object] = []
    before = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(finalizer=left.append)
    try:
        actions = talk.dialog.respond(CallBegan(), call)
        assert isinstance(await anext(actions), Say)
        assert isinstance(actions, AsyncGenerator)
        await actions.aclose()
    finally:
        sys.set_asyncgen_hooks(*before)
    assert left == []


async def test_a_step_that_is_gone_ends_the_call_politely(start: Start) -> None:
    """The flow was changed, and this gateway has never known the older one."""
    talk = start(MENU)
    talk.state = {"step": "ask_size"}
    assert await talk.says("cake") == "I am sorry, we cannot go on here. Goodbye."
    assert talk.end == EndCall("flow_changed")


SHOP = """
languages: [en]
slots:
  item: {kind: name, names: [{name: Bread, code: b1}, {name: Cake, code: c2}]}
  stock: {kind: value}
  price: {kind: value}
steps:
  ask: {ask: item, say: What?, next: check}
  check:
    say: I am looking.
    lookup: stock
    with: {code: "{item.code}", item: "{item}", from: "{extension} {caller_number} {call_id}"}
    store: {stock: items.0.left, price: price}
    failed: sorry
    next: decide
  decide: {switch: stock, cases: {"0": sorry, "true": sorry}, next: offer}
  offer: {set: {CODE: "{item.code}"}, say: "{stock} left, for {price}.", transfer: "{item.code}"}
  sorry: {say: "No {item}.", end: none}
"""


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"items": [{"left": 3}], "price": 2.50}, "I am looking. 3 left, for 2.5."),
        ({"items": [{"left": 0}], "price": 2}, "I am looking. No Cake."),
        ({"items": [], "price": 2}, "I am looking. No Cake."),
        (["unexpected"], "I am looking. No Cake."),
        (LookupFailedError("no answer"), "I am looking. No Cake."),
    ],
)
async def test_a_look_up_fills_slots(start: Start, answer: object, said: str) -> None:
    """And one without an answer, or without the values, leads elsewhere."""
    talk = start(SHOP, digest="checked before")
    service = Answering({"stock": answer})
    talk.dialog._lookups = service
    await talk.begin()
    assert await talk.says("a cake") == said
    assert not talk.done[0].may_interrupt  # type: ignore[union-attr]
    sent = {"code": "c2", "item": "Cake", "from": "default 4711 c1"}
    assert service.sent == [("stock", sent)]
    if "left" in said:
        assert talk.end == Transfer("c2")
        assert talk.action(SetVariable) == SetVariable("CODE", "c2")


async def test_what_a_caller_says_is_text_alone(start: Start) -> None:
    """No placeholder of theirs is filled, a variable is one line, a long text is cut."""
    talk = start(asking("{kind: text}"))
    await talk.begin()
    assert await talk.says("{extension} {it}\n\t" + "é" * 500) == "It is {extension} {it} " + "é" * 91 + "."
    assert talk.variables["IT"] == "{extension} {it} " + "é" * 91


async def test_a_yes_that_was_hardly_heard_is_none(start: Start) -> None:
    """Noise, too, is sometimes heard as a word; a no does no harm."""
    for text, confidence, said in (
        ("Yes.", 0.39, "Please say yes or no. What?"),
        ("Yes.", 0.4, "It is yes."),
        ("No.", 0.1, "It is no."),
    ):
        talk = start(asking("{kind: yes_no}"))
        await talk.begin()
        assert await talk.event(CallerSaid(text, confidence=confidence)) == said
