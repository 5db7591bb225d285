"""The harness against what runs in a server: the same steps, the same history, state, events and end.

The other side is a real call of a media worker and the gateway's real turns, with audio, frame by frame.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import virtual_time
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded_pool import RecordedPool, extension

from actors.messages import SessionActivity, Transcribe, Transcript
from actors.pool.speech_pool import Transcription
from actors.settings import SpeechSettings
from ingress.configuration.settings import CacheSettings
from ingress.dialogs import (
    CallEnded,
    CollectKeys,
    Dialog,
    DialogAction,
    DialogCall,
    DialogEvent,
    EndCall,
    Interrupted,
    Say,
)
from ingress.dialogs.testing import Conversation
from ingress.gateway.turn_runner import TurnRunner
from ingress.link.messages import Admitted, CallStarted, Message, Readiness, TurnRequest
from ingress.media.call import Call
from ingress.media.hearing.events import HeardUtterance
from ingress.phrases.speaker import Speaker

FRAME_S = 0.02
EXTENSION = extension()


@dataclass(frozen=True)
class Step:
    """Something that happens, what the dialog does about it, and whether the caller lets it."""

    kind: str
    answer: tuple[Any, ...]
    heard: int | None
    """How many sentences before the caller interrupts; None: all. -1: the caller goes on at once."""


class Scripted(Dialog):
    """Does what the steps say, one by one; notes what it was given."""

    def __init__(self, steps: Sequence[Step]) -> None:
        super().__init__()
        self.answers = [step.answer for step in steps]
        self.seen: list[tuple[Any, ...]] = []

    async def respond(self, event: DialogEvent, call: DialogCall) -> AsyncIterator[DialogAction]:
        """Yield the next answer; to an interruption what is not to be done."""
        if isinstance(event, CallEnded):
            return
        if isinstance(event, Interrupted):
            call.state["interrupted"] = len(self.seen)
            yield EndCall("nobody does this")
            call.state["interrupted"] = -1
            return
        number = len(self.seen)
        self.seen.append((event, [entry.model_dump() for entry in call.history], dict(call.state)))
        call.state[f"turn{number}"] = number
        for action in self.answers[number]:
            if action is None:
                raise KeyError
            yield action
            call.state["last"] = number


class Pool(RecordedPool):
    """Understands "word"."""

    async def transcribe(
        self, request: Transcribe, deadline_s: float, is_ahead: bool = False
    ) -> Transcription:
        return Transcription(Transcript("word", "en", -0.1, 0.0, 1, None), 0.0, 0.0)


class Served:
    """A call in a media worker, whose turns the gateway's runner runs."""

    def __init__(self, dialog: Dialog) -> None:
        pool, speech = Pool().as_pool, SpeechSettings(stt="scripted", tts="scripted")
        self.speaker = Speaker(pool, speech, CacheSettings(memory_bytes=0, disk_bytes=0))
        self.runner = TurnRunner(pool, self.speaker, speech, lambda extension: dialog)
        self.started = CallStarted(call_id="c1", extension="default")
        self.extension = EXTENSION
        self.call = Call("c1", "default", settings=EXTENSION)
        self.now = 0.0
        self.call.receive(Readiness(is_ready=True, detail=""), 0.0)
        self.call.receive(Admitted(call_id="c1"), 0.0)

    async def send(self, message: Message) -> None:
        self.call.receive(message, self.now)

    def turn_to(self, activity: SessionActivity) -> None:
        pass

    @property
    def is_over(self) -> bool:
        """Whether the call is to end."""
        return self.call.hang_up is not None or self.call.caller.limit_reached is not None

    async def take(self, step: Step, keys: str) -> None:
        """Let the step happen, and play as much of the answer as is heard."""
        caller = self.call.caller
        match step.kind:
            case "begins":
                caller.begin(self.now)
            case "says":
                caller.hear(HeardUtterance(b"\1\0" * 800, self.now, self.now), self.now)
            case "presses":
                for key in keys:
                    caller.press(key, self.now)
            case "stays silent":
                self.call.outbox.clear()
                while not self.call.outbox and not self.is_over:
                    self.now += FRAME_S
                    caller.next_frame(self.now)
                if self.is_over:
                    return
        turn = caller.turn
        while self.call.outbox:
            message = self.call.outbox.pop(0)
            if isinstance(message, TurnRequest):
                await self.runner.run(message, self)
        before = len(self.call.history)
        if step.heard == -1:
            caller.caller_speaking(self.now)
            return
        while caller.turn is turn:
            has_heard = turn.is_audible and len(self.call.history) - before == step.heard
            if has_heard:
                caller.caller_speaking(self.now)
            else:
                self.now += FRAME_S
                caller.next_frame(self.now)


async def take(talk: Conversation, step: Step, keys: str) -> None:
    """Do the same in the harness."""
    match step.kind:
        case "begins":
            answer = await talk.begin()
        case "says":
            answer = await talk.says("word", confidence=math.exp(-0.1), language="en")
        case "presses":
            answer = await talk.presses(keys)
        case "stays silent":
            answer = await talk.stays_silent()
            if talk.is_over:
                return
    sentences = [spoken.text for spoken in answer.spoken if spoken.phrase is None]
    if step.heard == -1:
        talk.goes_on()
    elif step.heard is not None:
        talk.interrupts(after=sentences[step.heard - 1] if step.heard else "")


def sentences_of(answer: Sequence[Any]) -> int:
    """How many are said before the dialog fails."""
    said = answer[: answer.index(None)] if None in answer else answer
    return sum(action.text.count(".") for action in said if isinstance(action, Say))


@st.composite
def steps(draw: st.DrawFn) -> list[Step]:
    """Draw a call: what happens, each turn's answer, and where the caller interrupts it."""
    drawn: list[Step] = []
    for number in range(draw(st.integers(1, 6))):
        kind = "begins" if number == 0 else draw(st.sampled_from(["says", "presses", "stays silent"]))
        texts = [f"One {number}. Two {number}.", f"Three {number}."]
        says = [Say(text) for text in texts[: draw(st.integers(0, 2))]]
        says += draw(st.sampled_from([[], [CollectKeys(count=2)]]))
        ends = draw(st.sampled_from([(), (), (EndCall("done"),), (None,)]))
        answer = (*says, *ends)
        whole = sentences_of(answer)
        may_go_on = kind == "says" and None not in answer and whole
        choices = [None, *([-1] if may_go_on else []), *(range(whole) if None not in answer else ())]
        drawn.append(Step(kind, answer, draw(st.sampled_from(choices))))
    return drawn


@given(steps())
@settings(max_examples=40)
def test_a_conversation_is_that_of_a_server(script: list[Step]) -> None:
    """Whatever is said, interrupted, gone on with, fails or ends, and if nothing is said."""

    async def both() -> None:
        ours, theirs = Scripted(script), Scripted(script)
        talk, served = Conversation(ours, EXTENSION, raises=False), Served(theirs)
        try:
            for step in script:
                keys = "12" if talk._legs["caller"].collecting else "1"
                await take(talk, step, keys)
                await served.take(step, keys)
                assert ours.seen == theirs.seen
                assert list(talk.history) == list(served.call.history)
                assert talk.state == served.call.dialog_state
                assert (talk.outcome is not None) == served.is_over
                if talk.outcome is not None:
                    break
        finally:
            await served.speaker.close()

    virtual_time.run(both())
