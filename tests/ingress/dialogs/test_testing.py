"""The harness for dialogs: what it does is what a running server does, without audio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import virtual_time
from recorded_pool import extension
from recordings import wav

from actors.errors import DialogError
from ingress.configuration.extensions import Phrase
from ingress.configuration.settings import CallLimitSettings, DialogSettings
from ingress.dialogs import (
    CallBegan,
    CallEnded,
    CallerNotUnderstood,
    CallerPressed,
    CallerSaid,
    CollectKeys,
    Dialog,
    DialogAction,
    DialogCall,
    DialogEvent,
    EndCall,
    Interrupted,
    LegJoined,
    LegLeft,
    Listen,
    NothingHeard,
    PlayFile,
    Say,
    SetVariable,
    Transfer,
)
from ingress.dialogs.echo import EchoDialog
from ingress.dialogs.testing import Conversation, Spoken
from ingress.dialogs.tone import ToneDialog
from ingress.link.records import CallResult


class Scripted(Dialog):
    """Does what the test wants, and keeps what it was given."""

    def __init__(self, *actions: Any, change: Callable[[DialogCall], None] = lambda call: None) -> None:
        super().__init__()
        self.actions = actions
        self.change = change
        self.events: list[DialogEvent] = []
        self.calls: list[DialogCall] = []
        self.closed = 0

    async def respond(self, event: DialogEvent, call: DialogCall) -> AsyncIterator[DialogAction]:
        """Yield the actions, also those of the event's kind."""
        self.events.append(event)
        self.calls.append(call)
        if isinstance(event, Interrupted | CallEnded):
            return
        try:
            self.change(call)
            for action in self.actions:
                if isinstance(action, Exception):
                    raise action
                yield action
        except GeneratorExit:
            self.closed += 1
            raise


async def test_a_whole_call() -> None:
    """What was said, on which leg, how it ended; then the dialog's last event."""
    dialog = Scripted(Say("One. Two."), SetVariable("ROOM", "12"), EndCall("done"))
    async with Conversation(dialog, language="pt_br", caller_number="123") as talk:
        spoken: list[Spoken] = []
        talk.on_spoken = spoken.append
        answer = await talk.begin()
        assert answer.spoken == tuple(spoken)
        assert answer.text == "One. Two."
        assert [spoken.text for spoken in answer.spoken] == ["One.", "Two."]
        assert answer.actions == dialog.actions
        assert talk.outcome is not None
        assert (talk.outcome.result, talk.outcome.reason) == (CallResult.ENDED, "done")
        assert talk.outcome.variables == talk.variables == {"ROOM": "12"}
        with pytest.raises(ValueError, match=r"^the call is over: done$"):
            await talk.says("Hello.")
    assert dialog.events == [CallBegan(), CallEnded("ended", "done")]
    assert (dialog.calls[0].language, dialog.calls[0].caller_number) == ("pt-BR", "123")
    assert talk.is_over


async def test_the_caller_hangs_up() -> None:
    """When the block ends, or with `ends`; a second time is a mistake."""
    dialog = Scripted()
    async with Conversation(dialog) as talk:
        await talk.says("Hello.")
    assert dialog.events[-1] == CallEnded("ended", "the caller hung up")
    with pytest.raises(ValueError, match="over"):
        await talk.ends()
    async with Conversation(dialog) as talk:
        await talk.ends(CallResult.TOO_LONG, "too long")
    assert dialog.events[-1] == CallEnded("too_long", "too long")


async def test_history_and_state_travel_as_json() -> None:
    """The event's own words are not in the history yet; 64 entries are kept; the state is copied."""

    def count(call: DialogCall) -> None:
        call.state["turns"] = int(str(call.state.get("turns", 0))) + 1
        call.state["seen"] = [entry.text for entry in call.history[-2:]]

    dialog = Scripted(Say("Yes. 👍"), change=count)
    async with Conversation(dialog) as talk:
        await talk.says("First.")
        await talk.says("Second.")
        assert talk.state == {"turns": 2, "seen": ["First.", "Yes."]}
        assert [(entry.speaker, entry.text) for entry in talk.history] == [
            ("caller", "First."), ("server", "Yes."), ("caller", "Second."), ("server", "Yes."),
        ]  # fmt: skip
        for _ in range(40):
            await talk.says("More.")
        assert len(talk.history) == 64


