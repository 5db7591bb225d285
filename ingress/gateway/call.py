"""One call in the gateway: ask the manager for a place, hold it, give it back.

| stage | ends with | turns |
|---|---|---|
| wait for older calls with the same UUID | their end; refused after `REDIAL_S` | wait |
| ask | the manager's answer, `ADMISSION_DEADLINE_S`, or the call's end | wait: nothing that is said is lost |
| hold | the call's end | run: one, beside at most one transcription ahead of the next |
| give back | the manager's answer, or `BOOKKEEPING_DEADLINE_S` | are cancelled |

A refused call skips what follows. Each place that the manager may have given is given back exactly once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from actors.errors import LinkError
from actors.messages import EXTENSION_FULL, SessionActivity, SessionFigures, SessionStarted, SessionSummary
from actors.pool.speech_pool import SpeechPool
from ingress.configuration.extensions import Extension
from ingress.gateway.call_log import CallLedger
from ingress.gateway.ended_calls import EndedCalls
from ingress.gateway.followers import Followers
from ingress.gateway.key_stop import KeyStop
from ingress.gateway.turn_runner import Ahead, TurnRunner
from ingress.link.link import Link
from ingress.link.messages import (
    Admitted,
    CallStarted,
    CancelTurn,
    DropAhead,
    Message,
    Refused,
    StopSaying,
    TranscribeAhead,
    TurnRequest,
    Utterance,
)
from ingress.link.records import CallRecord, TurnRecord

if TYPE_CHECKING:
    from ingress.gateway.trace_export import TraceExport

ADMISSION_DEADLINE_S = 1.0
"""A pool answers within a third of a second; one that does not has no place to give."""
BOOKKEEPING_DEADLINE_S = 1.6
"""Of registering, and of giving back. A call may wait until an older one's place is given back, then have its
own registered, then give it back: less than 5 s to its last trace, however slow the manager is. One that has
ended meanwhile asks for nothing, so more of them in a row take no longer."""
STOP_DEADLINE_S = 1.0
"""For a cancelled turn to end: a dialog may do anything then."""
REDIAL_S = 0.3
"""How long the end of an older call may take to be known: a media worker reads a hangup within 0.1 s."""
IN_USE = "its UUID is in use by a running call; give every AudioSocket() its own"
SEND_DEADLINE_S = 30.0
"""For a media worker to read: as long as it waits itself for a message. A turn may hold a slot meanwhile."""
NO_ANSWER = "the speech workers cannot be asked"

T = TypeVar("T")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CallServices:
    """What all calls of a gateway use."""

    ingress_id: str
    pool: SpeechPool | None
    """None: no dialog needs speech, and there is room for every call that its extension may have."""
    runner: TurnRunner
    extension: Callable[[str], Extension]
    """By its name."""
    ledger: CallLedger
    followers: Followers = field(default_factory=Followers)
    """Get each turn and each call that is over."""
    traces: TraceExport | None = None
    ended: EndedCalls | None = None
    """Gives dialogs their last events."""
    refused: Counter[str] = field(default_factory=Counter)
    """Calls that were not taken, by extension."""
    refusals: Counter[str] = field(default_factory=Counter)
    """The same by reason; reasons are a few fixed texts."""
    taken: Counter[str] = field(default_factory=Counter)
    """Calls that have a place without a pool, by extension."""

    def session(self, call_id: str, extension: Extension) -> SessionStarted:
        """Return what the manager is asked to take."""
        return SessionStarted(
            session_id=call_id,
            ingress_id=self.ingress_id,
            extension=extension.name,
            priority=extension.priority,
            extension_limit=extension.max_calls,
        )

    def is_full(self, extension: Extension) -> bool:
        """Whether an extension has all calls here that it may have; only without a pool."""
        return extension.max_calls is not None and self.taken[extension.name] >= extension.max_calls

    def count_refusal(self, extension: str, reason: str) -> None:
        """Count a call that was not taken."""
        self.refused[extension] += 1
        self.refusals[reason] += 1


class Call:
    """One call of a media worker."""

    def __init__(self, started: CallStarted, link: Link, services: CallServices) -> None:
        self.started = started
        self.link = link
        self.extension = started.settings or services.extension(started.extension)
        self._services = services
        self._figures = SessionFigures()
        """Totals, never differences: a report that is lost or repeated changes nothing."""
        self._record: CallRecord | None = None
        """The media worker's, of the whole call; None if its link broke first."""
        self._admitted = asyncio.Event()
        self._ended = asyncio.Event()
        self._asking: asyncio.Timeout | None = None
        self._turn = 0
        self._turn_task: asyncio.Task[None] | None = None
        self._key_stop = KeyStop()
        """Of that turn."""
        self._ahead: Ahead | None = None

    @property
    def is_held(self) -> bool:
        """Whether the call has a place and goes on."""
        return self._admitted.is_set() and not self.is_ended

    @property
    def is_ended(self) -> bool:
        """Whether the call was refused or is over; its place may not have been given back yet."""
        return self._ended.is_set()

    async def run(self, before: dict[Call, asyncio.Task[None]]) -> None:
        """Ask, hold, give back; then write the call's line to the log.

        `before`: older calls with the same UUID and their `run`; it is emptied.
        """
        summary: SessionSummary | None = None
        # Even if it ends at once it has a place, unless an older one gives that back.
        has_place = self.started.is_admitted and not before
        try:
            await self._wait_for(before)
            if has_place or not self.is_ended:
                summary = await self._have_place()
        finally:
            if self._record is not None:
                self._services.ledger.write(self._record, summary)
        # The tasks are forgotten: a call and a turn that hold each other wait for the garbage collector.
        stopped, self._turn_task, self._ahead = self._tasks(), None, None
        if stopped:
            await asyncio.wait(stopped, timeout=STOP_DEADLINE_S)

    async def _wait_for(self, before: dict[Call, asyncio.Task[None]]) -> None:
        """Wait until older calls have given their places back; be refused if one goes on."""
        try:
            async with asyncio.timeout(REDIAL_S):
                for older in before:
                    await older._ended.wait()
        except TimeoutError:
            self._refuse(IN_USE)
        else:
            if before:
                await asyncio.wait(before.values())
        before.clear()  # else a UUID that is used again and again would keep all its past

    async def _have_place(self) -> SessionSummary | None:
        """Ask, hold, give back; return what the call used, None if nothing is known of it."""
        pool, call_id = self._services.pool, self.started.call_id
        if pool is None:
            await self._have_place_here()
            return None
        session = self._services.session(call_id, self.extension)
        if self.started.is_admitted:
            self._admit()
            await self._ask(pool.register_session(session), BOOKKEEPING_DEADLINE_S)
        else:
            admission = await self._ask(pool.admit(session), ADMISSION_DEADLINE_S)
            if admission is None:
                self._refuse(NO_ANSWER)  # the manager may have given a place all the same
            elif admission.is_admitted:
                self._admit()
            else:
                self._refuse(admission.reason)
                return None
        self._count()  # the caller may have spoken meanwhile
        await self._ended.wait()
        return await self._ask(pool.unregister_session(call_id), BOOKKEEPING_DEADLINE_S)

    async def _have_place_here(self) -> None:
        """Have a place of this gateway, which has room for as many calls as the extension may have."""
        taken, extension = self._services.taken, self.extension
        if self._services.is_full(extension) and not self.started.is_admitted:
            self._refuse(EXTENSION_FULL)
            return
        taken[extension.name] += 1
        try:
            self._admit()
            await self._ended.wait()
        finally:
            taken[extension.name] -= 1

    async def _ask(self, question: Coroutine[Any, Any, T], deadline_s: float) -> T | None:
        """Return the pool's answer; None if it fails, comes too late, or the call ends meanwhile."""
        try:
            async with asyncio.timeout(deadline_s) as self._asking:
                return await question
        except Exception as error:  # whatever fails behind the pool, the place has to be given back
            log.debug("call %s: %s", self.started.call_id, error or type(error).__name__)
            return None
        finally:
            self._asking = None

    def _admit(self) -> None:
        if not self.is_ended:
            self._admitted.set()
            self._notify(Admitted(call_id=self.started.call_id))

    def _refuse(self, reason: str) -> None:
        if not self.is_ended:
            log.info("call %s refused: %s", self.started.call_id, reason)
            self._services.count_refusal(self.extension.name, reason)
            self._notify(Refused(call_id=self.started.call_id, reason=reason))
            self.end()

    def end(self, record: CallRecord | None = None) -> None:
        """Stop all work and have the place given back. Idempotent.

        `record`: the media worker's. Its totals replace those of this gateway, which may be a later one.
        """
        if self.is_ended:
            return
        self._record = record
        if record is not None:
            self._count(
                activity=SessionActivity.LISTENING,
                turns=record.turns_taken,
                interruptions=record.interruptions,
                underruns=record.underruns,
                lateness_p99_ms=record.lateness.p99_ms,
                lateness_maximum_ms=record.lateness.maximum_ms,
            )
        self._ended.set()
        for task in self._tasks():
            task.cancel()
        if self._asking is not None and not self._asking.expired():
            self._asking.reschedule(asyncio.get_running_loop().time())

    # Turns

    def take(self, request: TurnRequest | CancelTurn | StopSaying | TranscribeAhead | DropAhead) -> None:
        """Do what the media worker asks for."""
        match request:
            case TurnRequest():
                self._begin_turn(request)
            case CancelTurn(turn=turn):
                self._cancel_turn(turn)
            case StopSaying(turn=turn):
                if self._turn == turn:
                    self._key_stop.stop()
            case TranscribeAhead():
                self._drop_ahead()
                self._count(has_spoken=True)
                if self.is_held:
                    self._ahead = self._services.runner.begin_ahead(request, self.extension)
            case DropAhead():
                self._drop_ahead()

    def finish_turn(self, record: TurnRecord) -> None:
        """A turn has been played, was interrupted or failed: the server listens again."""
        self._cancel_turn(record.turn)  # its task may be a moment late
        so_far = self._figures
        self._count(
            activity=SessionActivity.LISTENING,
            has_spoken=so_far.has_spoken or record.kind == "utterance",
            turns=so_far.turns + 1,
            failed_turns=so_far.failed_turns + (record.problem is not None),
            interruptions=so_far.interruptions + record.was_interrupted,
            underruns=so_far.underruns + record.underruns,
            cache_hits=so_far.cache_hits + record.stages.cache_hits,
            cache_misses=so_far.cache_misses + record.stages.cache_misses,
        )

    def _begin_turn(self, request: TurnRequest) -> None:
        """Start a turn; a call has one at a time, so its media worker has given up an older one."""
        self._cancel_turn(self._turn)
        ahead: Ahead | None = None
        if isinstance(request, Utterance):
            self._count(has_spoken=True)
            if self._ahead is not None and self._ahead.turn == request.turn:
                ahead, self._ahead = self._ahead, None
            self._drop_ahead()
        self._turn, self._key_stop = request.turn, KeyStop()
        self._turn_task = asyncio.create_task(
            self._run_turn(request, ahead, self._key_stop), name=f"turn of call {request.call_id}"
        )
        if ahead is not None:  # it ends with its turn, also with one that is cancelled before its first step
            self._turn_task.add_done_callback(lambda _: ahead.task.cancel())

    async def _run_turn(self, request: TurnRequest, ahead: Ahead | None, key_stop: KeyStop) -> None:
        await self._admitted.wait()
        with contextlib.suppress(LinkError):  # the receiving side notices and closes
            await self._services.runner.run(request, self, ahead, key_stop)

    def turn_to(self, activity: SessionActivity) -> None:
        """Note the stage of the turn."""
        self._count(activity=activity)

    async def send(self, message: Message) -> None:
        """Send a message of the turn, as fast as the media worker reads. Raises LinkError."""
        self.link.send(message)
        try:
            async with asyncio.timeout(SEND_DEADLINE_S):
                await self.link.drain()
        except TimeoutError:
            raise LinkError(f"the media worker has read nothing for {SEND_DEADLINE_S:g} s") from None

    def _cancel_turn(self, turn: int) -> None:
        if self._turn == turn and self._turn_task is not None:
            self._turn_task.cancel()

    def _drop_ahead(self) -> None:
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            ahead.task.cancel()

    def _tasks(self) -> list[asyncio.Task[Any]]:
        ahead_task = self._ahead.task if self._ahead is not None else None
        return [task for task in (self._turn_task, ahead_task) if task is not None]

    # What is said of the call

    def _count(self, **changes: Any) -> None:
        """Change the call's figures; the pool gets them if the call has a place."""
        self._figures = replace(self._figures, **changes)
        if self._services.pool is not None and self.is_held:
            self._services.pool.note(self.started.call_id, self._figures)

    def _notify(self, message: Message) -> None:
        with contextlib.suppress(LinkError):
            self.link.send(message)
