"""Turns in the gateway, with a pool that answers after given times. In virtual time."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from recorded_pool import RecordedPool, extension

from actors.errors import CapacityError, ConfigurationError, EngineError, LinkError, WorkerLostError
from actors.messages import Decision, Doubt, Level, SessionActivity, Transcribe, Transcript
from actors.pool.speech_pool import Transcription
from actors.settings import SpeechSettings
from actors.telephone import audio_duration_ms
from ingress.configuration.extensions import Extension
from ingress.configuration.settings import CacheSettings, DialogSettings
from ingress.dialogs.base import (
    CallBegan,
    CallerNotUnderstood,
    CallerPressed,
    CallerSaid,
    Dialog,
    DialogAction,
    DialogCall,
    DialogEvent,
    EndCall,
    Interrupted,
    LegJoined,
    LegLeft,
    NothingHeard,
    PlayContinuousTone,
    Say,
    SetVariable,
)
from ingress.dialogs.echo import EchoDialog
from ingress.dialogs.tone import ToneDialog
from ingress.gateway.sentence_speech import LEAD_S
from ingress.gateway.transcriber import Ahead
from ingress.gateway.turn_runner import TurnRunner
from ingress.link.framing import MAXIMUM_MESSAGE_BYTES, encode
from ingress.link.messages import (
    CallStarted,
    Digits,
    Greet,
    HangUp,
    Heard,
    HistoryEntry,
    LegChanged,
    ListenOptions,
    Message,
    NoInput,
    PlayTone,
    SentenceAudio,
    StateChanged,
    TranscribeAhead,
    TurnDone,
    TurnRequest,
    Utterance,
)
from ingress.phrases.speaker import Speaker

AUDIO = bytes(16_000)
SAID = CallerSaid("good morning", math.exp(-0.1), "en")
"""What the dialog is told of `UTTERANCE`."""
UTTERANCE = Utterance(call_id="c1", turn=2, history=(), audio=AUDIO)
GREET = Greet(call_id="c1", turn=1, history=())
DIGIT = Digits(call_id="c1", turn=3, history=(), digits="#")
AHEAD = TranscribeAhead(call_id="c1", turn=2, audio=AUDIO)
STARTED = CallStarted(call_id="c1", extension="default", started_at_s=1.0, caller_number="123")
ECHO = EchoDialog(DialogSettings(greeting="Hello."))
NOT_UNDERSTOOD = "Sorry, I did not understand that."
DEFAULT = extension()
SPEECH = SpeechSettings(stt="scripted", tts="scripted")


class Pool(RecordedPool):
    """Understands "good morning", after a wait for the slot and some work; keeps what it was asked."""

    def __init__(self, *pieces: bytes, lease_s: float = 0.0, work_s: float = 0.0) -> None:
        super().__init__(*pieces)
        self.text = "good morning"
        self.doubt: Doubt | None = None
        self.language: str | None = None
        """Which it finds out; None: it was told."""
        self.log_probability = -0.1
        self.failures: list[Exception] = []
        """Raised by the next transcriptions, one each."""
        self.asked: list[Transcribe] = []
        self.ahead: list[bool] = []
        self.promoted: list[str] = []
        self._lease_s = lease_s
        self._work_s = work_s

    async def transcribe(
        self, request: Transcribe, deadline_s: float, is_ahead: bool = False
    ) -> Transcription:
        self.asked.append(request)
        self.ahead.append(is_ahead)
        await asyncio.sleep(self._lease_s + self._work_s)
        if self.failures:
            raise self.failures.pop(0)
        transcript = Transcript(
            self.text, self.language or request.language, self.log_probability, 0.0, 1, self.doubt
        )
        if self.language is not None:
            transcript = replace(transcript, language_probability=0.95)
        return Transcription(transcript, self._lease_s * 1000.0, self._work_s * 1000.0)

    def promote(self, call_id: str) -> None:
        self.promoted.append(call_id)


class Served:
    """A call whose turns are run: keeps what is sent to its media worker."""

    def __init__(self, extension: Extension) -> None:
        self.started = STARTED
        self.extension = extension
        self.sent: list[Message] = []
        self.sent_s: list[float] = []
        self.order: list[object] = []
        """Types of messages, and activities."""

    async def send(self, message: Message) -> None:
        self.sent.append(message)
        self.sent_s.append(asyncio.get_running_loop().time())
        self.order.append(type(message))

    def turn_to(self, activity: SessionActivity) -> None:
        self.order.append(activity)

    @property
    def done(self) -> TurnDone:
        """The turn's end."""
        done = self.sent[-1]
        assert isinstance(done, TurnDone)
        return done

    @property
    def spoken(self) -> list[str]:
        """The sentences that were spoken to their end."""
        return [
            message.text for message in self.sent if isinstance(message, SentenceAudio) and message.is_last
        ]


class Scripted(Dialog):
    """Does the same in every turn, and keeps the event and the call."""

    def __init__(self, *actions: DialogAction | BaseException) -> None:
        self.actions = actions
        self.events: list[DialogEvent] = []
        self.calls: list[DialogCall] = []

    async def respond(self, event: DialogEvent, call: DialogCall) -> AsyncIterator[DialogAction]:
        self.events.append(event)
        self.calls.append(call)
        for action in self.actions:
            if isinstance(action, BaseException):
                raise action
            yield action