@pytest.mark.parametrize(
    ("dialog", "message"),
    [
        (Scripted("hello"), "yielded a str, which is no action"),
        (Scripted(Transfer("bad target")), "no target"),
        (Scripted(EndCall(None)), "its reason is a text"),  # type: ignore[arg-type]
        (Scripted(SetVariable("room", "1")), "proper name"),
        (Scripted(CollectKeys(count=0)), "CollectKeys that cannot be done: its count"),
        (Scripted(Listen(expected_words="yes")), "its expected_words are"),
        (Scripted(Listen(language="?")), "its language is a code"),
        (Scripted(Say("x", leg="other")), "its leg is"),  # type: ignore[arg-type]
        (Scripted(PlayFile("")), "its path is"),
        (Scripted(change=lambda call: call.state.update(a={1})), "does not come back as it is"),  # type: ignore[dict-item]
        (Scripted(change=lambda call: call.state.update(a="x" * 20_000)), "16384 are allowed"),
    ],
)
async def test_what_no_dialog_may_do_is_an_error(dialog: Dialog, message: str) -> None:
    """It is raised in the test; without that the caller hears the apology and the call goes on."""
    talk = Conversation(dialog)
    with pytest.raises(DialogError, match=message):
        await talk.begin()
    talk = Conversation(dialog, raises=False, language="de")
    answer = await talk.begin()
    assert answer.failure is not None
    assert [spoken.phrase for spoken in answer.spoken] == [Phrase.APOLOGY]
    assert (talk.history, talk.state) == ((), {})
    assert (await talk.says("Hallo.")).text.startswith("Es tut mir leid")


async def test_a_failure_says_where_and_undoes_the_state() -> None:
    """The error itself may quote the caller."""
    dialog = Scripted(KeyError("secret"), change=lambda call: call.state.update(a=1))
    with pytest.raises(KeyError):
        await Conversation(dialog).begin()
    talk = Conversation(dialog, raises=False)
    answer = await talk.begin()
    assert answer.failure is not None
    assert "KeyError at " in answer.failure
    assert "secret" not in answer.failure
    assert talk.state == {}
    dialog.actions = (Say("Heard."), KeyError())
    assert (await talk.says("x")).text.startswith("Heard. I am sorry")
    assert talk.state == {}


def test_deadlines_are_those_of_the_server() -> None:
    """Twenty seconds for an action, in virtual time."""

    class Slow(Dialog):
        async def respond(self, event: DialogEvent, call: DialogCall) -> AsyncIterator[DialogAction]:
            yield Say("One moment.")
            await asyncio.sleep(100.0)

    async def begin() -> None:
        await Conversation(Slow()).begin()

    with pytest.raises(DialogError, match=r"^the dialog did nothing for 20 s \(dialog.deadline_s\)$"):
        virtual_time.run(begin())


async def test_an_interruption_cuts_what_was_heard() -> None:
    """The history has the sentences before; the end of the call is cancelled; `Interrupted` comes first."""
    dialog = Scripted(Say("One. Two."), Say("Three."), EndCall(), change=lambda call: call.state.update(a=1))
    async with Conversation(dialog) as talk:
        await talk.says("Go.")
        talk.interrupts(after="One.")
        assert talk.outcome is None
        assert [entry.text for entry in talk.history] == ["Go.", "One."]
        await talk.says("Stop.")
        assert dialog.events[-2:] == [Interrupted("One."), CallerSaid("Stop.")]
        assert talk.state == {"a": 1}
        talk.interrupts()
        await talk.presses("1")
        assert dialog.events[-2:] == [Interrupted(""), CallerPressed("1")]
        with pytest.raises(ValueError, match=r"did not contain 'Four\.', but"):
            talk.interrupts(after="Four.")
        with pytest.raises(ValueError, match="heard to its end"):
            talk.interrupts(after="Three.")


async def test_an_interruption_closes_a_slow_dialog() -> None:
    """It has no time to do the rest."""
    dialog = Scripted(Say("One. Two."), Say("Three."), EndCall())
    async with Conversation(dialog) as talk:
        answer = await talk.says("Go.", interrupted_after="One.")
        assert (answer.text, len(answer.actions), dialog.closed) == ("One.", 1, 1)
        assert talk.outcome is None
        await talk.says_unclearly()
        assert dialog.events[-2:] == [Interrupted("One."), CallerNotUnderstood()]
    with pytest.raises(ValueError, match=r"did not contain 'Four\.'"):
        await Conversation(dialog).begin(interrupted_after="Four.")


