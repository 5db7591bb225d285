"""Slow engines: what is heard when, and without a gap. The scripted engine, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded_pool import RecordedPool, extension

from actors.engines.scripted import ScriptedTts
from actors.errors import LinkError
from actors.messages import SessionActivity, Synthesize
from actors.pool.speech_pool import SpeechChunk
from actors.settings import ScriptedSettings, SpeechSettings
from actors.telephone import audio_duration_ms
from ingress.configuration.extensions import Extension
from ingress.configuration.settings import CacheSettings
from ingress.dialogs.base import CallBegan, Dialog, DialogAction, DialogCall, DialogEvent, Say
from ingress.gateway.early_speech import MARGIN, is_to_be_cut, silence_s
from ingress.gateway.held_audio import HeldAudio
from ingress.gateway.turn_runner import TurnRunner
from ingress.link.messages import CallStarted, Greet, Message, SentenceAudio, TurnDone
from ingress.phrases.pace import Pace
from ingress.phrases.speaker import Speaker

OFFER = (
    "I can offer you a table by the window on Friday, at half past seven in the evening, "
    "or one on the terrace an hour later. Which of them do you like better, madam?"
)
MEASURED = "This is a sentence by which the engine is measured."
STARTED = CallStarted(call_id="c1", extension="default", started_at_s=1.0)
letters = st.integers(5, 150)


@given(
    st.lists(st.tuples(letters, st.booleans()), min_size=2, max_size=8),
    st.floats(0.01, 3.0),
    st.floats(0.0, 1.0),
)
def test_each_clause_is_there_when_the_one_before_it_ends(
    clauses: list[tuple[int, bool]], factor: float, share: float
) -> None:
    """With the margin as the engine's real speed; and with less waiting one would be late."""
    pace = Pace(factor, factor * share)
    held_s = silence_s(clauses[0][0], clauses[1:], pace)
    speech_s = [weight * pace.seconds_per_letter for weight, _ in clauses]
    made_s = MARGIN * (factor - factor * share) * speech_s[0]
    ends_s = held_s + speech_s[0]
    slack_s = []
    for (_, is_ready), seconds in zip(clauses[1:], speech_s[1:], strict=True):
        if not is_ready:
            slack_s.append(ends_s - made_s - MARGIN * factor * share * seconds)  # its first audio
            made_s += MARGIN * factor * seconds
            slack_s.append(ends_s + seconds - made_s)  # its last
        ends_s += seconds
    assert min(slack_s, default=0.0) >= -1e-9
    assert held_s == 0.0 or min(slack_s) <= 1e-9


@pytest.mark.parametrize(
    ("factor", "lead_s", "is_cut"),
    [(0.02, 0.0, False), (0.09, 0.0, False), (0.11, 0.0, True), (0.65, 3.0, True), (0.65, 3.2, False)],
)
def test_a_sentence_is_cut_only_if_it_would_be_waited_for(factor: float, lead_s: float, is_cut: bool) -> None:
    """One of four seconds; while that before it is played there is time to make it whole."""
    assert is_to_be_cut(60, Pace(factor, factor), lead_s) == is_cut


@dataclass
class SlowPool(RecordedPool):
    """One worker with the scripted engine, whose sleep is virtual."""

    engine: ScriptedTts
    slept: list[float]

    def __post_init__(self) -> None:
        super().__init__()
        self.worker = asyncio.Lock()

    async def synthesize(self, request: Synthesize, deadline_s: float) -> AsyncGenerator[SpeechChunk, None]:
        """Yield the engine's pieces after the time that it takes."""
        self.requests.append(request)
        async with self.worker:
            began_s = asyncio.get_running_loop().time()
            for piece in self.engine.synthesize(request):
                await asyncio.sleep(sum(self.slept))
                self.slept.clear()
                elapsed_s = asyncio.get_running_loop().time() - began_s
                yield SpeechChunk(piece, 0.0, elapsed_s * 1000.0)


class Announcement(Dialog):
    """Says one text."""

    def __init__(self, text: str, is_fixed: bool = False) -> None:
        self.say = Say(text, is_fixed)

    async def respond(self, event: DialogEvent, call: DialogCall) -> AsyncGenerator[DialogAction, None]:
        assert event == CallBegan()
        yield self.say


@dataclass
class Ear:
    """A call, and what its caller hears."""

    started: CallStarted = STARTED
    extension: Extension = field(default_factory=extension)
    first_s: float | None = None
    ends_s: float = 0.0
    """When all that has come is played."""
    gaps: list[float] = field(default_factory=list)
    """Between two pieces of one sentence."""
    pauses: list[float] = field(default_factory=list)
    """Between two sentences."""
    sentences: list[str] = field(default_factory=list)
    audio: list[bytes] = field(default_factory=list)
    done: TurnDone | None = None
    fails: bool = False
    _last: int = 0

    async def send(self, message: Message) -> None:
        """Play a message."""
        now_s = asyncio.get_running_loop().time()
        if self.fails:
            raise LinkError("the media worker is gone")
        match message:
            case SentenceAudio(audio=audio) if audio:
                if self.first_s is None:
                    self.first_s = self.ends_s = now_s
                if now_s > self.ends_s:
                    (self.gaps if message.sentence == self._last else self.pauses).append(now_s - self.ends_s)
                self.ends_s = max(self.ends_s, now_s) + audio_duration_ms(audio) / 1000.0
                self._last = message.sentence
                self.audio.append(audio)
            case SentenceAudio():
                self.sentences.append(message.text)
            case TurnDone():
                self.done = message

    def turn_to(self, activity: SessionActivity) -> None:
        """It makes no difference."""