def turns(pool: Pool | None, **dialogs: Dialog) -> TurnRunner:
    """Return the turns of some extensions, by name."""

    def dialog_of(extension: Extension) -> Dialog:
        return dialogs[extension.name]

    if pool is None:
        return TurnRunner(None, None, SPEECH, dialog_of)
    speaker = Speaker(pool.as_pool, SPEECH, CacheSettings(disk_bytes=0))
    return TurnRunner(pool.as_pool, speaker, SPEECH, dialog_of)


async def run(
    runner: TurnRunner,
    request: TurnRequest,
    ahead: Ahead | None = None,
    extension: Extension = DEFAULT,
) -> Served:
    """Run one turn; return its call."""
    call = Served(extension)
    await runner.run(request, call, ahead)
    return call


async def test_an_utterance_becomes_words_and_the_words_an_answer() -> None:
    """Heard first, then each sentence's audio and its end, then the turn's; activities as they begin."""
    pool = Pool(b"ab" * 800, b"cd" * 800)
    call = await run(turns(pool, default=ECHO), UTTERANCE)
    heard, *pieces, done = call.sent
    assert heard == Heard(call_id="c1", turn=2, text="good morning")
    assert [(piece.text, piece.sentence, piece.audio, piece.is_last) for piece in pieces] == [  # type: ignore[union-attr]
        ("You said: good morning", 1, b"ab" * 800, False),
        ("You said: good morning", 1, b"cd" * 800, False),
        ("You said: good morning", 1, b"", True),
    ]
    assert isinstance(done, TurnDone)
    assert done.failure is None
    assert all(time_ms is not None for time_ms in done.stages.model_dump().values())
    assert call.order == [
        SessionActivity.TRANSCRIBING,
        Heard,
        SessionActivity.THINKING,
        SessionActivity.SPEAKING,
        *[SentenceAudio] * 3,
        TurnDone,
    ]


@pytest.mark.parametrize(("request_", "event"), [(GREET, CallBegan()), (DIGIT, CallerPressed("#"))])
async def test_greeting_and_digit_have_no_transcription(request_: Greet | Digits, event: DialogEvent) -> None:
    """A stage that did not happen is None, not 0."""
    pool, dialog = Pool(), Scripted(Say("One sentence. Another one!"), PlayContinuousTone(425.0), EndCall())
    call = await run(turns(pool, default=dialog), request_)
    assert dialog.events == [event]
    assert call.spoken == ["One sentence.", "Another one!"]
    assert [type(message) for message in call.sent[-3:]] == [PlayTone, HangUp, TurnDone]
    assert call.done.stages.transcription_ms is None
    assert call.done.stages.synthesis_ms is not None
    assert call.order[:2] == [SessionActivity.THINKING, SessionActivity.SPEAKING]
    assert not pool.asked


async def test_a_dialog_gets_the_call() -> None:
    """Who calls, since when, what was said."""
    dialog = Scripted()
    history = (HistoryEntry(speaker="caller", text="hi"),)
    await run(turns(Pool(), default=dialog), GREET.model_copy(update={"history": history}))
    assert dialog.calls == [
        DialogCall("c1", "default", "en", "123", None, datetime.fromtimestamp(1.0, UTC), history, {})
    ]


async def test_how_an_answer_is_listened_to_reaches_the_model_and_the_dialog() -> None:
    """The words that may come, also ahead of time; which of the answers it was, and how sure that is."""
    pool, dialog = Pool(), Scripted()
    listening = ListenOptions(hot_words=("Ana", "Rui"), expected_words=("good", "Ana"), language="pt")
    runner = turns(pool, default=dialog)
    ahead = runner.begin_ahead(AHEAD.model_copy(update={"listening": listening}), DEFAULT)
    assert ahead is not None
    await run(runner, UTTERANCE.model_copy(update={"listening": listening, "leg": "return"}), ahead)
    (asked,) = pool.asked
    assert (asked.language, asked.hot_words) == ("pt", ("good", "Ana", "Rui"))
    assert dialog.events == [
        CallerSaid("good morning", pytest.approx(0.905, abs=1e-3), "pt", None, "good", leg="return")
    ]
    many = ListenOptions(hot_words=("Ana", "Ana", *(f"{number:100}" for number in range(99))))
    await run(runner, UTTERANCE.model_copy(update={"listening": many}))
    assert pool.asked[1].hot_words == many.hot_words[1:11]  # each once, as many as there is room for


async def test_an_extension_may_expect_names_in_every_answer() -> None:
    """After those of the dialog; also where it expects none."""
    pool = Pool()
    always = DEFAULT.dialog.model_copy(update={"hot_words": ("Kowalczyk", "Ana")})
    runner = turns(pool, default=Scripted())
    expecting = DEFAULT.model_copy(update={"dialog": always})
    for listening in (ListenOptions(), ListenOptions(hot_words=("Ana", "Rui"))):
        await run(runner, UTTERANCE.model_copy(update={"listening": listening}), extension=expecting)
    assert [asked.hot_words for asked in pool.asked] == [("Kowalczyk", "Ana"), ("Ana", "Rui", "Kowalczyk")]


async def test_a_prompt_of_the_question_goes_before_the_extensions() -> None:
    """Each alone goes to the speech model too; without either there is none."""
    pool = Pool()
    runner = turns(pool, default=Scripted())
    about = DEFAULT.dialog.model_copy(update={"initial_prompt": "A parcel."})
    prompted = DEFAULT.model_copy(update={"dialog": about})
    for listening in (ListenOptions(), ListenOptions(initial_prompt="A name.")):
        for served in (DEFAULT, prompted):
            await run(runner, UTTERANCE.model_copy(update={"listening": listening}), extension=served)
    assert [asked.prompt for asked in pool.asked] == [None, "A parcel.", "A name.", "A name."]