async def test_an_interruption_is_only_noted() -> None:
    """What the dialog then remembers counts, and nothing that it yields is done: else it answered twice."""

    class Same(Dialog):
        async def respond(self, event: DialogEvent, call: DialogCall) -> AsyncIterator[DialogAction]:
            if isinstance(event, Interrupted):
                call.state["heard"] = event.heard
                yield EndCall("interrupted")
                call.state["after"] = True
            yield Say("One. Two.")

    async with Conversation(Same()) as talk:
        await talk.begin()
        talk.interrupts(after="One.")
        assert (await talk.says("Stop.")).text == "One. Two."
        assert (talk.state, talk.outcome) == ({"heard": "One."}, None)


async def test_protected_words_are_heard_to_their_end() -> None:
    """Then the interruption comes, if there is more."""
    dialog = Scripted(Say("One."), Say("Two.", may_interrupt=False), Say("Three."))
    async with Conversation(dialog) as talk:
        await talk.begin()
        talk.interrupts(after="One.")
        await talk.says("Stop.")
        assert dialog.events[-2] == Interrupted("One. Two.")
        dialog.actions = dialog.actions[:2]
        await talk.says("Again.")
        with pytest.raises(ValueError, match="heard to its end"):
            talk.interrupts(after="One.")


async def test_a_caller_who_goes_on() -> None:
    """Nothing of the answer was heard: state and end are undone, the words stay in the history."""
    dialog = Scripted(Say("Good."), EndCall(), change=lambda call: call.state.update(a=1))
    async with Conversation(dialog) as talk:
        await talk.says("I want")
        talk.goes_on()
        assert (talk.state, talk.outcome) == ({}, None)
        await talk.says("a table.")
        assert dialog.events[-1] == CallerSaid("a table.")
        assert [entry.text for entry in dialog.calls[-1].history] == ["I want"]
    async with Conversation(Scripted(Say("Good."))) as talk:
        await talk.begin()
        with pytest.raises(ValueError, match="only words"):
            talk.goes_on()


@pytest.mark.parametrize(
    ("wanted", "pressed", "event"),
    [
        (None, "12", CallerPressed("12")),
        (CollectKeys(count=2), "12", CallerPressed("12")),
        (CollectKeys(count=3), "12", CallerPressed("12", is_complete=False)),
        (CollectKeys(count=3), "12#", CallerPressed("12")),
        (CollectKeys(), "12*", CallerPressed("12*", is_complete=False)),
        (CollectKeys(terminator="*"), "12*", CallerPressed("12")),
        (CollectKeys(terminator=None), "12", CallerPressed("12")),
    ],
)
async def test_keys_are_collected(wanted: CollectKeys | None, pressed: str, event: CallerPressed) -> None:
    """Count, terminator, gap."""
    dialog = Scripted(*([wanted] if wanted else []))
    async with Conversation(dialog) as talk:
        await talk.begin()
        await talk.presses(pressed)
        assert dialog.events[-1] == event
    talk = Conversation(Scripted(CollectKeys(count=2)))
    await talk.begin()
    with pytest.raises(ValueError, match="complete after 2 keys"):
        await talk.presses("123")
    with pytest.raises(ValueError, match="keys are"):
        await talk.presses("x")


async def test_silence() -> None:
    """The server's phrase where the dialog has none; the last time ends the call."""
    dialog = Scripted()
    async with Conversation(dialog, limits=CallLimitSettings(no_input_times=3), language="pt") as talk:
        answer = await talk.stays_silent()
        assert (answer.text, answer.spoken[0].phrase) == ("Você ainda está aí?", Phrase.STILL_THERE)
        await talk.stays_silent()
        assert dialog.events == [NothingHeard(1), NothingHeard(2)]
        await talk.says("Sim.")
        dialog.actions = (Say("Alô?"),)
        assert (await talk.stays_silent()).text == "Alô?"
        assert dialog.events[-1] == NothingHeard(1)
        await talk.stays_silent()
        assert (await talk.stays_silent()).text == "Não ouvi nada. Até logo."
        assert dialog.events[-1] == CallEnded("no_input", "nothing was said, several times in a row")
        assert talk.outcome is not None


