"""Calls, verdicts, turns and ends in any order, between a media worker's link and a pool that may fail."""

from __future__ import annotations

import asyncio
import gc
import json
import re
import weakref
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest
import virtual_time
from hypothesis import given, settings
from hypothesis import strategies as st
from link_end import LinkEnd
from scripted_pool import REFUSAL, Answer, Manner, ScriptedPool

from actors.messages import EXTENSION_FULL, Priority, SessionActivity, SessionFigures, SessionSummary
from ingress.configuration.settings import Settings
from ingress.dialogs.base import CallEnded as DialogCallEnded
from ingress.dialogs.base import Dialog, DialogAction, DialogCall, DialogEvent, EndCall
from ingress.gateway.call import ADMISSION_DEADLINE_S, IN_USE, NO_ANSWER, REDIAL_S
from ingress.gateway.gateway import Gateway
from ingress.link.messages import (
    Admitted,
    CallEnded,
    CallRecorded,
    CallStarted,
    CancelTurn,
    DropAhead,
    Greet,
    Heard,
    Message,
    Readiness,
    Refused,
    SentenceAudio,
    StatusReply,
    StatusRequest,
    TranscribeAhead,
    TurnDone,
    TurnFinished,
    Utterance,
)
from ingress.link.records import CallRecord, LatenessSummary, StageTimes, TurnRecord
from ingress.link.status import ServerStatus
from ingress.server.checking import extension_book

AUDIO = bytes(8_000)
LATENESS = LatenessSummary(frames=9, p50_ms=0.1, p99_ms=1.2, p999_ms=2.3, maximum_ms=3.4)
GONE_WITHIN_S = 5.0
BOUNDED = (
    "ledger._records",
    "ledger._turns",
    "ledger._written",
    ".refused",
    ".refusals",
    "speaker._memory._audio",
)
"""Tables of a gateway that are meant to keep something."""


def server_settings(**more: Any) -> Settings:
    """Return settings of a server without a greeting."""
    return Settings.model_validate({"dialog": {"greeting": ""}, "speech": {"tts": "scripted"}, **more})


def utterance(call_id: str, turn: int) -> Utterance:
    """Return what asks for an utterance's turn."""
    return Utterance(call_id=call_id, turn=turn, history=(), audio=AUDIO)


def turn_record(turn: int, **more: Any) -> TurnRecord:
    """Return a record of an utterance's turn, answered after 500 ms."""
    stages = StageTimes(cache_hits=2, cache_misses=1)
    record = TurnRecord(turn=turn, kind="utterance", stages=stages, first_answer_ms=500.0, underruns=1)
    return record.model_copy(update=more)


def call_record(call_id: str, **more: Any) -> CallRecord:
    """Return a record of a call of two turns."""
    counts = {"interruptions": 1, "underruns": 4, "turns_taken": 2}
    record = CallRecord(
        call_id=call_id, extension="default", end_reason="hung up", lateness=LATENESS, **counts
    )
    return record.model_copy(update=more)


async def status_of(gateway: Gateway) -> ServerStatus:
    """Ask as `raymal status` does."""
    observer = await LinkEnd.connect(gateway, "observer", "observer")
    observer.say(StatusRequest())
    reply = await observer.next(StatusReply)
    await observer.hang_up()
    return reply.status


def tables(holder: object, path: str = "") -> dict[str, int]:
    """Return the sizes of all containers that an object of ours holds, and those that it holds hold."""
    sizes: dict[str, int] = {}
    for name, value in getattr(holder, "__dict__", {}).items():
        if isinstance(value, dict | set | list | deque):
            sizes[f"{path}.{name}"] = len(value)
        elif type(value).__module__.startswith("ingress."):
            sizes |= tables(value, f"{path}.{name}")
    return sizes


# Any order


@dataclass(frozen=True)
class Step:
    """Something that happens on a link."""

    what: str
    link: int = 0
    call: str = "c0"
    seconds: float = 0.0


