"""Leased work when a worker is lost, with a manager and workers that do what the test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import nullcontext
from typing import cast

import pytest

from actors.errors import WorkerLostError
from actors.messages import (
    Lease,
    LeaseRequest,
    Priority,
    SessionFigures,
    SessionStarted,
    Synthesize,
    Transcribe,
    Transcript,
    WorkOutcome,
    WorkReport,
)
from actors.pool import speech_pool
from actors.pool.manager_client import Manager
from actors.pool.registration import IngressStarted
from actors.pool.speech_pool import SpeechPool
from actors.settings import FleetSettings, SpeechSettings

HELLO = Transcript("hello", "en", -0.1, 0.0, 1)


class Office:
    """A manager that grants every request at once."""

    def __init__(self) -> None:
        self.requests: list[LeaseRequest] = []
        self.promoted: list[str] = []

    async def register_session(self, session: SessionStarted) -> None:
        """Calls are of no interest."""

    async def unregister_session(self, session_id: str, figures: SessionFigures | None) -> None:
        """Nothing is known of them."""

    async def acquire(self, request: LeaseRequest) -> Lease:
        self.requests.append(request)
        return Lease(request.lease_id, request.kind, "worker", 0.0)

    async def promote(self, lease_id: str) -> None:
        self.promoted.append(lease_id)

    async def release(self, report: WorkReport) -> None:
        """There is nothing to free."""


class DyingWorker:
    """A worker that is lost at its first work, once the test lets it."""

    def __init__(self) -> None:
        self.dies = asyncio.Event()
        self.begun = 0

    async def check_leased(self, lease: Lease) -> None:
        """It is there."""

    async def transcribe(self, lease: Lease, request: Transcribe) -> Transcript:
        self.begun += 1
        if self.begun == 1:
            await self.dies.wait()
            raise WorkerLostError("it died")
        return HELLO

    async def synthesize(self, lease: Lease, request: Synthesize) -> AsyncGenerator[bytes, None]:
        await self.transcribe(lease, Transcribe(request.call_id, b"", request.language))
        yield b"12"


async def test_work_that_was_promoted_is_tried_again_as_final_work() -> None:
    """Its caller waits for it: behind all other work it might get no slot within its deadline."""
    office, worker = Office(), DyingWorker()
    ingress = IngressStarted("i", "node", SpeechSettings(), FleetSettings())
    pool = SpeechPool(cast(Manager, office), worker, ingress)
    for call in ("call", "other"):
        await pool.register_session(SessionStarted(call, "i", "100"))
    early = asyncio.create_task(
        pool.transcribe(Transcribe("call", bytes(160), "en"), deadline_s=5.0, is_ahead=True)
    )
    other = asyncio.create_task(
        pool.transcribe(Transcribe("other", bytes(160), "en"), deadline_s=5.0, is_ahead=True)
    )
    while worker.begun < 2:
        await asyncio.sleep(0)
    pool.promote("call")
    worker.dies.set()
    assert (await early).transcript == (await other).transcript == HELLO
    assert [request.is_ahead for request in office.requests] == [True, True, False]


async def test_a_sentence_whose_call_has_ended_is_tried_again_in_its_class() -> None:
    """Other calls wait for the same audio (`ingress.phrases.shared_synthesis`)."""
    office, worker = Office(), DyingWorker()
    ingress = IngressStarted("i", "node", SpeechSettings(), FleetSettings())
    pool = SpeechPool(cast(Manager, office), worker, ingress)
    await pool.register_session(SessionStarted("call", "i", "100", Priority.HIGH))

    async def synthesize() -> list[bytes]:
        request = Synthesize("call", "Hello.", "en")
        return [chunk.audio async for chunk in pool.synthesize(request, deadline_s=5.0)]

    speech = asyncio.create_task(synthesize())
    while not worker.begun:
        await asyncio.sleep(0)
    await pool.unregister_session("call")
    worker.dies.set()
    assert await speech == [b"12"]
    assert [request.priority for request in office.requests] == [Priority.HIGH] * 2


class HalfDead:
    """Workers of which some are dead; a request kills the one that takes it, if it is to."""

    def __init__(self, dead: set[str], is_deadly: bool = False) -> None:
        self.dead = dead
        self.is_deadly = is_deadly
        self.given: list[str] = []

    async def check_leased(self, lease: Lease) -> None:
        if lease.worker_id in self.dead:
            raise WorkerLostError("it is dead")

    async def transcribe(self, lease: Lease, request: Transcribe) -> Transcript:
        self.given.append(lease.worker_id)
        if self.is_deadly:
            self.dead.add(lease.worker_id)
        await self.check_leased(lease)
        return HELLO

    async def synthesize(self, lease: Lease, request: Synthesize) -> AsyncGenerator[bytes, None]:
        await self.transcribe(lease, Transcribe(request.call_id, b"", request.language))
        yield b"12"


class Lending(Office):
    """A manager that lends its workers in order, each slot of two, but for those reported lost."""

    def __init__(self, workers: int) -> None:
        super().__init__()
        self.slots = [f"w{number}" for number in range(workers) for _ in range(2)]
        self.out: dict[str, str] = {}
        self.outcomes: list[WorkOutcome] = []

    async def acquire(self, request: LeaseRequest) -> Lease:
        worker_id = self.out[request.lease_id] = self.slots.pop(0)
        return Lease(request.lease_id, request.kind, worker_id, 0.0)

    async def release(self, report: WorkReport) -> None:
        await asyncio.sleep(0.01)  # later than a request that is sent meanwhile
        worker_id = self.out.pop(report.lease_id)
        self.outcomes.append(report.outcome)
        if report.outcome in (WorkOutcome.LOST, WorkOutcome.ABANDONED):
            self.slots = [slot for slot in self.slots if slot != worker_id]


@pytest.mark.parametrize("what", ["words", "audio"])
@pytest.mark.parametrize(
    ("dead", "is_deadly", "given"),
    [
        pytest.param({"w0"}, False, ["w0", "w1"], id="another slot of the dead one is not taken"),
        pytest.param({"w0", "w1", "w2"}, False, ["w0", "w3"], id="several have died together"),
        pytest.param(set(), True, ["w0", "w1"], id="what kills its workers is given to two"),
    ],
)
async def test_work_is_tried_again_on_a_worker_that_is_there(
    what: str, dead: set[str], is_deadly: bool, given: list[str]
) -> None:
    """No turn is lost while another worker is free."""
    workers = HalfDead(set(dead), is_deadly)
    ingress = IngressStarted("i", "node", SpeechSettings(), FleetSettings())
    pool = SpeechPool(cast(Manager, Lending(4)), workers, ingress)
    expected = pytest.raises(WorkerLostError) if is_deadly else nullcontext()
    with expected:
        if what == "words":
            assert (await pool.transcribe(Transcribe("c", bytes(16), "en"), 5.0)).transcript == HELLO
        else:
            speech = pool.synthesize(Synthesize("c", "Hello.", "en"), 5.0)
            assert [chunk.audio async for chunk in speech] == [b"12"]
    assert workers.given == given


class Breaking(HalfDead):
    """Workers that say eight bytes, in pieces of their own length; the first is lost after six."""

    async def synthesize(self, lease: Lease, request: Synthesize) -> AsyncGenerator[bytes, None]:
        self.given.append(lease.worker_id)
        size = 2 * len(self.given)
        for begin in range(0, 8, size):
            if len(self.given) == 1 and begin == 6:
                raise WorkerLostError("it died")
            yield b"01234567"[begin : begin + size]


async def test_a_sentence_goes_on_where_a_lost_worker_left_it() -> None:
    """Nothing is heard of it: no audio comes twice, none is missing."""
    workers = Breaking(set())
    ingress = IngressStarted("i", "node", SpeechSettings(), FleetSettings())
    pool = SpeechPool(cast(Manager, Lending(4)), workers, ingress)
    chunks = [chunk.audio async for chunk in pool.synthesize(Synthesize("c", "Hello.", "en"), 5.0)]
    assert chunks == [b"01", b"23", b"45", b"67"]
    assert workers.given == ["w0", "w1"]


class Hanging(HalfDead):
    """Workers of which some hang: they take work and never answer; the others work for long."""

    async def check_leased(self, lease: Lease) -> None:
        if lease.worker_id in self.dead:
            await asyncio.Event().wait()

    async def transcribe(self, lease: Lease, request: Transcribe) -> Transcript:
        self.given.append(lease.worker_id)
        await self.check_leased(lease)
        await asyncio.sleep(0.3)
        return HELLO


@pytest.mark.parametrize("what", ["words", "audio"])
async def test_a_worker_that_hangs_costs_no_turn(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is found while there is time for another; one that works for long is not disturbed."""
    monkeypatch.setattr(speech_pool, "ATTENTION_S", 0.1)
    workers = Hanging({"w0"})
    ingress = IngressStarted("i", "node", SpeechSettings(), FleetSettings())
    office = Lending(4)
    pool = SpeechPool(cast(Manager, office), workers, ingress)
    if what == "words":
        assert (await pool.transcribe(Transcribe("c", bytes(16), "en"), 5.0)).transcript == HELLO
    else:
        speech = pool.synthesize(Synthesize("c", "Hello.", "en"), 5.0)
        assert [chunk.audio async for chunk in speech] == [b"12"]
    await asyncio.sleep(0.02)
    assert workers.given == ["w0", "w1"]
    assert office.outcomes == [WorkOutcome.ABANDONED, WorkOutcome.DONE]
    with pytest.raises(WorkerLostError, match="deadline"):
        await pool.transcribe(Transcribe("c", bytes(16), "en"), 0.15)
