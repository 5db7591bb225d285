"""What the door's routes use, and how many requests may use it at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from actors.api.errors import ApiError
from actors.api.observed import Observed
from actors.engines.registry import language_problems, voice_problems
from actors.errors import CapacityError, ConfigurationError, EngineError, WorkerLostError
from actors.liveness.threads import in_thread
from actors.messages import Level, Priority, SessionSummary, WorkKind
from actors.pool.speech_client import SpeechClientPool
from actors.settings import ApiSettings, SpeechSettings
from actors.status import DecisionsStatus, FleetStatus

PRIORITY_HEADER = "X-Raymal-Priority"
PRIORITIES = (Priority.BACKGROUND, Priority.NORMAL, Priority.HIGH)
"""That a request may ask for. What stands before everything is for emergency calls alone."""

Answer = TypeVar("Answer")

START_RETRY_S = 1.0
LOADED_RETRY_S = 10
STARTING_RETRY_S = 5


@dataclass(frozen=True, slots=True)
class Urgency:
    """How a request's leases are asked for."""

    priority: Priority

    @property
    def is_ahead(self) -> bool:
        """Whether it stands behind the final work of all calls and leaves them the last free slot.

        Background work is asked for as ahead-of-time work is.
        """
        return self.priority is Priority.BACKGROUND


class Services:
    """Of one replica. For one event loop."""

    def __init__(self, settings: ApiSettings, pool: SpeechClientPool) -> None:
        self.settings = settings
        self.pool = pool
        self.in_progress = 0
        """Speech requests."""
        self.refused = 0
        """Speech requests, because there were too many."""
        self.wrong_tokens = 0
        self._status = Observed(pool.status)
        self._decisions = Observed(pool.manager.decisions)
        self._speech = Observed(pool.manager.speech)
        self._asking_for_sessions = asyncio.Lock()
        self._starting: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Register with the manager in the background, as soon as there is one."""
        self._starting = asyncio.create_task(self._start(), name="register")

    async def _start(self) -> None:
        while True:
            with suppress(WorkerLostError):
                return await self.pool.start()
            await asyncio.sleep(START_RETRY_S)

    async def close(self) -> None:
        """Give back what is held. Idempotent."""
        if self._starting is not None:
            self._starting.cancel()
        await self.pool.close()

    # What is known

    async def status(self) -> FleetStatus:
        """Return what the manager knows. Raises ApiError without a manager."""
        return await _or_absent(self._status)

    async def decisions(self) -> DecisionsStatus:
        """Return what the manager has decided. Raises ApiError without a manager."""
        return await _or_absent(self._decisions)

    async def sessions(self, after: str, limit: int) -> list[SessionSummary]:
        """Return calls that the manager knows. Raises ApiError without a manager."""
        async with self._asking_for_sessions:  # one at a time: the calls need the manager more
            return await _or_absent(Observed(partial(self.pool.manager.sessions, after, limit)))

    async def speech(self) -> SpeechSettings:
        """Return the settings of the fleet's engines. Raises ApiError while no server uses the fleet."""
        speech = await _or_absent(self._speech)
        if speech is None:
            raise ApiError(
                503,
                "no `raymal serve` uses this fleet: its speech workers are not running",
                retry_after_s=STARTING_RETRY_S,
            )
        return speech

    async def tts_engines(self) -> tuple[str, ...]:
        """Return the names of the engines that speak, `speech.tts` first. Raises ApiError."""
        return tuple(engine.name for engine in (await self.status()).engines)

    # Speech requests

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place among the speech requests for the block. Raises ApiError if there is none."""
        if self.in_progress >= self.settings.maximum_requests:
            self.refused += 1
            raise ApiError(
                429,
                f"{self.in_progress} speech requests are in progress, as many as may be",
                code="rate_limit_exceeded",
                retry_after_s=1,
            )
        self.in_progress += 1
        try:
            yield
        finally:
            self.in_progress -= 1

    async def check_can_work(self, kind: WorkKind, urgency: Urgency) -> None:
        """Raise ApiError if work of this kind would only wait: no worker is ready, or calls come first."""
        status = await self.status()
        pool = status.transcription if kind is WorkKind.TRANSCRIPTION else status.synthesis
        if not pool.ready:
            raise ApiError(503, f"no worker for {kind} is ready", retry_after_s=STARTING_RETRY_S)
        if urgency.priority is Priority.BACKGROUND and status.level >= Level.LOADED:
            raise ApiError(
                429,
                "calls need all speech workers now: background work waits",
                code="rate_limit_exceeded",
                retry_after_s=LOADED_RETRY_S,
            )


@asynccontextmanager
async def working(deadline_s: float) -> AsyncIterator[float]:
    """Do a speech request in the block, which gets its deadline in the loop's time. Raises ApiError."""
    try:
        async with asyncio.timeout(deadline_s):
            yield asyncio.get_running_loop().time() + deadline_s
    except TimeoutError:
        raise ApiError(504, f"not done within {deadline_s:g} s, the limit") from None
    except CapacityError as error:
        raise ApiError(
            429, f"calls come first: {error}", code="rate_limit_exceeded", retry_after_s=STARTING_RETRY_S
        ) from None
    except WorkerLostError as error:
        raise ApiError(503, str(error), retry_after_s=1) from None
    except EngineError as error:
        raise ApiError(500, str(error)) from None


def urgency_of(header: str | None) -> Urgency:
    """Return how the priority header's value asks for leases; background without one. Raises ApiError."""
    name = (header or Priority.BACKGROUND).strip().lower()
    if name not in PRIORITIES:
        raise ApiError(400, f"{PRIORITY_HEADER}: choose one of {', '.join(PRIORITIES)}")
    return Urgency(Priority(name))


async def check_language(speech: SpeechSettings, language: str) -> None:
    """Raise ApiError for a language that an engine does not work in."""
    await _check("language", partial(language_problems, speech, language, "language", True))


async def check_voice(speech: SpeechSettings, voice: str) -> None:
    """Raise ApiError for a voice that the engine does not have."""
    await _check("voice", partial(voice_problems, speech, voice, "voice", True))


async def _check(parameter: str, problems: Callable[[], Iterator[str]]) -> None:
    try:
        found = await in_thread(lambda: list(problems()))
    except ConfigurationError:
        return  # the engine is not on this machine: its workers will say
    if found:
        raise ApiError(400, found[0], parameter=parameter)


async def _or_absent(observed: Observed[Answer]) -> Answer:
    try:
        return await observed.get()
    except WorkerLostError as error:
        raise ApiError(503, str(error), retry_after_s=STARTING_RETRY_S) from None