MOMENTS_S = st.sampled_from([0.0, 0.01, 0.2, 1.1])
ANSWERS = st.builds(Answer, st.sampled_from(Manner), MOMENTS_S)
WORK = st.builds(Answer, st.sampled_from([Manner.YES, Manner.YES, Manner.NO, Manner.SILENCE]), MOMENTS_S)
STEPS = st.builds(
    Step,
    st.sampled_from(
        ["start", "say"] * 2 + ["again", "greet", "pause", "resume", "cancel", "end", "break", "wait"]
    ),
    st.sampled_from([0, 0, 1]),
    st.sampled_from(["c0", "c0", "c1"]),
    MOMENTS_S,
)


class Workers:
    """Two media workers that send messages in any order."""

    def __init__(self, gateway: Gateway) -> None:
        self.ends: dict[int, LinkEnd] = {}
        self._gateway = gateway
        self._turn = 0

    async def do(self, step: Step) -> None:
        """Let a step happen, on a new link if that one is broken."""
        if step.link not in self.ends:
            self.ends[step.link] = await LinkEnd.connect(self._gateway, f"media-{step.link}")
        if step.what == "break":
            await self.ends.pop(step.link).hang_up()
        elif step.what == "wait":
            await asyncio.sleep(step.seconds)
        else:
            self.ends[step.link].say(self._message(step.what, step.call))

    def _message(self, what: str, call: str) -> Message:
        self._turn += what in ("greet", "say")
        match what:
            case "start":
                return CallStarted(call_id=call, extension="default")
            case "again":
                return CallStarted(call_id=call, extension="default", is_admitted=True)
            case "greet":
                return Greet(call_id=call, turn=self._turn, history=())
            case "say":
                return utterance(call, self._turn)
            case "pause":
                return TranscribeAhead(call_id=call, turn=self._turn + 1, audio=AUDIO)
            case "resume":
                return DropAhead(call_id=call, turn=self._turn + 1)
            case "cancel":
                return CancelTurn(call_id=call, turn=self._turn)
            case _:
                return CallEnded(record=call_record(call))


async def play(steps: list[Step], pool: ScriptedPool, ends_calls: bool) -> None:
    """Let everything happen, end everything, and look what is left."""
    settings = server_settings()
    gateway = Gateway(settings, extension_book(settings), pool, "gateway")
    before = tables(gateway)
    workers = Workers(gateway)
    own = asyncio.all_tasks()
    for step in steps:
        await workers.do(step)
    if ends_calls:
        for end in workers.ends.values():
            end.say(*(CallEnded(record=call_record(call)) for call in ("c0", "c1")))
    else:
        for link in tuple(workers.ends):
            await workers.do(Step("break", link))
    await asyncio.sleep(GONE_WITHIN_S)
    assert not pool.sessions
    assert not pool.at_work
    assert not pool.without_place
    for story in pool.story.values():
        assert re.fullmatch("(n|tu|ru)*", story), story
    status = await status_of(gateway)
    assert (status.calls, status.places) == (0, 0)
    for end in workers.ends.values():
        await end.hang_up()
    assert asyncio.all_tasks() == own
    grown = [name for name, size in tables(gateway).items() if size != before[name]]
    assert [name for name in grown if not name.endswith(BOUNDED)] == []
    await gateway.close()


@settings(max_examples=300)
@given(
    steps=st.lists(STEPS, max_size=24),
    answers=st.lists(ANSWERS, max_size=12),
    work=st.lists(WORK, max_size=8),
    ends_calls=st.booleans(),
)
def test_nothing_of_a_call_is_left(
    steps: list[Step], answers: list[Answer], work: list[Answer], ends_calls: bool
) -> None:
    """Each place is given back exactly once, no work goes on, no table grows, and no refused call works."""
    virtual_time.run(play(steps, ScriptedPool(iter(answers), iter(work)), ends_calls))


# One thing at a time


@asynccontextmanager
async def linked(pool: ScriptedPool | None, **settings: Any) -> AsyncIterator[tuple[Gateway, LinkEnd]]:
    """Run a gateway with one media worker."""
    chosen = server_settings(**settings)
    gateway = Gateway(chosen, extension_book(chosen), pool, "gateway")
    end = await LinkEnd.connect(gateway)
    try:
        yield gateway, end
    finally:
        await end.hang_up()
        await gateway.close()