class House:
    """Turns with an engine of a given speed, which has been measured."""

    def __init__(self, factor: float, patch: pytest.MonkeyPatch) -> None:
        slept: list[float] = []
        patch.setattr("actors.engines.scripted.time", SimpleNamespace(sleep=slept.append))
        script = ScriptedSettings(tts_delay_s=0.0, real_time_factor=factor)
        speech = SpeechSettings(stt="scripted", tts="scripted", scripted=script)
        self.pool = SlowPool(ScriptedTts(speech), slept)
        self.speaker = Speaker(self.pool.as_pool, speech, CacheSettings(disk_bytes=0))
        self.runner = TurnRunner(self.pool.as_pool, self.speaker, speech, lambda extension: self.dialog)
        self.dialog: Dialog = Announcement(MEASURED)

    async def hears(self, text: str, is_fixed: bool = False, ear: Ear | None = None) -> Ear:
        """Return what a caller heard of a text; times count from its turn's start."""
        self.dialog = Announcement(text, is_fixed)
        self.pool.requests.clear()
        ear = ear or Ear()
        began_s = asyncio.get_running_loop().time()
        await self.runner.run(Greet(call_id="c1", turn=1, history=()), ear)
        if ear.first_s is not None:
            ear.first_s -= began_s
        return ear

    @property
    def asked(self) -> list[str]:
        """What the engine was asked for in the last turn."""
        return [request.text for request in self.pool.requests]


@pytest.mark.parametrize(
    ("factor", "parts", "whole_s", "first_s"),
    [(0.02, 2, 0.16, 0.17), (0.65, 4, 5.3, 2.2), (1.2, 4, 9.6, 6.5)],
)
async def test_a_slow_engine_is_heard_early_and_without_a_gap(
    factor: float, parts: int, whole_s: float, first_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By clauses where the sentence takes long; an engine slower than time begins once it can go on."""
    house = House(factor, monkeypatch)
    whole = await house.hears(OFFER)
    assert len(house.asked) == 2, "nothing is known of the engine yet"
    assert whole.first_s == pytest.approx(whole_s, abs=0.1)
    house = House(factor, monkeypatch)
    await house.hears(MEASURED)
    heard = await house.hears(OFFER)
    assert heard.gaps == []
    assert heard.sentences == whole.sentences == OFFER.replace(". W", ".|W").split("|")
    assert len(house.asked) == parts
    assert heard.first_s is not None
    assert heard.first_s <= first_s
    assert heard.done is not None
    assert heard.done.stages.synthesis_ms == pytest.approx(heard.first_s * 1000.0)


async def test_a_clause_that_is_said_again_is_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """In another sentence, too."""
    house = House(0.65, monkeypatch)
    await house.hears(MEASURED)
    await house.hears("Your table is booked for Friday, at half past seven in the evening, Mrs. Jones.")
    again = await house.hears(
        "Your table is booked for Friday, at half past eight in the evening, Mrs. Hall."
    )
    assert house.asked == ["at half past eight in the evening, Missus Hall."]
    assert again.first_s is not None
    assert again.first_s < 0.4, "held until the rest can follow"
    assert again.gaps == []
    assert again.done is not None
    assert (again.done.stages.cache_hits, again.done.stages.cache_misses) == (1, 1)


async def test_a_sentence_that_is_ready_is_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Made ahead of need it is in memory."""
    house = House(0.65, monkeypatch)
    await house.hears(MEASURED)
    for sentence in OFFER.replace(". W", ".|W").split("|"):
        await house.speaker.render(sentence, extension())  # type: ignore[arg-type]
    assert (await house.hears(OFFER, is_fixed=True)).first_s == 0.0
    assert house.asked == []


async def test_a_link_that_breaks_while_audio_is_held_ends_the_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing is sent afterwards."""
    house = House(1.2, monkeypatch)
    await house.hears(MEASURED)
    with pytest.raises(LinkError):
        await house.hears(OFFER, ear=Ear(fails=True))


async def test_an_interrupted_turn_sends_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is held is dropped."""
    house = House(1.2, monkeypatch)
    await house.hears(MEASURED)
    ear = Ear()
    turn = asyncio.create_task(house.hears(OFFER, ear=ear))
    await asyncio.sleep(4.5)
    assert len(house.asked) >= 2
    assert ear.audio == []
    turn.cancel()
    await asyncio.sleep(60.0)
    assert ear.audio == []
    assert turn.cancelled()


async def test_held_audio_is_sent_in_order_once_it_is_time_or_whole() -> None:
    """What comes while the first is being sent waits behind it, also if sending takes long."""
    sent: list[bytes] = []

    async def send(audio: bytes) -> None:
        await asyncio.sleep(0.5)
        sent.append(audio)

    held = HeldAudio(send, 2.0)
    for audio in (b"1", b"2"):
        await held.add(audio)
    await asyncio.sleep(1.9)
    assert sent == []
    await asyncio.sleep(0.3)
    await held.add(b"3")
    await asyncio.sleep(2.0)
    await held.add(b"4")
    await held.finish()
    held.discard()
    assert sent == [b"1", b"2", b"3", b"4"]
    early = HeldAudio(send, 60.0)
    await early.add(b"5")
    began_s = asyncio.get_running_loop().time()
    await early.finish()
    assert sent[-1] == b"5"
    assert asyncio.get_running_loop().time() - began_s == 0.5
