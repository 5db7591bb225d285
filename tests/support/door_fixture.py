"""The cluster's door in this process: the real application over real pools with scripted engines, no Ray."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx2 as httpx

from actors.api import tokens
from actors.api.app import build
from actors.api.services import Services
from actors.local import NODE_ID, LocalWorkers
from actors.manager.resource_manager import ResourceManager
from actors.pool.registration import IngressStarted
from actors.pool.speech_client import SpeechClientPool
from actors.pool.speech_pool import SpeechPool
from actors.settings import ApiSettings, FleetSettings, ScriptedSettings, SpeechSettings

TOKEN = "correct-horse-battery-staple"
ADDRESS = "http://127.0.0.1:8000"


@dataclass
class OpenDoor:
    """The door and what is behind it."""

    services: Services
    manager: ResourceManager
    ingress: SpeechPool
    application: object
    client: httpx.AsyncClient
    """Shows the token, if there is one."""

    def transport(self) -> httpx.ASGITransport:
        """Return a way to the application for another client."""
        return httpx.ASGITransport(self.application)  # type: ignore[arg-type]


@asynccontextmanager
async def open_door(
    settings: ApiSettings | None = None,
    token: str | None = TOKEN,
    slots: int = 2,
    has_ingress: bool = True,
    **scripted: float | str,
) -> AsyncIterator[OpenDoor]:
    """Open a door over a fleet of scripted workers that are ready."""
    script = ScriptedSettings.model_validate({"stt_delay_s": 0.02, "tts_delay_s": 0.01, **scripted})
    speech = SpeechSettings(stt="scripted", tts="scripted", scripted=script)
    fleet = FleetSettings(
        backend="local", max_concurrent_transcriptions=slots, max_concurrent_synthesis=slots
    )
    workers = LocalWorkers()
    manager = ResourceManager(workers)
    running = asyncio.create_task(manager.run())
    ingress = SpeechPool(manager, workers, IngressStarted("pbx", NODE_ID, speech, fleet))
    pool = SpeechClientPool(manager, workers, "api")
    services = Services(settings or ApiSettings(), pool)
    application = build(services, tokens.digest(token) if token else None)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        if has_ingress:
            await ingress.start()
            async with asyncio.timeout(10.0):
                while not (await manager.status()).is_ready:
                    await asyncio.sleep(0.01)
        await pool.start()
        transport = httpx.ASGITransport(application, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=ADDRESS, headers=headers) as client:
            yield OpenDoor(services, manager, ingress, application, client)
    finally:
        await services.close()
        await ingress.close()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await manager.close()
