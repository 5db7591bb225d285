"""Turns in the gateway, with the real pool and scripted engines."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from recorded_pool import RecordedPool, extension

from actors.engines.scripted import ScriptedStt, ScriptedTts
from actors.errors import CapacityError, EngineError, LinkError
from actors.local import LocalPool
from actors.messages import (
    Decision,
    Level,
    SessionActivity,
    SessionStarted,
    Synthesize,
    Transcribe,
    Transcript,
)
from actors.pool.speech_pool import SpeechPool, Transcription
from actors.settings import FleetSettings, ScriptedSettings, SpeechSettings
from actors.telephone import audio_duration_ms
from ingress.configuration.settings import CacheSettings, DialogSettings
from ingress.dialogs.base import (
    CallerPressed,
    CallerSaid,
    Dialog,
    DialogAction,
    DialogCall,
    DialogEvent,
    EndCall,
    Say,
)
from ingress.dialogs.echo import EchoDialog
from ingress.dialogs.tone import ToneDialog
from ingress.gateway.turn_runner import Ahead, TurnRunner
from ingress.link.messages import (
    CallStarted,
    Digit,
    Greet,
    HangUp,
    Heard,
    Message,
    PlayTone,
    SentenceAudio,
    TranscribeAhead,
    TurnDone,
    Utterance,
)
from ingress.link.records import StageTimes
from ingress.phrases.disk import PhraseStore
from ingress.phrases.speaker import Speaker

UTTERANCE = Utterance(call_id="c1", turn=2, history=(), audio=bytes(16_000))
STARTED = CallStarted(call_id="c1", extension="default")
GREET = Greet(call_id="c1", turn=1, history=())
AHEAD = TranscribeAhead(call_id="c1", turn=2, audio=bytes(16_000))
ECHO = EchoDialog(DialogSettings(greeting="Hello."))
IN_MEMORY = CacheSettings(disk_bytes=0)


def speech_settings(**scripted: Any) -> SpeechSettings:
    """Return settings of scripted engines without delays."""
    quick: dict[str, Any] = {"stt_delay_s": 0.0, "tts_delay_s": 0.0, "transcript": "good morning"} | scripted
    return SpeechSettings(stt="scripted", tts="scripted", scripted=ScriptedSettings(**quick))


@pytest.fixture
async def pool() -> AsyncIterator[LocalPool]:
    """A pool of two scripted workers in this process."""
    fleet = FleetSettings(backend="local", max_concurrent_transcriptions=1, max_concurrent_synthesis=1)
    local = LocalPool(speech_settings(), fleet, "test")
    await local.start()
    await local.register_session(SessionStarted("c1", "test", "default"))
    yield local
    await local.close()


def turns(
    pool: SpeechPool | None, dialog: Dialog, speech: SpeechSettings, cache: CacheSettings = IN_MEMORY
) -> TurnRunner:
    """Return turns of one extension, with that dialog."""
    speaker = None if pool is None else Speaker(pool, speech, cache)
    return TurnRunner(pool, speaker, speech, {"default": dialog})


async def run(
    pool: LocalPool | None, dialog: Dialog, request: Greet | Utterance | Digit, **speech: Any
) -> list[Message]:
    """Run one turn; return what was sent."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    settings = speech_settings().model_copy(update=speech)
    await turns(pool, dialog, settings).run(request, STARTED, extension(), send)
    return sent


async def test_an_utterance_becomes_words_and_the_words_an_answer(pool: LocalPool) -> None:
    """Heard first, then the sentence's audio, its end, and the turn's stage times."""
    heard, *pieces, done = await run(pool, ECHO, UTTERANCE)
    assert heard == Heard(call_id="c1", turn=2, text="good morning")
    assert all(isinstance(piece, SentenceAudio) for piece in pieces)
    assert [piece.is_last for piece in pieces] == [False] * (len(pieces) - 1) + [True]  # type: ignore[union-attr]
    assert {piece.text for piece in pieces} == {"You said: good morning"}  # type: ignore[union-attr]
    assert isinstance(done, TurnDone)
    assert done.failure is None
    assert all(time_ms is not None for time_ms in done.stages.model_dump().values())