async def test_what_was_said_while_the_manager_was_asked_is_answered() -> None:
    """The turn waits, nothing is begun for it, and it runs as soon as the call is admitted."""
    pool = ScriptedPool(iter([Answer(Manner.YES, 0.1)]), iter([Answer(Manner.YES, 0.1)]))
    async with linked(pool) as (_, end):
        end.say(CallStarted(call_id="c0", extension="default"), utterance("c0", 1))
        end.say(TranscribeAhead(call_id="c0", turn=2, audio=AUDIO))
        await asyncio.sleep(0.05)
        assert not pool.at_work
        assert not pool.figures
        done = await end.next(TurnDone)
        assert (done.turn, done.failure) == (1, None)
        assert pool.figures["c0"].has_spoken
    assert not pool.without_place


async def test_a_call_that_ends_within_its_turn_does_not_wait_for_the_collector() -> None:
    """Twenty such calls a second would hold tens of MB until it comes round."""
    pool = ScriptedPool(iter([Answer(Manner.YES, 0.0)]), iter([Answer(Manner.YES, 0.2)]))
    async with linked(pool) as (gateway, end):
        await end.next(Readiness)
        end.say(CallStarted(call_id="c0", extension="default"), utterance("c0", 1))
        await end.next(Admitted)
        async with asyncio.timeout(5.0):
            while not pool.at_work:
                await asyncio.sleep(0.001)
        call = weakref.ref(next(iter(gateway._places._newest.values())))
        gc.collect()
        gc.disable()
        try:
            end.say(CallEnded(record=call_record("c0")))
            async with asyncio.timeout(5.0):
                while call() is not None:
                    await asyncio.sleep(0.001)
        finally:
            gc.enable()


async def test_the_verdict_comes_before_anything_of_a_turn() -> None:
    """A media worker learns that a call is taken before it gets audio for it."""
    async with linked(ScriptedPool(iter([Answer(Manner.YES, 0.02)]))) as (_, end):
        end.say(CallStarted(call_id="c0", extension="default"), utterance("c0", 1))
        await asyncio.sleep(0.1)
        kinds = [message.kind for message in end.received if getattr(message, "call_id", None)]
        assert kinds == ["Admitted", "Heard", "SentenceAudio", "SentenceAudio", "TurnDone"]


async def test_a_refused_call_holds_nothing() -> None:
    """The media worker gets the reason; its turns are dropped, and it was never registered."""
    pool = ScriptedPool(iter([Answer(Manner.NO, 0.02)]))
    async with linked(pool) as (gateway, end):
        end.say(CallStarted(call_id="c0", extension="default"), utterance("c0", 1))
        assert (await end.next(Refused)).reason == REFUSAL
        status = await status_of(gateway)
        assert (status.calls, status.places) == (0, 0)
        assert [row.refused for row in status.extensions] == [1]
        end.say(utterance("c0", 2), CallEnded(record=call_record("c0", was_refused=True)))
        await asyncio.sleep(0.05)
        assert not any(isinstance(message, TurnDone) for message in end.received)
    assert pool.story == {"c0": "n"}
    assert not pool.without_place


@pytest.mark.parametrize("manner", [Manner.SILENCE, Manner.FAILURE])
async def test_a_pool_that_does_not_answer_has_no_place(manner: Manner) -> None:
    """The call is refused within the deadline, and what the manager may have taken is given back."""
    pool = ScriptedPool(iter([Answer(manner)]))
    async with linked(pool) as (_, end):
        end.say(CallStarted(call_id="c0", extension="default"))
        async with asyncio.timeout(ADMISSION_DEADLINE_S + 0.1):
            assert (await end.next(Refused)).reason == NO_ANSWER
        await asyncio.sleep(0.1)
        assert pool.story == {"c0": "tu"}


async def test_a_call_that_ends_while_the_manager_is_asked_drops_everything() -> None:
    """No verdict is sent, and the place it may have got is given back at once."""
    pool = ScriptedPool(iter([Answer(Manner.SILENCE)]))
    async with linked(pool) as (_, end):
        end.say(CallStarted(call_id="c0", extension="default"), utterance("c0", 1))
        await asyncio.sleep(0.02)
        end.say(CallEnded(record=call_record("c0")))
        await asyncio.sleep(0.02)
        assert pool.story == {"c0": "tu"}
        assert not any(isinstance(message, Admitted | Refused) for message in end.received)


