"""A `SpeechPool` of a speech client: it has no calls. The cluster's HTTP door is one.

It takes leases as an ingress does, and knows the fleet's settings by asking: it brings none.
"""

from __future__ import annotations

from typing import Protocol

from actors.messages import SessionSummary
from actors.pool.manager_client import Manager
from actors.pool.registration import HeldLease, IngressStarted
from actors.pool.speech_pool import SpeechPool, Workers
from actors.settings import FleetSettings, SpeechSettings
from actors.status import DecisionsStatus


class SpeechClientManager(Manager, Protocol):
    """What a speech client asks of the manager beyond what an ingress asks."""

    async def register_speech_client(self, client_id: str, held: tuple[HeldLease, ...]) -> None: ...
    async def sessions(self, after: str, limit: int) -> list[SessionSummary]: ...
    async def decisions(self) -> DecisionsStatus: ...
    async def speech(self) -> SpeechSettings | None: ...


class SpeechClientPool(SpeechPool):
    """A pool whose owner has no calls."""

    def __init__(self, manager: SpeechClientManager, workers: Workers, client_id: str) -> None:
        super().__init__(manager, workers, IngressStarted(client_id, "", SpeechSettings(), FleetSettings()))
        self.manager = manager

    async def _register(self) -> None:
        await self.manager.register_speech_client(self._ingress.ingress_id, self._held_leases())