BILINGUAL = extension(language="pt-BR").model_copy(
    update={"languages": ("pt-BR", "en"), "voice": {"pt": "dora", "en": "emma"}}
)


@pytest.mark.parametrize(
    ("text", "log_probability", "found"),
    [("good morning", -0.1, "en"), ("Hello.", -0.1, None), ("good morning", -0.8, None)],
)
async def test_the_language_of_the_first_clear_utterance_becomes_the_calls(
    text: str, log_probability: float, found: str | None
) -> None:
    """If that is sure: the answer is in it, and the media worker keeps it. Then it is not asked again."""
    pool, dialog = Pool(bytes(160)), Scripted(Say("2026-04-03"))
    pool.text, pool.language, pool.log_probability = text, "en", log_probability
    runner = turns(pool, default=dialog)
    call = await run(runner, UTTERANCE, extension=BILINGUAL)
    assert (pool.asked[0].language, pool.asked[0].languages) == ("pt-BR", ("pt-BR", "en"))
    heard = call.sent[0]
    assert isinstance(heard, Heard)
    assert heard.language == found
    assert [told.language for told in dialog.calls] == [found or "pt-BR"]
    spoken = (pool.requests[0].language, pool.requests[0].voice)
    assert spoken == (("en", "emma") if found else ("pt-BR", "dora"))
    pool.language = None
    for request in (UTTERANCE.model_copy(update={"language": "en"}), GREET):
        await run(runner, request, extension=BILINGUAL)
    assert (pool.asked[1].language, pool.asked[1].languages) == ("en", ())
    assert [told.language for told in dialog.calls[1:]] == ["en", "pt-BR"]


@pytest.mark.parametrize("error", [None, EngineError("cannot"), WorkerLostError("lost")])
async def test_without_words_the_dialog_gets_none(error: Exception | None) -> None:
    """An empty transcript and a failed transcription are "not understood", never consent."""
    pool, dialog = Pool(), Scripted()
    pool.text = ""
    pool.failures = [error] if error is not None else []
    call = await run(turns(pool, default=dialog), UTTERANCE)
    assert dialog.events == [CallerNotUnderstood()]
    assert call.done.failure is None


@pytest.mark.parametrize(
    ("error", "failure"),
    [(EngineError("no such voice"), "no such voice"), (CapacityError("4 s"), "no free slot in time: 4 s")],
)
async def test_a_synthesis_that_fails_ends_the_turn_with_its_reason(error: Exception, failure: str) -> None:
    """The media worker then plays an apology."""
    pool = Pool()
    pool.error = error
    call = await run(turns(pool, default=ECHO), UTTERANCE)
    assert call.done.failure == failure


async def test_why_nothing_was_understood_is_in_the_record() -> None:
    """So that it can be counted."""
    pool, dialog = Pool(), Scripted()
    pool.text, pool.doubt = "", Doubt.REPETITION
    call = await run(turns(pool, default=dialog), UTTERANCE)
    assert dialog.events == [CallerNotUnderstood()]
    assert (call.done.was_understood, call.done.doubt) == (False, Doubt.REPETITION)


async def test_no_slot_in_time_ends_the_turn() -> None:
    """The dialog is not asked."""
    pool, dialog = Pool(), Scripted()
    pool.failures = [CapacityError("4 s")]
    call = await run(turns(pool, default=dialog), UTTERANCE)
    assert call.done.failure == "no free slot in time: 4 s"
    assert not dialog.events


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("the caller said secret things"),
        SystemExit("secret"),
        KeyboardInterrupt("secret"),
        GeneratorExit("secret"),
        BaseExceptionGroup("secret", [SystemExit("secret")]),
        asyncio.CancelledError("secret"),
    ],
    ids=repr,
)
async def test_a_dialog_that_fails_ends_its_turn_only(error: BaseException) -> None:
    """The failure names the place, and quotes nothing; something that the dialog waited for may have been
    cancelled, which is not the turn."""
    dialog = Scripted(Say("Before."), error)
    call = await run(turns(Pool(), default=dialog), UTTERANCE)
    assert call.spoken == ["Before."]
    assert call.done.failure is not None
    assert call.done.failure.startswith(f"the dialog failed: {type(error).__name__} at {__file__}:")
    assert "secret" not in call.done.failure


async def test_a_failure_names_the_dialogs_line_however_deep_it_is() -> None:
    """A line of a library says nothing to whoever wrote the dialog; `respond` need be no generator."""

    class Deep(Dialog):
        def respond(self, event: DialogEvent, call: DialogCall) -> AsyncIterator[DialogAction]:
            if isinstance(event, CallBegan):
                raise GeneratorExit
            raise AssertionError(json.loads(""))

    for request, name in ((GREET, "GeneratorExit"), (DIGIT, "JSONDecodeError")):
        call = await run(turns(Pool(), default=Deep()), request)
        assert call.done.failure is not None
        assert call.done.failure.startswith(f"the dialog failed: {name} at {__file__}:")


@pytest.mark.parametrize("frequency_hz", [math.nan, math.inf, 1e308, 4_001.0, 0.0, -440.0])
async def test_a_tone_of_no_frequency_fails_the_turn(frequency_hz: float) -> None:
    """It goes to no media worker, which could not play it."""
    call = await run(turns(None, default=Scripted(PlayContinuousTone(frequency_hz))), GREET)
    assert call.done.failure == f"the dialog yielded a tone of {frequency_hz} Hz: above 0, up to 4000"
    assert [type(message) for message in call.sent] == [TurnDone]


