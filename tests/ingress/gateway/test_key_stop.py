"""A key that stops what a turn says: its dialog goes on unheard, for a moment. In virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

import pytest
from recorded_pool import RecordedPool, extension

from actors.messages import Synthesize
from actors.pool.speech_pool import SpeechChunk
from actors.settings import SpeechSettings
from ingress.configuration.settings import CacheSettings
from ingress.dialogs.base import (
    CollectKeys,
    Dialog,
    DialogAction,
    DialogCall,
    DialogEvent,
    EndCall,
    Listen,
    Say,
    Transfer,
)
from ingress.gateway.key_stop import GOES_ON_S, KeyStop
from ingress.gateway.turn_runner import TurnRunner
from ingress.link.messages import (
    CallStarted,
    Greet,
    HangUp,
    KeysWanted,
    ListenOptions,
    ListenTo,
    Message,
    SentenceAudio,
    StateChanged,
    TurnDone,
)
from ingress.phrases.speaker import Speaker

SPEECH = SpeechSettings(stt="scripted", tts="scripted")
GREET = Greet(call_id="c1", turn=1, history=(), leg="caller")


class SlowPool(RecordedPool):
    """Takes 0.1 s for each sentence."""

    async def synthesize(self, request: Synthesize, deadline_s: float) -> AsyncGenerator[SpeechChunk, None]:
        await asyncio.sleep(0.1)
        yield SpeechChunk(bytes(320), 0.0, 0.0)


class Served:
    """A call whose turn is run: keeps what is sent to its media worker, and when."""

    def __init__(self) -> None:
        self.started = CallStarted(call_id="c1", extension="default")
        self.extension = extension()
        self.sent: list[Message] = []

    async def send(self, message: Message) -> None:
        """Keep it."""
        self.sent.append(message)

    def turn_to(self, activity: object) -> None:
        """Nothing is counted."""


class Asking(Dialog):
    """Asks for keys after a question of three sentences; then it may do more."""

    def __init__(self, *more: DialogAction, waits_s: float = 0.0) -> None:
        self._more = more
        self._waits_s = waits_s
        self.was_closed = False

    async def respond(self, event: DialogEvent, call: DialogCall) -> AsyncIterator[DialogAction]:
        try:
            await asyncio.sleep(0.05)
            yield Say("What is. Your number. Please?")
            call.state["asked"] = True
            yield CollectKeys(count=4)
            await asyncio.sleep(self._waits_s)
            for action in self._more:
                yield action
        except GeneratorExit:
            self.was_closed = True
            raise


async def run(dialog: Dialog, key_s: float | None) -> tuple[Served, float]:
    """Run a greeting, with a key so long after its beginning; return its call, and how long it took."""
    pool, call, stop = SlowPool(), Served(), KeyStop()
    speaker = Speaker(pool.as_pool, SPEECH, CacheSettings(disk_bytes=0))
    runner = TurnRunner(pool.as_pool, speaker, SPEECH, lambda _: dialog)
    loop = asyncio.get_running_loop()
    if key_s is not None:
        loop.call_later(key_s, stop.stop)
    begun_s = loop.time()
    await runner.run(GREET, call, key_stop=stop)
    return call, loop.time() - begun_s


@pytest.mark.parametrize(("key_s", "sentences"), [(None, 3), (0.01, 0), (0.2, 1), (0.27, 2)])
async def test_the_dialog_asks_for_keys_although_its_question_is_cut(
    key_s: float | None, sentences: int
) -> None:
    """At once: no further sentence is made, before the first one as well."""
    call, took_s = await run(Asking(), key_s)
    spoken = [message for message in call.sent if isinstance(message, SentenceAudio) and message.is_last]
    assert len(spoken) == sentences
    assert [type(message) for message in call.sent if not isinstance(message, SentenceAudio)] == [
        StateChanged,
        KeysWanted,
        TurnDone,
    ]
    assert took_s == pytest.approx(0.35 if key_s is None else max(key_s, 0.05), abs=0.01)


@pytest.mark.parametrize("more", [EndCall(), Transfer("100")])
async def test_a_hangup_after_a_cut_answer_is_none(more: DialogAction) -> None:
    """The key is answered instead; nothing was cut: the dialog's will is done."""
    for key_s, hangs_up in ((None, True), (0.2, False), (0.36, False)):
        call, _ = await run(Asking(more, waits_s=0.03), key_s)
        assert any(isinstance(message, HangUp) for message in call.sent) == hangs_up


async def test_a_dialog_goes_on_for_a_moment_only() -> None:
    """Then its iterator is closed, and the turn is over without a failure."""
    dialog = Asking(Say("More."), waits_s=5.0)
    call, took_s = await run(dialog, 0.2)
    assert took_s == pytest.approx(0.2 + GOES_ON_S, abs=0.01)
    done = call.sent[-1]
    assert isinstance(done, TurnDone)
    assert done.failure is None
    await asyncio.sleep(0)


async def test_how_to_listen_is_sent_with_the_leg_that_is_asked() -> None:
    """The event's own, unless the dialog names another."""
    dialog = Asking(
        Listen(
            end_silence_ms=900,
            hot_words=["Ana"],
            expected_words=("yes", "no"),
            initial_prompt="Names.",
            language="pt",
        ),
        Listen(no_input_s=0, leg="return"),
        CollectKeys(terminator=None, gap_s=1.5, leg="return"),
    )
    call, _ = await run(dialog, None)
    assert [message for message in call.sent if isinstance(message, (ListenTo, KeysWanted))] == [
        KeysWanted(call_id="c1", turn=1, leg="caller", count=4, terminator="#", gap_s=3.0),
        ListenTo(
            call_id="c1",
            turn=1,
            leg="caller",
            options=ListenOptions(
                end_silence_ms=900,
                hot_words=("Ana",),
                expected_words=("yes", "no"),
                initial_prompt="Names.",
                language="pt",
            ),
        ),
        ListenTo(call_id="c1", turn=1, leg="return", options=ListenOptions(no_input_s=0)),
        KeysWanted(call_id="c1", turn=1, leg="return", count=None, terminator=None, gap_s=1.5),
    ]


@pytest.mark.parametrize(
    ("wish", "problem"),
    [
        (Listen(end_silence_ms=5), "Listen that cannot be done: its end_silence_ms"),
        (Listen(no_input_s=float("nan")), "Listen that cannot be done: its no_input_s"),
        (Listen(hot_words="Ana"), "Listen that cannot be done: its hot_words"),
        (Listen(initial_prompt="x" * 401), "its initial_prompt is a text of 400 characters at most"),
        (Listen(initial_prompt=5), "its initial_prompt is a text of 400 characters at most"),  # type: ignore[arg-type]
        (Listen(expected_words=["x" * 101]), "Listen that cannot be done: its expected_words"),
        (Listen(language=""), "Listen that cannot be done: its language"),
        (CollectKeys(count=0), "CollectKeys that cannot be done: its count"),
        (CollectKeys(terminator="##"), "CollectKeys that cannot be done: its terminator"),
        (CollectKeys(gap_s=0), "CollectKeys that cannot be done: its gap_s"),
    ],
)
async def test_a_wish_that_cannot_be_met_fails_the_turn_with_what_is_wrong(
    wish: DialogAction, problem: str
) -> None:
    """What was wished is not quoted."""
    call, _ = await run(Asking(wish), None)
    done = call.sent[-1]
    assert isinstance(done, TurnDone)
    assert problem in (done.failure or "")