async def test_a_call_that_was_admitted_before_is_not_asked_again() -> None:
    """A replaced gateway registers it; its turn does not wait for that."""
    pool = ScriptedPool(iter([Answer(Manner.SILENCE)]))
    async with linked(pool) as (_, end):
        end.say(CallStarted(call_id="c0", extension="default", is_admitted=True), utterance("c0", 7))
        assert (await end.next(TurnDone)).turn == 7
        assert pool.story == {"c0": "r"}


async def test_a_call_may_be_made_known_twice() -> None:
    """The speech workers were away for a moment: the call keeps its place."""
    pool = ScriptedPool()
    async with linked(pool) as (_, end):
        for _ in range(2):
            end.say(CallStarted(call_id="c0", extension="default"))
            await end.next(Admitted)
        assert pool.story == {"c0": "t"}


async def test_giving_back_late_does_not_take_away_the_call_that_came_back() -> None:
    """The media worker reconnects while its call is still being given back."""
    pool = ScriptedPool(iter([Answer(), Answer(Manner.YES, 0.5)]))
    async with linked(pool) as (gateway, end):
        end.say(CallStarted(call_id="c0", extension="default"))
        await end.next(Admitted)
        await end.hang_up()
        again = await LinkEnd.connect(gateway)
        again.say(CallStarted(call_id="c0", extension="default", is_admitted=True))
        await asyncio.sleep(1.0)
        assert pool.story == {"c0": "tur"}
        assert "c0" in pool.sessions
        await again.hang_up()


@pytest.mark.parametrize("first", [Manner.YES, Manner.SILENCE])
async def test_a_uuid_in_use_at_another_media_worker_is_refused(first: Manner) -> None:
    """The running call goes on as before, and its turns are answered."""
    pool = ScriptedPool(iter([Answer(first, 0.6)]))
    async with linked(pool) as (gateway, end):
        end.say(CallStarted(call_id="c0", extension="default"))
        await asyncio.sleep(0.1)
        other = await LinkEnd.connect(gateway, "media-1")
        other.say(CallStarted(call_id="c0", extension="default"), utterance("c0", 1))
        async with asyncio.timeout(REDIAL_S + 0.1):
            assert (await other.next(Refused)).reason == IN_USE
        other.say(CallEnded(record=call_record("c0", was_refused=True)))
        if first is Manner.YES:
            await end.next(Admitted)
            end.say(utterance("c0", 1))
            assert (await end.next(TurnDone)).failure is None
        assert not any(isinstance(message, TurnDone) for message in other.received)
        await other.hang_up()
    assert pool.story == {"c0": "tu"}


async def test_a_redial_that_reaches_another_media_worker_is_taken() -> None:
    """The older call's hangup is read a moment later than the newer one's UUID."""
    pool = ScriptedPool()
    async with linked(pool) as (gateway, end):
        end.say(CallStarted(call_id="c0", extension="default"))
        await end.next(Admitted)
        other = await LinkEnd.connect(gateway, "media-1")
        other.say(CallStarted(call_id="c0", extension="default"), utterance("c0", 1))
        await asyncio.sleep(0.1)
        end.say(CallEnded(record=call_record("c0")))
        await other.next(Admitted)
        assert (await other.next(TurnDone)).failure is None
        assert pool.story == {"c0": "tut"}
        await other.hang_up()


async def test_giving_back_is_not_cut_short_by_the_next_call() -> None:
    """The manager was silent, so the place is given back; a new call with that UUID waits for it."""
    pool = ScriptedPool(iter([Answer(Manner.SILENCE), Answer(Manner.YES, 0.5), Answer()]))
    async with linked(pool) as (_, end):
        end.say(CallStarted(call_id="c0", extension="default"))
        await end.next(Refused)
        end.say(CallStarted(call_id="c0", extension="default"))
        await end.next(Admitted)
        assert asyncio.get_running_loop().time() >= ADMISSION_DEADLINE_S + 0.5
        assert pool.story == {"c0": "tut"}