async def test_silence_of_the_return_leg() -> None:
    """The last time ends that leg alone."""
    dialog = Scripted()
    async with Conversation(dialog, limits=CallLimitSettings(no_input_times=2)) as talk:
        await talk.joins()
        await talk.stays_silent("return")
        assert (await talk.stays_silent("return")).on("return") == "I could not hear anything. Goodbye."
        assert dialog.events == [LegJoined(), NothingHeard(1, "return"), LegLeft()]
        assert (talk.has_return_leg, talk.outcome) == (False, None)


async def test_two_legs() -> None:
    """Each hears its own; what is said on one that is not there is heard by nobody."""
    dialog = Scripted(Say("Here."), Say("There.", leg="return"))
    async with Conversation(dialog) as talk:
        answer = await talk.begin()
        assert (answer.text, answer.on("return")) == ("Here.", "")
        assert [spoken.text for spoken in answer.unheard] == ["There."]
        with pytest.raises(ValueError, match="it has to join first"):
            await talk.says("Hello.", leg="return")
        answer = await talk.joins()
        assert (dialog.events[-1], answer.text) == (LegJoined(), "Here. There.")
        answer = await talk.says("Hello.")
        assert (answer.text, answer.on("return")) == ("Here.", "There.")
        assert dialog.calls[-1].has_return_leg
        assert [entry.leg for entry in talk.history[-3:]] == ["caller", "caller", "return"]
        talk.interrupts(leg="return")
        dialog.actions = (Say("Bye."), EndCall(leg="return"))
        answer = await talk.says("Yes.", leg="return")
        assert dialog.events[-3:] == [Interrupted("", "return"), CallerSaid("Yes.", leg="return"), LegLeft()]
        assert (answer.text, answer.on("caller")) == ("Bye.", "Bye.")  # the caller hears it of the end
        assert not talk.has_return_leg
        assert talk.outcome is None
        dialog.actions = ()
        await talk.joins()
        assert (await talk.ends()).on("return") == "The caller has hung up. Goodbye."


async def test_the_first_words_decide_on_the_language() -> None:
    """That are said in one of the extension's; later ones change nothing."""
    several = extension().model_copy(update={"language": "pt-BR", "languages": ("pt-BR", "en")})
    async with Conversation(EchoDialog(DialogSettings()), several) as talk:
        assert (await talk.begin()).text.startswith("Olá")
        assert (await talk.says("Não.")).text == "Você disse: Não."
        assert (await talk.says("Hello.", language="en")).text == "You said: Hello."
        assert (await talk.says("Olá.", language="pt")).text == "You said: Olá."


async def test_an_expected_answer_is_named() -> None:
    """As the dialog listens to that answer, and to that one alone; the test may say another one."""
    dialog = Scripted(Listen(expected_words=("yes", "no")))
    talk = Conversation(dialog)
    await talk.begin()
    dialog.actions = ()
    await talk.says("Yes, please.")
    await talk.says("Yes.")
    dialog.actions = (Listen(expected_words=("yes", "no")),)
    await talk.says("Hm.")
    await talk.says("Ja.", expected="yes")
    said = [event.expected for event in dialog.events if isinstance(event, CallerSaid)]
    assert said == ["yes", None, None, "yes"]


async def test_a_limit_ends_the_call_with_its_phrase() -> None:
    """A test says when."""
    answer = await Conversation(Scripted(), language="de").ends(CallResult.TOO_LONG, "an hour")
    assert [spoken.phrase for spoken in answer.spoken] == [Phrase.TOO_LONG]


async def test_a_file_has_to_be_there_for_an_extension(tmp_path: Path) -> None:
    """As in a server; a test without one needs no files. A dialog without speech may play them."""
    dialog = Scripted(PlayFile("music.wav"))
    assert (await Conversation(dialog).begin()).text == "music.wav"
    of_folder = extension(dialog=DialogSettings(audio_folder=str(tmp_path)))
    with pytest.raises(DialogError, match="cannot be read: No such file"):
        await Conversation(dialog, of_folder).begin()
    (tmp_path / "music.wav").write_bytes(wav())
    dialog.needs_speech = False  # type: ignore[misc]
    assert (await Conversation(dialog, of_folder).begin()).text == "music.wav"


async def test_a_dialog_without_speech() -> None:
    """The tone plays; words are not for it."""
    async with Conversation(ToneDialog(DialogSettings())) as talk:
        await talk.begin()
        assert talk.has_tone
        with pytest.raises(ValueError, match="needs_speech"):
            await talk.says("Hello.")