@pytest.mark.parametrize("frequency_hz", ["440", None, [440.0]])
async def test_a_tone_that_is_no_number_is_named(frequency_hz: Any) -> None:
    """As what it is, not as a fault of ours."""
    call = await run(turns(None, default=Scripted(PlayContinuousTone(frequency_hz))), GREET)
    name = type(frequency_hz).__name__
    assert call.done.failure == f"the dialog yielded a tone of a {name}: its frequency is a number"


async def test_a_dialog_that_cannot_be_made_ends_the_turn() -> None:
    """That of a call which an older extension book serves is made for each turn."""

    def dialog_of(extension: Extension) -> Dialog:
        raise ConfigurationError("its file is gone")

    call = await run(TurnRunner(None, None, SPEECH, dialog_of), GREET)
    assert call.done.failure == "its file is gone"


async def test_a_respond_without_a_yield_ends_the_turn() -> None:
    """The reason says what to write; a coroutine that nothing awaits would only be a warning."""

    class Forgetful(Dialog):
        async def respond(self, event: DialogEvent, call: DialogCall) -> None:  # type: ignore[override]
            return

    class Plain(Dialog):
        def respond(self, event: DialogEvent, call: DialogCall) -> list[Say]:  # type: ignore[override]
            return [Say("Hello.")]

    for dialog in (Forgetful(DialogSettings()), Plain(DialogSettings())):
        call = await run(turns(Pool(), default=dialog), GREET)
        name = type(dialog).__name__
        assert call.done.failure == f"{name}.respond yields nothing: write `async def` with `yield`"


@pytest.mark.parametrize("action", ["secret", None])
async def test_what_is_no_action_ends_the_turn(action: Any) -> None:
    """A plain text is a likely mistake: the reason says what came, and quotes nothing."""
    call = await run(turns(Pool(), default=Scripted(action, Say("After."))), UTTERANCE)
    assert call.done.failure == f"the dialog yielded a {type(action).__name__}, which is no action"
    assert not call.spoken


@pytest.mark.parametrize(
    ("action", "problem"),
    [
        (Say("x" * 10_000), "Say with 10000 characters: 5000 at most"),
        (SetVariable("A", "b"), "yielded more than 1000 actions in one turn"),
    ],
)
async def test_too_much_in_one_turn_fails_it(action: DialogAction, problem: str) -> None:
    """A text without an end, and actions without an end."""
    call = await run(turns(Pool(), default=Scripted(*[action] * 1_001)), GREET)
    assert call.done.failure is not None
    assert problem in call.done.failure
    assert len(call.sent) <= 1_001


async def test_the_most_actions_are_not_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit itself is allowed."""
    monkeypatch.setattr("ingress.dialogs.run.MAXIMUM_ACTIONS", 3)
    call = await run(turns(Pool(), default=Scripted(*[SetVariable("A", "b")] * 3)), GREET)
    assert (call.done.failure, len(call.sent)) == (None, 4)


@pytest.mark.parametrize("words", ["This is a sentence. " * 60, "One. Two. Three. " * 20])
async def test_audio_is_made_as_it_is_heard(words: str) -> None:
    """A very long answer is sent at most the lead before it is played, also from the cache."""
    call = await run(turns(Pool(bytes(16_000)), default=Scripted(Say(words))), UTTERANCE)
    sent_s, ahead_s = 0.0, []
    for message, now_s in zip(call.sent, call.sent_s, strict=True):
        if isinstance(message, SentenceAudio) and message.audio:
            ahead_s.append(sent_s - now_s)
            sent_s += audio_duration_ms(message.audio) / 1000.0
    assert sent_s == 60.0
    assert max(ahead_s) == pytest.approx(LEAD_S)
    assert min(ahead_s) == 0.0


async def test_a_dialog_without_speech_needs_no_pool() -> None:
    """The tone dialog runs with no engine at all and ignores what is said; speaking fails the turn."""
    runner = turns(None, default=ToneDialog(DialogSettings(tone_hz=500.0)))
    assert [type(message) for message in (await run(runner, GREET)).sent] == [PlayTone, TurnDone]
    assert [type(message) for message in (await run(runner, UTTERANCE)).sent] == [TurnDone]
    assert runner.begin_ahead(AHEAD, DEFAULT) is None
    call = await run(turns(None, default=Scripted(Say("Hello."))), GREET)
    assert call.done.failure == "the dialog was declared to need no speech, and asked to speak"


async def test_a_cancelled_turn_stops_its_dialog_and_its_synthesis() -> None:
    """The caller hangs up while a sentence is made."""
    pool, has_ended = Pool(), asyncio.Event()
    pool.gates = [asyncio.Event()]

    class Talker(Dialog):
        async def respond(self, event: DialogEvent, call: DialogCall) -> AsyncIterator[DialogAction]:
            try:
                yield Say("Good morning.")
            finally:
                has_ended.set()

    turn = asyncio.create_task(run(turns(pool, default=Talker()), GREET))
    await asyncio.sleep(0.1)
    assert pool.running == 1
    turn.cancel()
    await asyncio.gather(turn, return_exceptions=True)
    await asyncio.sleep(0.1)
    assert has_ended.is_set()
    assert (pool.running, pool.stopped) == (0, 1)


class Slow(Dialog):
    """Says a word, then takes its time."""

    def __init__(self, begins_s: float, goes_on_s: float) -> None:
        self.begins_s = begins_s
        self.goes_on_s = goes_on_s

    async def respond(self, event: DialogEvent, call: DialogCall) -> AsyncIterator[DialogAction]:
        await asyncio.sleep(self.begins_s)
        yield Say("One.")
        await asyncio.sleep(self.goes_on_s)
        yield Say("Two.")


@pytest.mark.parametrize(
    ("begins_s", "goes_on_s", "spoken"),
    [
        (4.9, 4.9, ["One.", "Two."]),
        (math.inf, 0.0, []),
        (0.0, math.inf, ["One."]),
    ],
)
async def test_a_dialog_has_a_deadline_for_each_action(
    begins_s: float, goes_on_s: float, spoken: list[str]
) -> None:
    """Of its extension; then the turn fails with the reason, and the caller hears the apology."""
    chosen = extension(dialog=DialogSettings(deadline_s=5.0))
    slow = Slow(min(begins_s, 1e6), min(goes_on_s, 1e6))
    call = await run(turns(Pool(bytes(160)), default=slow), GREET, extension=chosen)
    assert call.spoken == spoken
    is_late = math.inf in (begins_s, goes_on_s)
    assert call.done.failure == ("the dialog did nothing for 5 s (dialog.deadline_s)" if is_late else None)


class Stubborn(Dialog):
    """Goes on when it is cancelled."""

    def __init__(self) -> None:
        self.cancelled = 0
        self.is_closed = False

    async def respond(self, event: DialogEvent, call: DialogCall) -> AsyncIterator[DialogAction]:
        try:
            yield Say("One.")
            while True:
                try:
                    await asyncio.sleep(30.0)
                    break
                except asyncio.CancelledError:
                    self.cancelled += 1
            yield Say("Two.")
        finally:
            self.is_closed = True


async def test_a_dialog_that_ignores_its_cancellation_holds_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Its turn ends at once, nothing more of it is spoken, and it is closed at its next action."""
    pool, stubborn = Pool(bytes(160)), Stubborn()
    call = Served(DEFAULT)
    turn = asyncio.create_task(turns(pool, default=stubborn).run(GREET, call))
    await asyncio.sleep(1.0)
    turn.cancel()
    _, pending = await asyncio.wait({turn}, timeout=1.0)
    assert not pending
    assert (stubborn.cancelled, pool.running) == (1, 0)
    assert f"Stubborn goes on at {__file__}:" in caplog.text
    await asyncio.sleep(60.0)
    assert call.spoken == ["One."]
    assert stubborn.is_closed