async def test_calls_that_end_while_they_wait_for_older_ones_ask_for_nothing() -> None:
    """The older ones have given the place back; else each would take the manager's silence twice."""
    pool = ScriptedPool(iter([Answer(Manner.SILENCE)] * 8))
    async with linked(pool) as (gateway, end):
        for _ in range(3):
            end.say(CallStarted(call_id="c0", extension="default", is_admitted=True))
            end.say(CallEnded(record=call_record("c0")))
        await asyncio.sleep(GONE_WITHIN_S)
        assert len(gateway._places) == 0
        assert pool.story == {"c0": "ru"}


@pytest.mark.parametrize("manner", [Manner.SILENCE, Manner.FAILURE])
async def test_giving_back_has_a_deadline(manner: Manner) -> None:
    """Without the manager's answer it is not known what the call used; nothing of it is left."""
    written: list[tuple[str, SessionSummary | None]] = []
    async with linked(ScriptedPool(iter([Answer(), Answer(manner)]))) as (gateway, end):
        gateway._ledger.write = lambda record, summary: written.append((record.call_id, summary))  # type: ignore[method-assign]
        end.say(CallStarted(call_id="c0", extension="default"))
        await end.next(Admitted)
        end.say(CallEnded(record=call_record("c0")))
        await asyncio.sleep(GONE_WITHIN_S)
        assert written == [("c0", None)]
        assert len(gateway._places) == 0


async def test_a_call_has_what_its_extension_has(caplog: pytest.LogCaptureFixture) -> None:
    """Priority and limit; a name that the configuration no longer has is the default's, logged once."""
    pool = ScriptedPool()
    alarm = {"port": 0, "priority": "emergency", "max_calls": 3}
    async with linked(pool, extensions={"alarm": alarm}) as (gateway, end):
        for number, extension in enumerate(["alarm", "gone", "gone"]):
            end.say(CallStarted(call_id=f"c{number}", extension=extension))
            await end.next(Admitted)
        rows = (await status_of(gateway)).extensions
        assert {row.name: row.calls for row in rows} == {"default": 2, "alarm": 1}
        session = pool.sessions["c0"]
        assert (session.extension, session.priority, session.extension_limit) == (
            "alarm",
            Priority.EMERGENCY,
            3,
        )
        assert (session.ingress_id, session.leg) == ("gateway", "caller")
        other = pool.sessions["c1"]
        assert (other.extension, other.priority, other.extension_limit) == ("default", Priority.NORMAL, None)
    assert len([record for record in caplog.records if "extension gone" in record.message]) == 1


async def test_an_extension_s_limit_holds_without_speech_workers() -> None:
    """The gateway counts by itself; a call that ends makes room, one that was admitted before stays."""
    alarm = {"port": 0, "max_calls": 1, "dialog": {"name": "tone"}}
    async with linked(None, extensions={"alarm": alarm}) as (_, end):
        for number in range(3):
            end.say(CallStarted(call_id=f"c{number}", extension="alarm"))
        assert (await end.next(Admitted)).call_id == "c0"
        for number in (1, 2):
            refused = await end.next(Refused)
            assert (refused.call_id, refused.reason) == (f"c{number}", EXTENSION_FULL)
        end.say(CallStarted(call_id="c3", extension="alarm", is_admitted=True))
        assert (await end.next(Admitted)).call_id == "c3"
        end.say(*(CallEnded(record=call_record(call)) for call in ("c0", "c3")))
        await asyncio.sleep(0.02)
        end.say(CallStarted(call_id="c4", extension="alarm"))
        assert (await end.next(Admitted)).call_id == "c4"


# Turns, and transcription ahead of them


def pause(turn: int) -> TranscribeAhead:
    """Return what asks for a transcription ahead of that turn."""
    return TranscribeAhead(call_id="c0", turn=turn, audio=AUDIO)


@asynccontextmanager
async def talking() -> AsyncIterator[tuple[ScriptedPool, LinkEnd, Gateway]]:
    """Run a gateway with a call; each piece of work takes 0.2 s."""
    pool = ScriptedPool(work=repeat(Answer(Manner.YES, 0.2)))
    async with linked(pool) as (gateway, end):
        end.say(CallStarted(call_id="c0", extension="default"))
        await end.next(Admitted)
        yield pool, end, gateway
        assert not pool.at_work


