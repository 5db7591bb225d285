"""A `SpeechPool` of an asker without calls, such as the cluster's HTTP door.

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


class LodgerManager(Manager, Protocol):
    """What a lodger asks of the manager beyond what an ingress asks."""

    async def register_lodger(self, lodger_id: str, held: tuple[HeldLease, ...]) -> None: ...
    async def sessions(self, after: str, limit: int) -> list[SessionSummary]: ...
    async def decisions(self) -> DecisionsStatus: ...
    async def speech(self) -> SpeechSettings | None: ...


class LodgerPool(SpeechPool):
    """A pool whose owner has no calls."""

    def __init__(self, manager: LodgerManager, workers: Workers, lodger_id: str) -> None:
        super().__init__(manager, workers, IngressStarted(lodger_id, "", SpeechSettings(), FleetSettings()))
        self.manager = manager

    async def _register(self) -> None:
        await self.manager.register_lodger(self._ingress.ingress_id, self._held_leases())