async def test_a_dialog_may_hold_a_task_s_own_things_over_its_actions() -> None:
    """A timeout, for one, has to be left in the task in which it was entered."""

    class Timed(Dialog):
        async def respond(self, event: DialogEvent, call: DialogCall) -> AsyncIterator[DialogAction]:
            task = asyncio.current_task()
            with pytest.raises(TimeoutError):  # noqa: PT012
                async with asyncio.timeout(1.0):
                    yield Say("One.")
                    assert asyncio.current_task() is task
                    await asyncio.sleep(2.0)
            yield Say("Two.")

    call = await run(turns(Pool(bytes(160)), default=Timed()), GREET)
    assert (call.spoken, call.done.failure) == (["One.", "Two."], None)


async def test_a_broken_link_ends_the_turn() -> None:
    """Nothing can be reported."""

    class Unreachable(Served):
        async def send(self, message: Message) -> None:
            raise LinkError("gone")

    with pytest.raises(LinkError):
        await turns(Pool(), default=ECHO).run(UTTERANCE, Unreachable(DEFAULT))


# Transcription ahead of time


@pytest.mark.parametrize("begun_before_s", [0.0, 0.25, 0.75, 2.0])
async def test_what_was_begun_ahead_is_used_and_timed_as_waited_for(begun_before_s: float) -> None:
    """Just begun, without a slot, with one or done: the words come once; the stages are what was waited."""
    pool = Pool(lease_s=0.5, work_s=0.5)
    runner = turns(pool, default=ECHO)
    ahead = runner.begin_ahead(AHEAD, DEFAULT)
    await asyncio.sleep(begun_before_s)
    call = await run(runner, UTTERANCE, ahead)
    assert call.sent[0] == Heard(call_id="c1", turn=2, text="good morning", was_ahead=True)
    stages = call.done.stages
    assert stages.lease_wait_ms == pytest.approx(max(0.0, 500.0 - begun_before_s * 1000.0))
    assert stages.lease_wait_ms + (stages.transcription_ms or 0.0) == pytest.approx(  # type: ignore[operator]
        max(0.0, 1000.0 - begun_before_s * 1000.0)
    )
    assert pool.ahead == [True]
    assert pool.promoted == ([] if begun_before_s == 2.0 else ["c1"]), "final, while it is under way"
    assert (runner.ahead_begun, runner.ahead_used) == (1, 1)


@pytest.mark.parametrize("error", [EngineError("cannot"), CapacityError("another needed the slot")])
async def test_what_failed_ahead_is_transcribed_in_the_turn(error: Exception) -> None:
    """The caller waits longer, and notices nothing else."""
    pool = Pool(lease_s=0.1, work_s=0.2)
    pool.failures = [error]
    runner = turns(pool, default=ECHO)
    call = await run(runner, UTTERANCE, runner.begin_ahead(AHEAD, DEFAULT))
    assert call.sent[0] == Heard(call_id="c1", turn=2, text="good morning", was_ahead=False)
    assert call.done.failure is None
    assert call.done.stages.lease_wait_ms == pytest.approx(400.0)
    assert call.done.stages.transcription_ms == pytest.approx(200.0)
    assert pool.ahead == [True, False]
    assert (runner.ahead_begun, runner.ahead_used) == (1, 0)