async def heard(end: LinkEnd, turn: int) -> Heard:
    """Return the words of a turn, once it has been answered."""
    words = await end.next(Heard)
    done = await end.next(TurnDone)
    assert (words.turn, done.turn, done.failure) == (turn, turn, None)
    return words


@pytest.mark.parametrize("after_s", [0.0, 0.1, 0.3], ids=["at once", "transcription", "synthesis"])
async def test_a_cancelled_turn_stops(after_s: float) -> None:
    """Nothing more comes of it, not even its end; messages about other turns do not stop it."""
    async with talking() as (pool, end, _):
        end.say(utterance("c0", 2))
        await asyncio.sleep(after_s)
        end.say(CancelTurn(call_id="c0", turn=1), CancelTurn(call_id="unknown", turn=2))
        await asyncio.sleep(0.01 * (after_s > 0.0))
        assert len(pool.at_work) == (after_s > 0.0)
        end.say(CancelTurn(call_id="c0", turn=2))
        await asyncio.sleep(0.01)
        assert not pool.at_work
        assert not any(isinstance(message, SentenceAudio | TurnDone) for message in end.received)
        end.say(utterance("c0", 3))
        assert (await end.next(TurnDone)).turn == 3


async def test_words_of_a_pause_are_used_when_it_was_the_end() -> None:
    """One transcription, and the words are there at once."""
    async with talking() as (pool, end, gateway):
        end.say(pause(2))
        await asyncio.sleep(0.25)
        end.say(utterance("c0", 2))
        await asyncio.sleep(0.01)
        assert any(isinstance(message, Heard) for message in end.received)
        assert (await heard(end, 2)).was_ahead
        assert pool.transcriptions == [True]
        status = await status_of(gateway)
        assert (status.ahead_begun, status.ahead_used) == (1, 1)


@pytest.mark.parametrize("why", ["resumed", "another turn", "another pause"])
async def test_words_of_a_pause_are_dropped_when_it_was_not_the_end(why: str) -> None:
    """The slot is given back and the utterance is transcribed as a whole."""
    async with talking() as (pool, end, _):
        end.say(pause(2))
        await asyncio.sleep(0.1)
        if why == "resumed":
            end.say(DropAhead(call_id="c0", turn=2))
            await asyncio.sleep(0.01)
            assert not pool.at_work
        elif why == "another pause":
            end.say(pause(2))
        turn = 3 if why == "another turn" else 2
        end.say(utterance("c0", turn))
        assert (await heard(end, turn)).was_ahead is (why == "another pause")
        assert pool.transcriptions == [True, why == "another pause"]
        assert pool.cancelled == 1


async def test_a_new_pause_does_not_take_the_words_from_the_turn_under_way() -> None:
    """The caller went on before the answer: both utterances are transcribed, each ahead of time."""
    async with talking() as (pool, end, _):
        end.say(pause(2), utterance("c0", 2), pause(3))
        words = await end.next(Heard)
        assert (words.turn, words.was_ahead) == (2, True)
        end.say(CancelTurn(call_id="c0", turn=2), utterance("c0", 3))
        assert (await heard(end, 3)).was_ahead
        assert pool.transcriptions == [True, True]


async def test_a_turn_cancelled_before_its_first_step_cancels_what_was_begun_for_it() -> None:
    """All three messages are there at once."""
    async with talking() as (pool, end, _):
        end.say(pause(2), utterance("c0", 2), CancelTurn(call_id="c0", turn=2))
        await asyncio.sleep(0.01)
        assert not pool.at_work


# What is counted and written


