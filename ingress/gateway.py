"""The gateway process: between the media workers and the speech workers, and the one Ray driver.

It may die at any moment (Ray kills its driver when the head is gone) and is replaced within seconds. So
it keeps nothing that a call needs: media workers make their calls known again and ask again for turns
that were not answered. What it does keep, for whoever asks, are the records of recent calls.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from actors.errors import LinkError, RaymalError
from actors.local import LocalPool
from actors.messages import FleetStatus, SessionStarted
from actors.pool import SpeechPool
from ingress.dialogs.registry import dialog
from ingress.link import Link, serve
from ingress.link_messages import (
    CallEnded,
    CallReply,
    CallRequest,
    CallStarted,
    CancelTurn,
    Digit,
    DropAhead,
    Greet,
    Message,
    Readiness,
    StatusReply,
    StatusRequest,
    TranscribeAhead,
    TurnFinished,
    Utterance,
    WorkerHealth,
)
from ingress.metrics import CallRecord, MediaHealth
from ingress.settings import Settings
from ingress.turns import Ahead, TurnRunner

KEPT_RECORDS = 256
"""Finished calls whose records can still be asked for."""
POLL_STARTING_S = 0.25
POLL_RUNNING_S = 2.0
STATUS_DEADLINE_S = 2.0
POOL_CALL_DEADLINE_S = 5.0
"""Of bookkeeping calls to the pool: a session's registration may be late, never in the way."""

log = logging.getLogger(__name__)


def run(settings: Settings, gateway_socket: Path, name: str) -> None:
    """Serve media workers until SIGTERM. Raises ConfigurationError when the speech side cannot start."""
    asyncio.run(_serve(settings, gateway_socket, name))


