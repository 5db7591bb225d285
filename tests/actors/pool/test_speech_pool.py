"""Leased work when a worker is lost, with a manager and workers that do what the test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import cast

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
    WorkReport,
)
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