async def test_the_manager_gets_a_call_s_figures() -> None:
    """Activity as it changes, totals at each turn's end, lateness at the call's."""
    pool = ScriptedPool(work=iter([Answer(Manner.YES, 0.05), Answer(Manner.YES, 0.05)]))
    async with linked(pool) as (_, end):
        end.say(CallStarted(call_id="c0", extension="default"))
        await end.next(Admitted)
        end.say(utterance("c0", 1))
        seen: list[SessionActivity] = []
        while not any(isinstance(message, TurnDone) for message in end.received):
            await asyncio.sleep(0.005)
            if "c0" in pool.figures and (not seen or seen[-1] is not pool.figures["c0"].activity):
                seen.append(pool.figures["c0"].activity)
        assert seen[0] is not seen[-1] is SessionActivity.SPEAKING
        end.say(TurnFinished(call_id="c0", record=turn_record(1)))
        end.say(TurnFinished(call_id="c0", record=turn_record(2, failure="no slot", first_answer_ms=None)))
        end.say(TurnFinished(call_id="c0", record=turn_record(3, kind="digit")))
        await asyncio.sleep(0.05)
        assert pool.figures["c0"] == SessionFigures(
            has_spoken=True, turns=3, failed_turns=1, underruns=3, cache_hits=6, cache_misses=3
        )
        assert pool.answer_times_ms == [500.0]


async def test_nothing_is_counted_of_a_finished_turn() -> None:
    """What still runs of it is stopped."""
    pool = ScriptedPool(work=iter([Answer(Manner.SILENCE)]))
    async with linked(pool) as (_, end):
        end.say(CallStarted(call_id="c0", extension="default"), utterance("c0", 1))
        await end.next(Admitted)
        async with asyncio.timeout(5.0):
            while not pool.at_work:
                await asyncio.sleep(0.001)
        assert pool.figures["c0"].activity is SessionActivity.TRANSCRIBING
        end.say(TurnFinished(call_id="c0", record=turn_record(1)))
        await asyncio.sleep(0.02)
        assert not pool.at_work
        assert pool.figures["c0"].activity is SessionActivity.LISTENING


async def test_a_caller_has_spoken_once_an_utterance_was_a_turn() -> None:
    """Also if the gateway that took the utterance is gone; an interrupted greeting is no utterance."""
    pool = ScriptedPool()
    async with linked(pool) as (_, end):
        end.say(CallStarted(call_id="c0", extension="default", is_admitted=True))
        for turn, kind in enumerate(["greeting", "utterance"], start=1):
            record = turn_record(turn, kind=kind, was_interrupted=True)
            end.say(TurnFinished(call_id="c0", record=record))
            await asyncio.sleep(0.02)
            assert pool.figures["c0"].has_spoken == (kind == "utterance")
        assert (pool.figures["c0"].turns, pool.figures["c0"].interruptions) == (2, 2)


async def test_a_finished_call_leaves_one_line_without_words(tmp_path: Path) -> None:
    """The media worker's record beside what the call used; a refused call has a line as well."""
    file = tmp_path / "calls.jsonl"
    pool = ScriptedPool(iter([Answer(Manner.YES), Answer(Manner.YES), Answer(Manner.NO)]))
    async with linked(pool, records={"file": str(file)}) as (_, end):
        end.say(CallStarted(call_id="c0", extension="default"))
        await end.next(Admitted)
        turn = turn_record(1, heard="my secret", answered="You said: my secret")
        end.say(CallEnded(record=call_record("c0", turns=(turn,))))
        await asyncio.sleep(0.05)
        end.say(CallStarted(call_id="c1", extension="default"))
        await end.next(Refused)
        end.say(CallEnded(record=call_record("c1", was_refused=True)))
        await asyncio.sleep(0.05)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["call"]["call_id"] for line in lines] == ["c0", "c1"]
    assert [line["call"]["was_refused"] for line in lines] == [False, True]
    assert "secret" not in file.read_text()
    taken, refused = (line["session"] for line in lines)
    assert refused is None
    assert taken["figures"]["underruns"] == 4
    assert taken["figures"]["lateness_p99_ms"] == LATENESS.p99_ms
    assert lines[0]["call"]["turns"][0]["first_answer_ms"] == 500.0
    assert datetime.fromisoformat(lines[0]["ended_at"]).tzinfo is not None


class Ends(Dialog):
    """Counts the ends of calls, and does not come to an end itself."""

    def __init__(self) -> None:
        super().__init__()
        self.ended: list[str] = []

    async def respond(self, event: DialogEvent, call: DialogCall) -> AsyncIterator[DialogAction]:
        if isinstance(event, DialogCallEnded):
            self.ended.append(f"{call.call_id} {call.state}")
            await asyncio.Event().wait()
        yield EndCall()