async def _serve(settings: Settings, gateway_socket: Path, name: str) -> None:
    gateway = Gateway(settings, _pool(settings, name), name)
    terminated = asyncio.Event()

    def listen_for_signals() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, terminated.set)

    listen_for_signals()
    server = await serve(gateway_socket, gateway.handle, name)
    # Again once Ray runs in this process: it puts a handler of its own in place of ours.
    running = asyncio.create_task(gateway.run(on_started=listen_for_signals))
    stop = asyncio.create_task(terminated.wait())
    try:
        await asyncio.wait((running, stop), return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            await running  # raises what ended it
    finally:
        server.close()
        running.cancel()
        stop.cancel()
        await gateway.close()


def _pool(settings: Settings, name: str) -> SpeechPool | None:
    if not dialog(settings.dialog).needs_speech:
        return None
    if settings.fleet.backend == "local":
        return LocalPool(settings.speech, settings.fleet, name)
    from actors.cluster import ClusterPool  # imports Ray: a second and 80 MB, only if wanted

    return ClusterPool(settings.speech, settings.fleet, name)


class Gateway:
    """All links of one gateway process."""

    def __init__(self, settings: Settings, pool: SpeechPool | None, name: str) -> None:
        self._name = name
        self._pool = pool
        self._runner = TurnRunner(pool, dialog(settings.dialog), settings.speech)
        self._media: set[MediaLink] = set()
        self._records: OrderedDict[str, CallRecord] = OrderedDict()
        self._readiness = Readiness(is_ready=pool is None, detail="the dialog needs no speech workers")
        if pool is not None:
            self._readiness = Readiness(is_ready=False, detail="the speech workers are starting")
        self._start_detail = "speech workers in this process"
        if settings.fleet.backend == "ray":
            deadline_s = settings.fleet.worker_start_deadline_s
            self._start_detail = f"joining Ray at {settings.fleet.ray_address} within {deadline_s:g} s"
        self._status: FleetStatus | None = None
        self._bookkeeping: set[asyncio.Task[None]] = set()

    async def run(self, on_started: Callable[[], None] = lambda: None) -> None:
        """Start the speech workers and keep the media workers informed. Raises ConfigurationError.

        `on_started` is called once the pool has been started.
        """
        if self._pool is None:
            log.info("ready: %s", self._readiness.detail)
            await asyncio.Event().wait()
            return
        log.info("starting: %s", self._start_detail)
        await self._pool.start()
        on_started()
        problems: tuple[str, ...] = ()
        while True:
            with contextlib.suppress(RaymalError):  # the manager is being replaced: keep what we know
                self._status = await self._pool.status()
                if self._status.problems != problems:
                    problems = self._status.problems
                    for problem in problems:
                        log.warning("speech worker: %s", problem)
                self._announce(_readiness(self._status))
            await asyncio.sleep(POLL_RUNNING_S if self._readiness.is_ready else POLL_STARTING_S)

    async def handle(self, link: Link) -> None:
        """Serve one link until it breaks."""
        assert link.peer is not None
        if link.peer.role == "media":
            await self._handle_media(link)
        elif link.peer.role == "observer":
            await self._handle_observer(link)

    async def close(self) -> None:
        """End what runs and give back what is held."""
        for media in tuple(self._media):
            await media.close()
        if self._pool is not None:
            with contextlib.suppress(RaymalError, TimeoutError):
                async with asyncio.timeout(POOL_CALL_DEADLINE_S):
                    await self._pool.close()

    # Media workers

    async def _handle_media(self, link: Link) -> None:
        media = MediaLink(link, self._runner)
        self._media.add(media)
        log.info("media worker %s connected", media.name)
        try:
            link.send(self._readiness)
            while True:
                self._take(media, await link.receive())
        finally:
            self._media.discard(media)
            for call_id in await media.close():
                self._unregister(call_id)
            log.info("media worker %s is gone", media.name)

    def _take(self, media: MediaLink, message: Message) -> None:
        match message:
            case CallStarted(call_id=call_id, extension=extension):
                media.begin(call_id)
                self._register(SessionStarted(call_id, self._name, extension))
            case Greet() | Utterance() | Digit():
                media.run_turn(message)
            case CancelTurn(call_id=call_id, turn=turn):
                media.cancel_turn(call_id, turn)
            case TranscribeAhead():
                media.begin_ahead(message)
            case DropAhead(call_id=call_id):
                media.drop_ahead(call_id)
            case WorkerHealth(health=health):
                media.health = health
            case TurnFinished(call_id=call_id, record=record):
                log.info("call %s %s", call_id, record.describe())
            case CallEnded(record=record):
                media.end(record.call_id)
                self._unregister(record.call_id)
                self._records[record.call_id] = record
                while len(self._records) > KEPT_RECORDS:
                    self._records.popitem(last=False)
            case _:
                raise LinkError(f"a media worker does not send {message.type}")

    def _announce(self, readiness: Readiness) -> None:
        if readiness == self._readiness:
            return
        log.info("%s: %s", "ready" if readiness.is_ready else "not ready", readiness.detail)
        self._readiness = readiness
        for media in self._media:
            with contextlib.suppress(LinkError):
                media.link.send(readiness)

    # Observers

    async def _handle_observer(self, link: Link) -> None:
        while True:
            match await link.receive():
                case StatusRequest():
                    link.send(await self._status_reply())
                case CallRequest(call_id=call_id):
                    link.send(CallReply(record=self._records.get(call_id)))
                case message:
                    raise LinkError(f"an observer does not send {message.type}")
            await link.drain()

    async def _status_reply(self) -> StatusReply:
        if self._pool is not None:
            with contextlib.suppress(RaymalError, TimeoutError):  # then the last known status has to do
                async with asyncio.timeout(STATUS_DEADLINE_S):
                    self._status = await self._pool.status()
        status: dict[str, Any] = {
            "media_workers": [
                {"name": media.name, "health": media.health and media.health.model_dump()}
                for media in sorted(self._media, key=lambda media: media.name)
            ],
            "calls": sum(media.calls for media in self._media),
            "ahead_begun": self._runner.ahead_begun,
            "ahead_used": self._runner.ahead_used,
        }
        if self._status is not None:
            status["fleet"] = asdict(self._status)
        return StatusReply(is_ready=self._readiness.is_ready, detail=self._readiness.detail, status=status)

    # Bookkeeping with the manager: beside the audio path, never in its way

    def _register(self, session: SessionStarted) -> None:
        if self._pool is not None:
            self._beside(self._pool.register_session(session))

    def _unregister(self, session_id: str) -> None:
        if self._pool is not None:
            self._beside(self._pool.unregister_session(session_id))

    def _beside(self, call: Coroutine[Any, Any, object]) -> None:
        task = asyncio.create_task(_bounded(call))
        self._bookkeeping.add(task)
        task.add_done_callback(self._bookkeeping.discard)


@dataclass(slots=True)
class _Call:
    """What runs for a call: at most one turn, and at most one transcription ahead of the next."""

    turn: int = 0
    running: asyncio.Task[None] | None = None
    ahead: Ahead | None = None

    def cancel(self) -> list[asyncio.Task[Any]]:
        """Cancel everything; return what was cancelled and may take a moment to end."""
        tasks: list[asyncio.Task[Any]] = []
        if self.running is not None:
            tasks.append(self.running)
        if self.ahead is not None:
            tasks.append(self.ahead.task)
        for task in tasks:
            task.cancel()
        return tasks


class MediaLink:
    """One media worker: its link, its health and what runs for its calls."""

    def __init__(self, link: Link, runner: TurnRunner) -> None:
        assert link.peer is not None
        self.link = link
        self.name = link.peer.name
        self.health: MediaHealth | None = None
        """The worker's last report; None before the first."""
        self._runner = runner
        self._calls: dict[str, _Call] = {}

    @property
    def calls(self) -> int:
        """How many calls the worker has."""
        return len(self._calls)

    def begin(self, call_id: str) -> None:
        """A call exists."""
        self._calls.setdefault(call_id, _Call())

    def run_turn(self, request: Greet | Utterance | Digit) -> None:
        """Start a turn; a call has one at a time, so an older one has been given up by its call."""
        call = self._calls.setdefault(request.call_id, _Call())
        if call.running is not None:
            call.running.cancel()
        ahead: Ahead | None = None
        if isinstance(request, Utterance):
            if call.ahead is not None and call.ahead.turn != request.turn:
                self.drop_ahead(request.call_id)
            ahead, call.ahead = call.ahead, None
        call.turn = request.turn
        call.running = asyncio.create_task(self._run(request, ahead))
        if ahead is not None:  # it ends with its turn, also with one that is cancelled before its first step
            call.running.add_done_callback(lambda _: ahead.task.cancel())

    def cancel_turn(self, call_id: str, turn: int) -> None:
        """Stop a turn with all that runs for it; one that is over is left alone."""
        call = self._calls.get(call_id)
        if call is not None and call.turn == turn and call.running is not None:
            call.running.cancel()

    def begin_ahead(self, request: TranscribeAhead) -> None:
        """Begin to transcribe for a turn that may come; an older one is worthless."""
        self.drop_ahead(request.call_id)
        if request.call_id in self._calls:
            self._calls[request.call_id].ahead = self._runner.begin_ahead(request)

    def drop_ahead(self, call_id: str) -> None:
        """Stop what was begun ahead, if anything."""
        call = self._calls.get(call_id)
        if call is not None and call.ahead is not None:
            call.ahead.task.cancel()
            call.ahead = None

    def end(self, call_id: str) -> None:
        """A call is over."""
        call = self._calls.pop(call_id, None)
        if call is not None:
            call.cancel()

    async def close(self) -> list[str]:
        """Cancel all that runs; return the calls that were there."""
        calls = list(self._calls)
        cancelled = [task for call in self._calls.values() for task in call.cancel()]
        await asyncio.gather(*cancelled, return_exceptions=True)
        self._calls.clear()
        return calls

    async def _run(self, request: Greet | Utterance | Digit, ahead: Ahead | None) -> None:
        with contextlib.suppress(LinkError):  # the receiving side notices and closes
            await self._runner.run(request, self._send, ahead)

    async def _send(self, message: Message) -> None:
        self.link.send(message)
        await self.link.drain()


def _readiness(status: FleetStatus) -> Readiness:
    pools = {"transcription": status.transcription, "synthesis": status.synthesis}
    detail = ", ".join(f"{pool.ready} of {pool.planned} {name} workers" for name, pool in pools.items())
    return Readiness(is_ready=status.is_ready, detail=detail)


async def _bounded(call: Coroutine[Any, Any, object]) -> None:
    try:
        async with asyncio.timeout(POOL_CALL_DEADLINE_S):
            await call
    except (RaymalError, TimeoutError) as error:
        log.debug("bookkeeping: %s", error or type(error).__name__)