# What the manager's decision asks for


@pytest.mark.parametrize("level", list(Level))
async def test_the_level_decides_what_is_begun_and_how_often_it_is_tried(level: Level) -> None:
    """Nothing ahead from busy on, nothing decoded twice from loaded on."""
    pool = Pool()
    pool.decision = Decision(level=level)
    runner = turns(pool, default=ECHO)
    ahead = runner.begin_ahead(AHEAD, DEFAULT)
    assert (ahead is not None) == (level < Level.BUSY)
    await run(runner, UTTERANCE, ahead)
    assert pool.ahead == [level < Level.BUSY]
    assert [request.may_retry for request in pool.asked] == [level < Level.LOADED]


@pytest.mark.parametrize("level", list(Level))
async def test_a_loaded_system_prefers_short_answers_unless_the_long_one_is_there(level: Level) -> None:
    """All of its sentences have to be: half of it would cost work."""
    pool = Pool()
    long = ["We are open from nine to five.", "Except on Sundays."]
    say = Say(" ".join(long), is_fixed=True, short="Nine to five.")
    runner = turns(pool, default=Scripted(say), half=Scripted(Say(long[1], is_fixed=True)))
    is_short = level >= Level.LOADED
    await run(runner, GREET, extension=extension("half"))
    pool.decision = Decision(level=level)
    assert (await run(runner, GREET)).spoken == (["Nine to five."] if is_short else long)
    pool.decision = Decision()
    await run(runner, GREET)
    pool.decision = Decision(level=level)
    assert (await run(runner, GREET)).spoken == long
    assert len(pool.requests) == 2 + is_short


# Extensions and the cache


async def test_each_extension_has_its_language_its_voice_and_its_dialog() -> None:
    """One runner serves them all."""
    pool = Pool()
    runner = turns(pool, porto=ECHO, echo=ECHO, tone=ToneDialog(DialogSettings()))
    await run(runner, UTTERANCE, extension=extension("porto", "pt", "maria"))
    await run(runner, UTTERANCE, extension=extension("echo", "en"))
    assert [request.language for request in pool.asked] == ["pt", "en"]
    assert [(request.language, request.voice) for request in pool.requests] == [("pt", "maria"), ("en", None)]
    silent = extension("tone", dialog=DialogSettings(name="tone"))
    call = await run(runner, UTTERANCE, extension=silent)
    assert [type(message) for message in call.sent] == [TurnDone]
    assert len(pool.asked) == 2
    assert runner.begin_ahead(AHEAD, silent) is None


async def test_sentences_that_were_said_before_are_not_made_again() -> None:
    """Fixed parts of an answer hit, the rest misses."""
    pool, hits = Pool(), []
    dialog = Scripted()
    runner = turns(pool, default=dialog)
    for digit in "123":
        dialog.actions = (Say(f"Thank you for waiting. You have number {digit}, I believe. Please hold."),)
        stages = (await run(runner, DIGIT)).done.stages
        hits.append((stages.cache_hits, stages.cache_misses))
    assert hits == [(0, 3), (2, 1), (2, 1)]
    assert len(pool.requests) == 5