async def test_a_dialog_has_its_last_event_once_and_holds_nothing_up() -> None:
    """Of a call that this gateway knew, and of one that it did not; the records are acknowledged at once."""
    async with linked(None, dialog={"name": "tone"}) as (gateway, end):
        dialog = gateway._served._dialogs["default"] = Ends()
        end.say(CallStarted(call_id="c0", extension="default"))
        await end.next(Admitted)
        ended = [CallEnded(record=call_record(call), state={"step": 2}) for call in ("c0", "c1")]
        began_s = asyncio.get_running_loop().time()
        end.say(*ended, *(each.model_copy(update={"is_repeated": True}) for each in ended))
        taken: set[str] = set()
        while taken != {each.record.record_id for each in ended}:
            taken.add((await end.next(CallRecorded)).record_id)
        assert asyncio.get_running_loop().time() - began_s < 1.0
        assert sorted(dialog.ended) == ["c0 {'step': 2}", "c1 {'step': 2}"]


async def test_a_record_that_is_sent_again_is_written_once(tmp_path: Path) -> None:
    """To the same gateway on a new link, also before its place was given back; and to the next gateway."""
    file = tmp_path / "calls.jsonl"
    pool = ScriptedPool(iter([Answer(Manner.YES), Answer(Manner.YES, delay_s=1.0)]))
    held, unknown = call_record("c0"), call_record("c1")
    settings = server_settings(records={"file": str(file)})
    gateway = Gateway(settings, extension_book(settings), pool, "gateway")
    first = await LinkEnd.connect(gateway)
    first.say(CallStarted(call_id="c0", extension="default"))
    await first.next(Admitted)
    first.say(CallEnded(record=held), CallEnded(record=unknown))
    assert (await first.next(CallRecorded)).record_id == unknown.record_id
    await first.hang_up()
    second = await LinkEnd.connect(gateway)
    second.say(*(CallEnded(record=record, is_repeated=True) for record in (held, unknown)))
    ids = [(await second.next(CallRecorded)).record_id for _ in range(2)]
    assert ids == [unknown.record_id, held.record_id], "the place is given back first"
    await second.hang_up()
    await gateway.close()

    later = Gateway(settings, extension_book(settings), ScriptedPool(), "gateway")
    third = await LinkEnd.connect(later)
    missed = call_record("c2")
    third.say(*(CallEnded(record=record, is_repeated=True) for record in (held, unknown, missed)))
    ids = [(await third.next(CallRecorded)).record_id for _ in range(3)]
    assert ids == [held.record_id, unknown.record_id, missed.record_id]
    await third.hang_up()
    await later.close()
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert Counter(line["call"]["call_id"] for line in lines) == {"c0": 1, "c1": 1, "c2": 1}
    assert [line["session"] is not None for line in lines] == [False, True, False]


async def test_a_record_that_comes_while_the_gateway_ends_is_left_to_the_next(tmp_path: Path) -> None:
    """A gateway that is being stopped acknowledges no record that it does not write."""
    file = tmp_path / "calls.jsonl"
    settings = server_settings(records={"file": str(file)})
    gateway = Gateway(settings, extension_book(settings), ScriptedPool(), "gateway")
    end = await LinkEnd.connect(gateway)
    closing = asyncio.create_task(gateway.close())
    await asyncio.sleep(0)
    end.say(*(CallEnded(record=call_record(f"c{number}")) for number in range(3)))
    await closing
    await asyncio.sleep(0.05)
    await end.hang_up()
    recorded = [message for message in end.received if isinstance(message, CallRecorded)]
    written = file.read_text().splitlines() if file.exists() else []
    assert len(recorded) == len(written)


async def test_a_record_that_no_file_takes_is_acknowledged_all_the_same(tmp_path: Path) -> None:
    """It is counted as lost; the media worker need not keep it."""
    for path in (None, str(tmp_path)):
        async with linked(ScriptedPool(), records={"file": path}) as (gateway, end):
            end.say(CallEnded(record=call_record("c0")))
            await end.next(CallRecorded)
            assert (await status_of(gateway)).dropped_records == (path is not None)
