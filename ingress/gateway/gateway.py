"""The gateway process: between the media workers and the speech workers, and the one Ray driver.

It may be killed at any moment (Ray kills its driver when the head is gone) and is replaced within seconds.
So it keeps nothing that a call needs: media workers start their calls again and repeat the requests that were
not answered. No call waits for the manager's decisions, nor for the load signals that it gets.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from actors.errors import ConfigurationError, LinkError, RaymalError, described
from actors.local import LocalPool
from actors.messages import Decision
from actors.pool.speech_pool import SpeechPool
from actors.status import FleetStatus
from ingress.configuration.extension_book import ExtensionBook
from ingress.configuration.settings import Settings
from ingress.gateway.blocked_loop import files_of, watched
from ingress.gateway.call import CallServices
from ingress.gateway.call_log import CallLedger
from ingress.gateway.cluster_door import open_door
from ingress.gateway.decision_history import DecisionHistory
from ingress.gateway.ended_calls import EndedCalls
from ingress.gateway.followers import Followers
from ingress.gateway.media_peer import MediaPeer
from ingress.gateway.places import Places
from ingress.gateway.ranks import ranks
from ingress.gateway.reservations import Reservations
from ingress.gateway.served_extensions import ServedExtensions
from ingress.gateway.signals import SignalMeter
from ingress.gateway.turn_runner import TurnRunner
from ingress.link.link import Link
from ingress.link.listener import keep_listening, serve
from ingress.link.messages import (
    BeginRequest,
    CallReply,
    CallRequest,
    ExtensionsChanged,
    ExtensionsTaken,
    Follow,
    Message,
    Pace,
    PhrasesReady,
    Readiness,
    StatusReply,
    StatusRequest,
)
from ingress.link.status import DecisionStatus, ExtensionStatus, MediaWorkerStatus, ServerStatus
from ingress.phrases.speaker import Speaker
from ingress.phrases.warming import warm

if TYPE_CHECKING:
    from ingress.gateway.trace_export import TraceExport

POLL_STARTING_S = 0.25
POLL_RUNNING_S = 2.0
STATUS_DEADLINE_S = 2.0
POOL_CLOSE_DEADLINE_S = 5.0
FIRST_WARMING_S = 5.0
"""Callers who wait for the first readiness do not wait longer for phrases."""
WARMING_S = 60.0
"""For each later round of rendering what is missing, and between two rounds."""

log = logging.getLogger(__name__)


def run(settings: Settings, book: ExtensionBook, gateway_socket: Path, name: str) -> None:
    """Serve media workers until SIGTERM. Raises ConfigurationError when the speech side cannot start."""
    asyncio.run(_serve(settings, book, gateway_socket, name))


async def _serve(settings: Settings, book: ExtensionBook, gateway_socket: Path, name: str) -> None:
    pool = _pool(settings, name) if book.has_speech_workers else None
    gateway = Gateway(settings, book, pool, name)
    terminated = asyncio.Event()

    def listen_for_signals() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, terminated.set)

    listen_for_signals()
    server = await serve(gateway_socket, gateway.handle, name)
    # Again once Ray runs in this process: it puts a handler of its own in place of ours.
    running = asyncio.create_task(gateway.run(on_started=listen_for_signals))
    stop = asyncio.create_task(terminated.wait())
    listening = asyncio.create_task(keep_listening(server, gateway_socket, gateway.handle, name))
    try:
        await asyncio.wait((running, stop), return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            await running  # raises what ended it
    finally:
        listening.cancel()
        running.cancel()
        stop.cancel()
        await gateway.close()


def _pool(settings: Settings, name: str) -> SpeechPool:
    options = (settings.speech, settings.fleet, name, settings.admission, settings.throttle)
    if settings.fleet.backend == "local":
        return LocalPool(*options)
    from actors.cluster.pool import ClusterPool  # imports Ray: a second and 80 MB, only if needed

    return ClusterPool(*options)


def _traces(settings: Settings, name: str) -> TraceExport | None:
    if settings.traces.endpoint is None:
        return None
    from ingress.gateway.trace_export import TraceExport  # imports the SDK, only if needed

    return TraceExport(settings.traces, name)


class Gateway:
    """All links of one gateway process."""

    def __init__(self, settings: Settings, book: ExtensionBook, pool: SpeechPool | None, name: str) -> None:
        self._settings = settings
        self._pool = pool
        self._served = ServedExtensions(book)
        self._extension_problems: dict[str, str] = {}
        self._warming_is_due = asyncio.Event()
        self._speaker = Speaker(pool, settings.speech, settings.cache) if pool is not None else None
        self._runner = TurnRunner(pool, self._speaker, settings.speech, self._served.dialog)
        self._ledger = CallLedger(settings.records)
        self._followers = Followers()
        self._traces = _traces(settings, name)
        self._ended = EndedCalls(self._served.dialog)
        self._services = CallServices(
            name,
            pool,
            self._runner,
            self._served.extension,
            self._ledger,
            self._followers,
            self._traces,
            self._ended,
        )
        self._places = Places(self._services)
        self._reservations = Reservations(
            self._services,
            settings.speech,
            self._served.find,
            self._send_to_all,
            settings.access.begin_valid_s,
        )
        self._media: set[MediaPeer] = set()
        detail = "no dialog needs speech workers" if pool is None else "the speech workers are starting"
        self._readiness = Readiness(is_ready=pool is None, detail=detail)
        self._status: FleetStatus | None = None
        self._manager_answers = pool is None
        self._problems: tuple[str, ...] = ()  # those that were logged
        self._decisions = DecisionHistory()
        self._pace = Pace(frame_ms=settings.server.frame_ms)
        self._meter = SignalMeter(self._media, self._is_loading)
        if pool is not None:
            pool.use_engines(book.engines)
            pool.on_decision = self._decided
            pool.signals = self._meter.signals
            pool.on_wait = self._waits

    async def run(self, on_started: Callable[[], None] = lambda: None) -> None:
        """Start the speech workers and keep the media workers informed. Raises ConfigurationError.

        `on_started` is called once the pool has been started.
        """
        with watched(lambda: files_of(self._served.dialogs)):
            await self._run(on_started)

    async def _run(self, on_started: Callable[[], None]) -> None:
        if self._pool is None:
            log.info("ready: %s", self._readiness.detail)
            await asyncio.Event().wait()
            return
        fleet = self._settings.fleet
        if fleet.backend == "ray":
            deadline_s = fleet.worker_start_deadline_s
            log.info("starting: joining Ray at %s within %g s", fleet.ray_address, deadline_s)
        else:
            log.info("starting: speech workers in this process")
        beside = [asyncio.create_task(self._meter.run(), name="loop delay")]
        try:
            await self._pool.start()
            on_started()
            if self._settings.api.enabled and fleet.backend == "ray":
                beside.append(asyncio.create_task(open_door(self._settings), name="cluster's door"))
            warming: asyncio.Task[None] | None = None
            while True:
                readiness = await self._look(self._pool)
                if warming is None and readiness.is_ready:
                    await self._warm(FIRST_WARMING_S)
                    warming = asyncio.create_task(self._keep_warm(), name="warming")
                    beside.append(warming)
                self._announce(readiness)
                await asyncio.sleep(POLL_RUNNING_S if readiness.is_ready else POLL_STARTING_S)
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)

    async def handle(self, link: Link) -> None:
        """Serve one link until it breaks."""
        assert link.peer is not None
        match link.peer.role:
            case "media":
                await self._handle_media(link)
            case "observer":
                await self._handle_observer(link)
            case "web":
                try:
                    await self._handle_observer(link)
                finally:
                    self._followers.discard(link)
            case "supervisor":
                await self._handle_supervisor(link)

    async def close(self) -> None:
        """End all calls, give back their places, write what is still to be written."""
        for media in self._media:
            media.close()
        await self._reservations.close()
        await self._places.close()
        if self._speaker is not None:
            await self._speaker.close()
        closing = [self._ended.close(), self._ledger.close(), self._leave_pool()]
        if self._traces is not None:
            closing.append(self._traces.close())
        await asyncio.gather(*closing)
        await self._served.close()

    async def _leave_pool(self) -> None:
        if self._pool is not None:
            with contextlib.suppress(RaymalError, TimeoutError):
                async with asyncio.timeout(POOL_CLOSE_DEADLINE_S):
                    await self._pool.close()

    # The speech workers

    async def _look(self, pool: SpeechPool) -> Readiness:
        """Ask for the workers' status; without an answer, what is known stands."""
        try:
            async with asyncio.timeout(STATUS_DEADLINE_S):
                status = await pool.status()
        except (RaymalError, TimeoutError):  # the manager is being replaced
            self._manager_answers = False
            return self._readiness
        self._status, self._manager_answers = status, True
        if status.problems != self._problems:
            self._problems = status.problems
            for problem in status.problems:
                log.warning("speech worker: %s", problem)
        return _readiness(status)

    def _waits(self, reason: str) -> None:
        """Say why the speech side cannot be reached yet."""
        address = self._settings.fleet.ray_address
        self._announce(Readiness(is_ready=False, detail=f"joining Ray at {address}: {reason}"))

    def _is_loading(self) -> bool:
        """Whether models load: no turn can be served yet, or workers without a known fault are missing."""
        if not self._readiness.is_ready or self._status is None:
            return self._pool is not None
        pools = (self._status.transcription, self._status.synthesis)
        are_missing = any(pool.ready < pool.planned for pool in pools) and not self._status.problems
        return are_missing or any(engine.loading for engine in self._status.engines)

    def _announce(self, readiness: Readiness) -> None:
        if readiness == self._readiness:
            return
        log.info("%s: %s", "ready" if readiness.is_ready else "not ready", readiness.detail)
        before, self._readiness = self._readiness, readiness
        if readiness.is_ready != before.is_ready:  # to a call that is served it would be another gateway's
            self._send_to_all(readiness)

    def _decided(self, decision: Decision) -> None:
        """Pass on what concerns the media workers; the rest is read where it is needed."""
        change = self._decisions.take(decision, time.monotonic())
        if change is not None:
            log.info("%s", change)
        pace = Pace(frame_ms=30 if 30 in (decision.frame_ms, self._settings.server.frame_ms) else 20)
        if pace != self._pace:
            self._pace = pace
            self._send_to_all(pace)

    async def _keep_warm(self) -> None:
        """Go on rendering: the first time was short, a cache can be cleared, extensions change."""
        while True:
            self._warming_is_due.clear()
            await self._warm(WARMING_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WARMING_S):
                    await self._warming_is_due.wait()

    async def _warm(self, deadline_s: float) -> None:
        """Render fixed phrases that are missing."""
        if self._speaker is None:
            return
        rendered = 0
        try:
            rendered = await warm(
                self._speaker, self._served.in_each_language(), deadline_s, self._served.dialog
            )
        except RaymalError as error:
            log.debug("phrases: %s", error)
        except Exception:  # a dialog's `fixed_texts` may be anything
            log.exception("the phrases could not be made; they are when they are needed")
        if rendered:
            log.info("%d phrases rendered", rendered)
            self._send_to_all(PhrasesReady())

    # Media workers

    async def _handle_media(self, link: Link) -> None:
        media = MediaPeer(link, self._places, self._services, self._reservations.came)
        self._media.add(media)
        log.info("media worker %s connected", media.name)
        try:
            for message in (self._pace, PhrasesReady()):
                media.send(message)
            for invited in self._reservations.invitations(asyncio.get_running_loop().time()):
                media.send(invited)
            media.send(self._readiness)
            await media.serve()
        finally:
            self._media.discard(media)
            log.info("media worker %s is gone", media.name)

    def _unmade_phrases(self) -> dict[str, int]:
        """Return how many phrases of the extensions could not be made, by extension and reason."""
        unmade = self._speaker.unmade if self._speaker is not None else {}
        return Counter(
            f"extension {extension}: {reason}"
            for (extension, _), reason in unmade.items()
            if extension in self._served.book.extensions
        )

    def _send_to_all(self, message: Message) -> None:
        for media in self._media:
            media.send(message)

    # Extensions

    async def _handle_supervisor(self, link: Link) -> None:
        link.send(ExtensionsChanged(book=self._served.book))
        while True:
            match await link.receive():
                case ExtensionsChanged(book=book, problems=problems):
                    problem = await self._follow(book)
                    if problem is None:
                        self._extension_problems = problems
                    link.send(ExtensionsTaken(version=book.version, problem=problem))
                case message:
                    raise LinkError(f"a supervisor does not send {message.kind}")

    async def _follow(self, book: ExtensionBook) -> str | None:
        """Serve new calls by a newer book, or return why that cannot be."""
        try:
            if not await self._served.follow(book):
                return None
        except ConfigurationError as error:  # the supervisor would send it again and again
            log.error("extensions: version %d cannot be served: %s", book.version, error)
            return described(error)
        log.info("extensions: version %d", book.version)
        if self._pool is not None:
            self._pool.use_engines(book.engines)
        self._warming_is_due.set()
        return None

    # Observers

    async def _handle_observer(self, link: Link) -> None:
        while True:
            match await link.receive():
                case StatusRequest():
                    if self._pool is not None:
                        await self._look(self._pool)
                    link.send(StatusReply(status=await self._server_status()))
                case CallRequest(call_id=call_id):
                    link.send(CallReply(record=self._ledger.record(call_id)))
                case BeginRequest() as request:
                    link.send(await self._reservations.begin(request))
                case Follow() if link.peer is not None and link.peer.role == "web":
                    self._followers.add(link)
                case message:
                    raise LinkError(f"an observer does not send {message.kind}")
            await link.drain()

    async def _server_status(self) -> ServerStatus:
        is_on_ray = self._pool is not None and self._settings.fleet.backend == "ray"
        reports = [media.health for media in self._media if media.health is not None]
        calls = sum((media.calls_by_extension() for media in self._media), Counter[str]())
        return ServerStatus(
            is_ready=self._readiness.is_ready,
            detail=self._readiness.detail,
            media_workers=tuple(
                MediaWorkerStatus(name=media.name, health=media.health)
                for media in sorted(self._media, key=lambda media: media.name)
            ),
            calls=calls.total(),
            waiting_callers=sum(health.waiting_callers for health in reports),
            longest_wait_s=max((health.longest_wait_s for health in reports), default=0.0),
            places=len(self._places),
            extensions_version=self._served.book.version,
            extensions=tuple(
                ExtensionStatus(
                    name=name,
                    priority=extension.priority,
                    language=extension.spoken,
                    dialog=extension.dialog.name,
                    tts=(extension.tts or self._settings.speech.tts) if extension.needs_speech else None,
                    maximum_calls=extension.max_calls,
                    calls=calls[name],
                    refused=self._services.refused[name],
                    problem=self._extension_problems.get(name),
                )
                for name, extension in self._served.book.extensions.items()
            ),
            refusals=dict(self._services.refusals),
            ahead_begun=self._runner.ahead_begun,
            ahead_used=self._runner.ahead_used,
            recent=self._ledger.recent_turns(),
            cache_hits=self._ledger.cache_hits,
            cache_misses=self._ledger.cache_misses,
            unmade_phrases=self._unmade_phrases(),
            dropped_records=self._ledger.dropped_records
            + sum(media.health.lost_records for media in self._media if media.health is not None),
            decision=None if self._pool is None else _decision_status(self._pool.decision, self._pace),
            level_changes=self._decisions.status(time.monotonic()),
            manager_answers=self._manager_answers,
            fleet=self._status,
            ranks=await asyncio.to_thread(ranks, is_on_ray),
        )


def _decision_status(decision: Decision, pace: Pace) -> DecisionStatus:
    return DecisionStatus(
        epoch=decision.epoch,
        number=decision.number,
        level=decision.level,
        reasons=decision.reasons,
        frame_ms=pace.frame_ms,
        calls_alone=decision.calls_alone,
    )


def _readiness(status: FleetStatus) -> Readiness:
    pools = {"transcription": status.transcription, "synthesis": status.synthesis}
    detail = ", ".join(f"{pool.ready} of {pool.planned} {name} workers" for name, pool in pools.items())
    if not status.is_ready and status.problems:
        detail += f": {'; '.join(status.problems)}"
    return Readiness(is_ready=status.is_ready, detail=detail)