async def test_what_a_caller_said_is_not_fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The greeting and the apology may be kept on disk; what the echo repeats may not."""
    pool = Pool()
    runner = turns(pool, default=ECHO)
    assert runner.speaker is not None
    speak, fixed = runner.speaker.speak, dict[str, bool]()

    def noted(text: str, extension: Extension, call_id: str, is_fixed: bool, deadline_s: float) -> Any:
        fixed[text] = is_fixed
        return speak(text, extension, call_id, is_fixed, deadline_s)

    monkeypatch.setattr(runner.speaker, "speak", noted)
    for request in (GREET, UTTERANCE, DIGIT):
        await run(runner, request)
    pool.text = ""
    await run(runner, UTTERANCE)
    assert fixed == {
        "Hello.": True,
        "You said: good morning": False,
        "You pressed pound.": False,
        NOT_UNDERSTOOD: True,
    }
    assert [text for text, is_fixed in fixed.items() if is_fixed] == list(ECHO.fixed_texts_in("en"))
    assert list(EchoDialog(DialogSettings(greeting="")).fixed_texts_in("en")) == [NOT_UNDERSTOOD]


# What is said


async def test_engines_get_speakable_text_and_the_history_the_written_one() -> None:
    """Each written sentence is one in the history, in however many pieces it is made."""
    boleto = "34191790010104351004791020150008291070026000123"
    pool = Pool()
    call = await run(turns(pool, default=Scripted(Say(f"**PIN 0042.** Pay {boleto} now."))), GREET)
    texts = [request.text for request in pool.requests]
    assert texts[0] == "PIN zero zero four two."
    assert len(texts) == 3
    assert texts[1].startswith("Pay three four one, nine one seven,")
    assert texts[2].endswith(", two three now.")
    assert call.spoken == ["**PIN 0042.**", f"Pay {boleto} now."]
    assert {message.sentence for message in call.sent if isinstance(message, SentenceAudio)} == {1, 2}


async def test_a_long_reading_is_made_as_it_is_heard() -> None:
    """One sentence of figures takes more than a minute: it is paced piece by piece, and none is long."""
    pool = Pool(bytes(160_000))  # 10 s for each piece
    words = "1.234,56; " * 19
    call = await run(turns(pool, default=Scripted(Say(words))), GREET, extension=extension(language="pt"))
    assert all(len(request.text) <= 150 for request in pool.requests)
    assert call.spoken == [words.strip()]
    sent_s, ahead_s = 0.0, []
    for message, now_s in zip(call.sent, call.sent_s, strict=True):
        if isinstance(message, SentenceAudio) and message.audio:
            ahead_s.append(sent_s - now_s)
            sent_s += audio_duration_ms(message.audio) / 1000.0
    assert sent_s > 60.0
    assert LEAD_S <= max(ahead_s) <= LEAD_S + 10.0


@pytest.mark.parametrize(
    "text", ["👍", "***", "<break time='1s'/>", " \u200b ", "---\n| --- |\n", "", "\ud800"]
)
async def test_nothing_to_say_is_no_sentence(text: str) -> None:
    """No synthesis, nothing in the history, no failure."""
    pool = Pool()
    call = await run(turns(pool, default=Scripted(Say(text), Say("And 👍 then."))), GREET)
    assert call.spoken == ["And 👍 then."]
    assert [request.text for request in pool.requests] == ["And then."]
    assert call.done.failure is None


async def test_a_text_that_is_none_fails_the_turn() -> None:
    """The reason says what came."""
    call = await run(turns(Pool(), default=Scripted(Say(5))), GREET)  # type: ignore[arg-type]
    assert call.done.failure == "the dialog yielded Say with a int: its text is a str"


async def test_a_lone_surrogate_reaches_no_message() -> None:
    """It is no character, and no message could carry it."""
    call = await run(turns(Pool(), default=Scripted(Say("Hi \ud83d there."))), GREET)
    assert call.spoken == ["Hi  there."]
    assert call.done.failure is None


async def test_a_message_too_large_for_the_link_fails_the_turn() -> None:
    """The link is there: the caller hears the apology at once, and does not wait for the turn's deadline."""

    class Bounded(Served):
        async def send(self, message: Message) -> None:
            encode(message)
            await super().send(message)

    call = Bounded(DEFAULT)
    await turns(Pool(bytes(MAXIMUM_MESSAGE_BYTES)), default=Scripted(Say("Hello."))).run(GREET, call)
    assert call.done.failure is not None
    assert "too large for the link" in call.done.failure


@pytest.mark.parametrize(
    ("language", "greeting", "answer"),
    [
        ("en-GB", "Hello.", "You said: good morning"),
        ("pt-BR", "Olá.", "Você disse: good morning"),
        ("es", "Hola.", "Usted dijo: good morning"),
        ("de", "Hallo.", "Sie haben gesagt: good morning"),
        ("pl", "Hello.", "You said: good morning"),
    ],
)
async def test_the_echo_speaks_the_language_of_its_extension(
    language: str, greeting: str, answer: str
) -> None:
    """Its own texts; the operator's greeting stays as it is."""
    echo, chosen = EchoDialog(DialogSettings()), extension(language=language)
    runner = turns(Pool(), default=echo)
    begun = await run(runner, GREET, extension=chosen)
    assert begun.spoken[0] == greeting
    assert (await run(runner, UTTERANCE, extension=chosen)).spoken == [answer]
    own = turns(Pool(), default=EchoDialog(DialogSettings(greeting="Oi.")))
    assert (await run(own, GREET, extension=chosen)).spoken == ["Oi."]


# The dialog's state


class Counting(Dialog):
    """Counts in its state before each thing that it does."""

    needs_speech = False

    async def respond(self, event: DialogEvent, call: DialogCall) -> AsyncIterator[DialogAction]:
        for action in (PlayContinuousTone(425.0), EndCall()):
            steps = call.state.setdefault("steps", [])
            assert isinstance(steps, list)
            steps.append(len(steps))
            yield action
        call.state["last"] = "ü"


async def test_a_changed_state_is_sent_before_what_goes_with_it() -> None:
    """After each action, and at the end; each message has a copy of its own, and so has the request."""
    request = GREET.model_copy(update={"state": {"steps": [7]}})
    call = await run(turns(None, default=Counting()), request)
    assert [type(message) for message in call.sent] == [
        *(StateChanged, PlayTone, StateChanged, HangUp, StateChanged, TurnDone)
    ]
    states = [message.state for message in call.sent if isinstance(message, StateChanged)]
    assert states == [{"steps": [7, 1]}, {"steps": [7, 1, 2]}, {"steps": [7, 1, 2], "last": "ü"}]
    assert request.state == {"steps": [7]}


async def test_the_state_comes_back_and_is_sent_only_if_it_differs() -> None:
    """The next turn's dialog has what the last one left."""
    dialog = Scripted(EndCall())
    call = await run(turns(None, default=dialog), DIGIT.model_copy(update={"state": {"turns": 3}}))
    assert dialog.calls[0].state == {"turns": 3}
    assert [type(message) for message in call.sent] == [HangUp, TurnDone]


def nested(levels: int) -> dict[str, Any]:
    """Return an object in an object, and so on."""
    return {"a": nested(levels - 1)} if levels else {}