async def test_greeting_and_digit_have_no_transcription(pool: LocalPool) -> None:
    """A stage that did not happen is None, not 0."""
    for request in (
        Greet(call_id="c1", turn=1, history=()),
        Digit(call_id="c1", turn=3, history=(), digit="#"),
    ):
        *pieces, done = await run(pool, ECHO, request)
        assert pieces
        assert isinstance(done, TurnDone)
        assert done.stages.transcription_ms is None
        assert done.stages.synthesis_ms is not None


async def test_no_words_are_not_understood(pool: LocalPool) -> None:
    """An empty transcript is told to the dialog as such, never as consent."""
    silent = LocalPool(
        speech_settings(transcript=""),
        FleetSettings(backend="local", max_concurrent_transcriptions=1, max_concurrent_synthesis=1),
        "silent",
    )
    await silent.start()
    sent = await run(silent, ECHO, UTTERANCE)
    await silent.close()
    texts = {message.text for message in sent if isinstance(message, SentenceAudio)}
    assert texts == {"Sorry, I did not understand that."}


async def test_a_transcription_that_fails_is_not_understood(
    pool: LocalPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine refuses: the caller is told, the turn goes on."""

    def refuse(self: ScriptedStt, *arguments: object) -> Transcript:
        raise EngineError("out of paper")

    monkeypatch.setattr(ScriptedStt, "transcribe", refuse)
    sent = await run(pool, ECHO, UTTERANCE)
    assert any(isinstance(message, SentenceAudio) for message in sent)
    assert isinstance(sent[-1], TurnDone)
    assert sent[-1].failure is None


async def test_a_synthesis_that_fails_ends_the_turn_with_its_reason(
    pool: LocalPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The media worker then plays the failure tone."""

    def refuse(self: ScriptedTts, request: Synthesize) -> Any:
        raise EngineError("no such voice")

    monkeypatch.setattr(ScriptedTts, "synthesize", refuse)
    *_, done = await run(pool, ECHO, UTTERANCE)
    assert isinstance(done, TurnDone)
    assert done.failure is not None
    assert "no such voice" in done.failure


async def test_no_slot_in_time_ends_the_turn(pool: LocalPool) -> None:
    """The only transcription slot is taken for longer than the deadline."""
    slow = LocalPool(
        speech_settings(stt_delay_s=2.0),
        FleetSettings(backend="local", max_concurrent_transcriptions=1, max_concurrent_synthesis=1),
        "slow",
    )
    await slow.start()
    first = asyncio.create_task(run(slow, ECHO, UTTERANCE, transcription_deadline_s=5.0))
    await asyncio.sleep(0.5)
    *_, done = await run(slow, ECHO, UTTERANCE, transcription_deadline_s=0.3)
    assert isinstance(done, TurnDone)
    assert done.failure is not None
    assert "no free slot" in done.failure
    await first
    await slow.close()


async def test_a_dialog_that_breaks_does_not_take_the_gateway_along(pool: LocalPool) -> None:
    """The failure names the place, and quotes nothing."""

    class Broken(Dialog):
        async def respond(self, event: DialogEvent, call: DialogCall) -> AsyncIterator[DialogAction]:
            yield Say("Before.")
            raise RuntimeError("the caller said secret things")

    *_, done = await run(pool, Broken(), UTTERANCE)
    assert isinstance(done, TurnDone)
    assert done.failure is not None
    assert "RuntimeError" in done.failure
    assert "secret" not in done.failure


async def test_long_answers_go_out_sentence_by_sentence(pool: LocalPool) -> None:
    """Numbered in order; the caller hears the first while the second is made."""

    class Talker(Dialog):
        async def respond(self, event: DialogEvent, call: DialogCall) -> AsyncIterator[DialogAction]:
            assert event == CallerSaid("good morning")
            yield Say("One sentence here. Another one there! And a third?")
            yield EndCall()

    sent = await run(pool, Talker(), UTTERANCE)
    audio = [message for message in sent if isinstance(message, SentenceAudio)]
    assert [message.sentence for message in audio if message.is_last] == [1, 2, 3]
    assert [type(message) for message in sent[-2:]] == [HangUp, TurnDone]


@pytest.mark.parametrize(
    "text",
    ["This is a sentence. " * 5, "One long sentence. " * 2 + "Then another one. And a third, too. The end!"],
)
async def test_the_gateway_does_not_run_far_ahead_of_the_ear(
    pool: LocalPool, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """A very long answer is sent as it is heard, at most the lead ahead (and one sentence), cached or not."""
    monkeypatch.setattr("ingress.gateway.turn_runner.LEAD_S", 0.5)

    class Lecturer(Dialog):
        async def respond(self, event: DialogEvent, call: DialogCall) -> AsyncIterator[DialogAction]:
            yield Say(text)

    loop = asyncio.get_running_loop()
    start_s: list[float] = []
    ahead_s: list[float] = []
    sent_s = 0.0

    async def send(message: Message) -> None:
        nonlocal sent_s
        if isinstance(message, SentenceAudio) and message.audio:
            start_s.append(loop.time())
            ahead_s.append(sent_s - (loop.time() - start_s[0]))
            sent_s += audio_duration_ms(message.audio) / 1000

    await turns(pool, Lecturer(), speech_settings()).run(UTTERANCE, STARTED, extension(), send)
    assert sent_s > 4.0
    assert max(ahead_s) < 0.5 + 0.1
    assert min(ahead_s[1:]) > 0.0


async def test_a_dialog_without_speech_needs_no_pool() -> None:
    """The tone dialog runs with no engine at all, and ignores what is said."""
    tone = ToneDialog(DialogSettings(tone_hz=500.0))
    sent = await run(None, tone, Greet(call_id="c1", turn=1, history=()))
    assert [type(message) for message in sent] == [PlayTone, TurnDone]
    assert [type(message) for message in await run(None, tone, UTTERANCE)] == [TurnDone]


async def test_a_cancelled_turn_frees_its_slot(pool: LocalPool) -> None:
    """The caller hangs up in mid-synthesis: the next call gets the slot."""
    task = asyncio.create_task(run(pool, ECHO, UTTERANCE))
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    sent = await asyncio.wait_for(run(pool, ECHO, UTTERANCE), 5.0)
    assert isinstance(sent[-1], TurnDone)
    assert sent[-1].failure is None


async def test_a_broken_link_ends_the_turn_without_a_word(pool: LocalPool) -> None:
    """There is nobody to tell."""

    async def send(message: Message) -> None:
        raise LinkError("gone")

    with pytest.raises(LinkError):
        await turns(pool, ECHO, speech_settings()).run(UTTERANCE, STARTED, extension(), send)


# Transcription ahead of time


@asynccontextmanager
async def slow_ears(delay_s: float) -> AsyncIterator[tuple[LocalPool, TurnRunner]]:
    """Yield a pool whose transcription takes a while, and turns on it."""
    settings = speech_settings(stt_delay_s=delay_s)
    fleet = FleetSettings(backend="local", max_concurrent_transcriptions=1, max_concurrent_synthesis=1)
    pool = LocalPool(settings, fleet, "slow")
    await pool.start()
    while not (await pool.status()).is_ready:
        await asyncio.sleep(0.01)
    yield pool, turns(pool, ECHO, settings)
    await pool.close()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that other tasks do."""
    async with asyncio.timeout(5.0):
        while not condition():
            await asyncio.sleep(0.001)


async def run_ahead(runner: TurnRunner, ahead: Ahead | None) -> tuple[Heard, TurnDone, float]:
    """Run the utterance's turn; return its words, its end, and how long its words took in ms."""
    sent: list[Message] = []
    heard_s: list[float] = []

    async def send(message: Message) -> None:
        sent.append(message)
        if isinstance(message, Heard):
            heard_s.append(time.monotonic())

    began_s = time.monotonic()
    await runner.run(UTTERANCE, STARTED, extension(), send, ahead)
    heard, *_, end = sent
    assert isinstance(heard, Heard)
    assert isinstance(end, TurnDone)
    return heard, end, (heard_s[0] - began_s) * 1000.0


@pytest.mark.parametrize("begun_before_s", [0.0, 0.1, 0.4])
async def test_what_was_begun_ahead_is_used_and_timed_as_waited_for(begun_before_s: float) -> None:
    """Done, half done or just begun: the words come once, and the stages are what the caller waited."""
    async with slow_ears(0.25) as (pool, runner):
        ahead = runner.begin_ahead(AHEAD, extension())
        assert ahead is not None
        await asyncio.sleep(begun_before_s)
        heard, end, waited_ms = await run_ahead(runner, ahead)
        assert (heard.text, heard.was_ahead) == ("good morning", True)
        assert end.stages.lease_wait_ms is not None
        assert end.stages.transcription_ms is not None
        assert end.stages.lease_wait_ms >= 0.0
        assert end.stages.lease_wait_ms + end.stages.transcription_ms == pytest.approx(waited_ms, abs=50.0)
        if begun_before_s >= 0.4:
            assert waited_ms < 100.0
        assert (await pool.status()).transcription.tally.count == 1
        assert (runner.ahead_begun, runner.ahead_used) == (1, 1)


async def test_a_lease_waited_for_before_the_turn_is_not_counted() -> None:
    """Only what is left of the wait after the end of the utterance."""
    async with slow_ears(0.6) as (pool, runner):
        other = asyncio.create_task(pool.transcribe(Transcribe("other", bytes(16_000), "en"), 5.0))
        await asyncio.sleep(0.01)
        ahead = runner.begin_ahead(AHEAD, extension())
        await asyncio.sleep(0.3)
        _, end, waited_ms = await run_ahead(runner, ahead)
        assert end.stages.lease_wait_ms is not None
        assert end.stages.transcription_ms is not None
        assert 0.0 < end.stages.lease_wait_ms < 450.0
        assert end.stages.transcription_ms >= 590.0
        assert end.stages.lease_wait_ms + end.stages.transcription_ms == pytest.approx(waited_ms, abs=50.0)
        await other


async def test_what_failed_ahead_is_transcribed_in_the_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller does not notice."""
    hear = ScriptedStt.transcribe

    def fail_once(self: ScriptedStt, *arguments: object) -> Transcript:
        monkeypatch.setattr(ScriptedStt, "transcribe", hear)
        raise EngineError("out of paper")

    monkeypatch.setattr(ScriptedStt, "transcribe", fail_once)
    async with slow_ears(0.05) as (_, runner):
        heard, end, waited_ms = await run_ahead(runner, runner.begin_ahead(AHEAD, extension()))
        assert (heard.text, heard.was_ahead, end.failure) == ("good morning", False, None)
        assert end.stages.lease_wait_ms is not None
        assert end.stages.transcription_ms is not None
        assert end.stages.lease_wait_ms + end.stages.transcription_ms == pytest.approx(waited_ms, abs=50.0)
        assert (runner.ahead_begun, runner.ahead_used) == (1, 0)


async def test_a_cancelled_turn_cancels_what_was_begun_for_it() -> None:
    """The task that the turn waits for ends with it."""
    async with slow_ears(0.3) as (_, runner):
        ahead = runner.begin_ahead(AHEAD, extension())
        assert ahead is not None
        turn = asyncio.create_task(run_ahead(runner, ahead))
        await asyncio.sleep(0.02)
        turn.cancel()
        await asyncio.gather(turn, return_exceptions=True)
        assert ahead.task.cancelled()


async def test_a_turn_that_takes_over_what_was_begun_makes_it_final() -> None:
    """Once, and only while it is under way; begun as work that gives way."""
    pool = _ListeningPool()
    runner = turns(pool.as_pool, ECHO, speech_settings())
    ahead = runner.begin_ahead(AHEAD, extension())
    turn = asyncio.create_task(run_ahead(runner, ahead))
    await until(lambda: bool(pool.promoted))
    pool.answers.set()
    heard, _, _ = await turn
    assert heard.was_ahead
    assert (pool.promoted, pool.ahead) == (["c1"], [True])

    ahead = runner.begin_ahead(AHEAD, extension())
    assert ahead is not None
    await ahead.task
    await run_ahead(runner, ahead)
    assert pool.promoted == ["c1"]


async def test_what_gave_way_is_transcribed_in_the_turn() -> None:
    """Somebody more urgent got the slot: the turn asks again, as final work."""
    pool = _ListeningPool()
    pool.answers.set()
    pool.gives_way = True
    runner = turns(pool.as_pool, ECHO, speech_settings())
    heard, end, _ = await run_ahead(runner, runner.begin_ahead(AHEAD, extension()))
    assert (heard.text, heard.was_ahead, end.failure) == ("good morning", False, None)
    assert pool.ahead == [True, False]


# What the manager asks for


class _ListeningPool(RecordedPool):
    """Hears "good morning", and remembers how it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = asyncio.Event()
        self.gives_way = False
        self.asked: list[Transcribe] = []
        self.ahead: list[bool] = []
        self.promoted: list[str] = []

    async def transcribe(
        self, request: Transcribe, deadline_s: float, is_ahead: bool = False
    ) -> Transcription:
        self.asked.append(request)
        self.ahead.append(is_ahead)
        await self.answers.wait()
        if is_ahead and self.gives_way:
            raise CapacityError("gave way")
        return Transcription(Transcript("good morning", request.language, -0.1, 0.0, 1), 0.0, 0.0)

    def promote(self, call_id: str) -> None:
        self.promoted.append(call_id)


class Announcer(Dialog):
    """Has a long and a short way to say it."""

    async def respond(self, event: DialogEvent, call: DialogCall) -> AsyncIterator[DialogAction]:
        """Announce."""
        yield Say("We are open from nine to five. Except on Sundays.", is_fixed=True, short="Nine to five.")


@pytest.mark.parametrize("level", list(Level))
async def test_the_level_decides_what_is_begun_and_how_often_it_is_tried(level: Level) -> None:
    """Nothing ahead from busy on, nothing decoded twice from loaded on."""
    pool = _ListeningPool()
    pool.answers.set()
    pool.decision = Decision(level=level)
    runner = turns(pool.as_pool, ECHO, speech_settings())
    ahead = runner.begin_ahead(AHEAD, extension())
    assert (ahead is not None) == (level < Level.BUSY)
    heard, _, _ = await run_ahead(runner, ahead)
    assert heard.was_ahead == (level < Level.BUSY)
    assert {request.may_retry for request in pool.asked} == {level < Level.LOADED}
    assert runner.ahead_begun == (level < Level.BUSY)


@pytest.mark.parametrize("level", list(Level))
async def test_a_loaded_system_prefers_short_answers_unless_the_long_one_is_there(level: Level) -> None:
    """All of its sentences have to be: half of it would cost work."""
    pool = _ListeningPool()
    speaker = Speaker(pool.as_pool, speech_settings(), IN_MEMORY)
    runner = TurnRunner(pool.as_pool, speaker, speech_settings(), {"default": Announcer()})
    is_short = level >= Level.LOADED

    async def announced() -> list[str]:
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        await runner.run(GREET, STARTED, extension(), send)
        return [message.text for message in sent if isinstance(message, SentenceAudio) and message.is_last]

    long = ["We are open from nine to five.", "Except on Sundays."]
    async for _ in speaker.speak(long[1], extension(), "c1", is_fixed=True, deadline_s=5.0):
        pass
    pool.decision = Decision(level=level)
    assert await announced() == (["Nine to five."] if is_short else long)
    pool.decision = Decision()
    await announced()
    pool.decision = Decision(level=level)
    assert await announced() == long
    assert len(pool.requests) == 2 + is_short


# Extensions


async def test_each_extension_has_its_language_its_voice_and_its_dialog() -> None:
    """One runner serves them all."""
    pool = _ListeningPool()
    pool.answers.set()
    speech = speech_settings()
    speaker = Speaker(pool.as_pool, speech, IN_MEMORY)
    tone = ToneDialog(DialogSettings())
    runner = TurnRunner(pool.as_pool, speaker, speech, {"porto": ECHO, "echo": ECHO, "tone": tone})
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await runner.run(UTTERANCE, STARTED, extension("porto", "pt", "maria"), send)
    await runner.run(UTTERANCE, STARTED, extension("echo", "en"), send)
    assert [request.language for request in pool.asked] == ["pt", "en"]
    assert [(request.language, request.voice) for request in pool.requests] == [("pt", "maria"), ("en", None)]
    sent.clear()
    await runner.run(UTTERANCE, STARTED, extension("tone"), send)
    assert [type(message) for message in sent] == [TurnDone]
    assert len(pool.asked) == 2
    assert runner.begin_ahead(AHEAD, extension("tone")) is None


async def test_activities_are_told_as_they_begin(pool: LocalPool) -> None:
    """Transcribing only if there is something to transcribe; speaking with the first audio."""
    told: list[SessionActivity] = []
    order: list[object] = []

    async def send(message: Message) -> None:
        order.append(type(message))

    def on_activity(activity: SessionActivity) -> None:
        told.append(activity)
        order.append(activity)

    runner = turns(pool, ECHO, speech_settings())
    await runner.run(UTTERANCE, STARTED, extension(), send, on_activity=on_activity)
    assert told == [SessionActivity.TRANSCRIBING, SessionActivity.THINKING, SessionActivity.SPEAKING]
    assert order.index(SessionActivity.SPEAKING) == order.index(SentenceAudio) - 1
    assert order.index(SessionActivity.THINKING) == order.index(Heard) + 1
    told.clear()
    await runner.run(GREET, STARTED, extension(), send, on_activity=on_activity)
    assert told == [SessionActivity.THINKING, SessionActivity.SPEAKING]


# The cache


async def test_sentences_that_were_said_before_are_counted_as_hits_and_not_made(pool: LocalPool) -> None:
    """Fixed parts of an answer hit, the rest misses; hits take no time."""

    class Clerk(Dialog):
        async def respond(self, event: DialogEvent, call: DialogCall) -> AsyncIterator[DialogAction]:
            assert isinstance(event, CallerPressed)
            yield Say(
                f"Thank you for waiting. You have number {event.digit}, I believe. Please hold the line."
            )

    runner = turns(pool, Clerk(), speech_settings())
    stages: list[StageTimes] = []
    for digit in "123":
        sent: list[Message] = []

        async def send(message: Message, sent: list[Message] = sent) -> None:
            sent.append(message)

        await runner.run(Digit(call_id="c1", turn=1, history=(), digit=digit), STARTED, extension(), send)
        done = sent[-1]
        assert isinstance(done, TurnDone)
        assert done.failure is None
        stages.append(done.stages)
    assert [(each.cache_hits, each.cache_misses) for each in stages] == [(0, 3), (2, 1), (2, 1)]
    assert stages[-1].synthesis_ms is not None
    assert stages[-1].synthesis_ms < 20.0
    assert (await pool.status()).synthesis.tally.count == 5


async def test_what_a_caller_said_never_reaches_the_disk(pool: LocalPool, tmp_path: Path) -> None:
    """The greeting and the apology do; what the echo repeats does not."""
    speech = speech_settings()
    speaker = Speaker(pool, speech, CacheSettings(directory=str(tmp_path)))
    runner = TurnRunner(pool, speaker, speech, {"default": ECHO})

    async def send(message: Message) -> None:
        """Nobody listens."""

    requests: list[Greet | Utterance | Digit] = [
        GREET,
        UTTERANCE,
        Digit(call_id="c1", turn=3, history=(), digit="7"),
        UTTERANCE,
    ]
    for request in requests:
        await runner.run(request, STARTED, extension(), send)
    await speaker.close()
    phrases = PhraseStore(tmp_path, 1_000_000).phrases()
    assert [phrase.label.text for phrase in phrases] == ["Hello."]


def test_the_echo_s_fixed_texts_are_what_it_says_to_everybody() -> None:
    """An empty greeting is none."""
    assert list(ECHO.fixed_texts) == ["Hello.", "Sorry, I did not understand that."]
    silent = EchoDialog(DialogSettings(greeting=""))
    assert list(silent.fixed_texts) == ["Sorry, I did not understand that."]


def test_a_dialog_that_does_not_listen_begins_nothing() -> None:
    """There is no pool."""
    assert turns(None, ECHO, speech_settings()).begin_ahead(AHEAD, extension()) is None