@pytest.mark.parametrize(
    "secret",
    [
        {1: "secret"},
        {"secret": (1,)},
        {"secret": float("nan")},
        {"secret": 1 << 64},
        {"secret": b"1"},
        {"secret": "\ud800"},
        nested(400),
        {"secret": "x" * 16_384},
    ],
    ids=["key", "tuple", "NaN", "large number", "bytes", "surrogate", "deep", "large"],
)
async def test_a_wrong_state_fails_that_turn_only(secret: dict[Any, Any]) -> None:
    """It is not sent, nor is what goes with it; the failure quotes nothing."""

    class Wrong(Dialog):
        async def respond(self, event: DialogEvent, call: DialogCall) -> AsyncIterator[DialogAction]:
            if isinstance(event, CallerSaid):
                call.state.update(secret)
            yield EndCall()

    runner = turns(Pool(), default=Wrong())
    call = await run(runner, UTTERANCE)
    assert [type(message) for message in call.sent] == [Heard, TurnDone]
    assert call.done.failure is not None
    assert call.done.failure.startswith("the dialog's state ")
    assert "secret" not in call.done.failure
    assert (await run(runner, DIGIT)).done.failure is None


async def test_what_speech_may_not_stop_is_sent_as_such() -> None:
    """Each sentence of that `Say`, and no other."""
    dialog = Scripted(Say("One. Two.", may_interrupt=False), Say("Three."))
    call = await run(turns(Pool(), default=dialog), GREET)
    pieces = [message for message in call.sent if isinstance(message, SentenceAudio) and message.is_last]
    assert [(piece.text, piece.may_interrupt) for piece in pieces] == [
        ("One.", False),
        ("Two.", False),
        ("Three.", True),
    ]


async def test_a_silence_is_an_event() -> None:
    """With how often it was, and where."""
    dialog = Scripted()
    await run(turns(Pool(), default=dialog), NoInput(call_id="c1", turn=3, history=(), times=2, leg="return"))
    assert dialog.events == [NothingHeard(2, "return")]


@pytest.mark.parametrize("says_something", [False, True])
async def test_an_interruption_is_an_event_before_what_came_instead(says_something: bool) -> None:
    """With what had been heard, in the same turn; what the dialog remembers counts, what it says does not."""

    class Counting(Scripted):
        async def respond(self, event: DialogEvent, call: DialogCall) -> AsyncIterator[DialogAction]:
            self.events.append(event)
            call.state["events"] = len(self.events)
            if says_something or not isinstance(event, Interrupted):
                yield Say(f"Answer {len(self.events)}.")
                yield EndCall()

    dialog = Counting()
    interrupted = UTTERANCE.model_copy(update={"interrupted": "We are open."})
    call = await run(turns(Pool(), default=dialog), interrupted)
    assert dialog.events == [Interrupted("We are open.", "caller"), SAID]
    assert call.spoken == ["Answer 2."]
    states = [message.state for message in call.sent if isinstance(message, StateChanged)]
    assert states == [{"events": 1}, {"events": 2}]
    assert sum(isinstance(message, HangUp) for message in call.sent) == 1


@pytest.mark.parametrize(
    ("request_", "event"),
    [
        (UTTERANCE, replace(SAID, leg="return")),
        (DIGIT, CallerPressed("#", leg="return")),
        (LegChanged(call_id="c1", turn=3, history=(), is_there=True), LegJoined()),
        (LegChanged(call_id="c1", turn=3, history=(), is_there=False), LegLeft()),
    ],
)
async def test_a_leg_is_answered_where_it_spoke(request_: TurnRequest, event: DialogEvent) -> None:
    """Unless it is named, or gone: then the caller hears it."""
    dialog = Scripted(Say("One."), Say("Two.", leg="caller"), Say("Three.", leg="return"))
    request = request_.model_copy(update={"leg": "return", "has_return_leg": event != LegLeft()})
    call = await run(turns(Pool(), default=dialog), request)
    assert dialog.events == [event]
    assert dialog.calls[0].has_return_leg is (event != LegLeft())
    heard = {message.text: message.leg for message in call.sent if isinstance(message, SentenceAudio)}
    first = "caller" if event == LegLeft() else "return"
    assert heard == {"One.": first, "Two.": "caller", "Three.": "return"}


async def test_words_that_are_not_understood_are_a_legs_too() -> None:
    """Never taken for the caller's."""
    pool, dialog = Pool(), Scripted()
    pool.text = ""
    await run(turns(pool, default=dialog), UTTERANCE.model_copy(update={"leg": "return"}))
    assert dialog.events == [CallerNotUnderstood(leg="return")]


async def test_a_dialog_ends_one_leg_or_the_call() -> None:
    """The call's own end is the caller's leg's; a leg that there is not fails the turn."""
    dialog = Scripted(EndCall("refused", leg="return"), EndCall("done"), Say("Hm.", leg="both"))  # type: ignore[arg-type]
    call = await run(turns(Pool(), default=dialog), DIGIT.model_copy(update={"leg": "return"}))
    ends = [(message.leg, message.reason) for message in call.sent if isinstance(message, HangUp)]
    assert ends == [("return", "refused"), ("caller", "done")]
    assert (
        call.done.failure == "the dialog yielded a Say that cannot be done: its leg is `caller` or `return`"
    )


async def test_a_long_answer_on_one_leg_keeps_the_other_waiting_for_nothing() -> None:
    """Each has its own lead."""
    dialog = Scripted(Say("Word. " * 19, leg="return"), Say("Hm.", leg="caller"))
    call = await run(turns(Pool(bytes(16_000)), default=dialog), DIGIT)
    sent = zip(call.sent, call.sent_s, strict=True)
    at_s = {message.leg: now_s for message, now_s in sent if isinstance(message, SentenceAudio)}
    assert at_s["caller"] == at_s["return"]
