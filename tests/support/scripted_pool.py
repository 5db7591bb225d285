"""A `SpeechPool` by a script: it admits, refuses, fails or never answers, after given times."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from actors.errors import CapacityError, WorkerLostError
from actors.messages import (
    Admission,
    Decision,
    FurtherEngine,
    IngressSignals,
    SessionFigures,
    SessionStarted,
    SessionSummary,
    Synthesize,
    Transcribe,
    Transcript,
    WorkTally,
)
from actors.pool.speech_pool import SpeechChunk, Transcription
from actors.status import FleetStatus, PoolStatus

HANGING_S = 3_600.0
REFUSAL = "all 1 calls are taken"
ONE_WORKER = PoolStatus(planned=1, ready=1, busy=0, waiting=0, tally=WorkTally(), slots=1)


class Manner(Enum):
    """How a question is answered."""

    YES = "yes"
    NO = "no"
    FAILURE = "failure"
    """With an error, after it has been done."""
    SILENCE = "silence"
    """Never, though it has been done."""


@dataclass(frozen=True)
class Answer:
    """How and when."""

    manner: Manner = Manner.YES
    delay_s: float = 0.0


def always_yes() -> Iterator[Answer]:
    """Answer at once, for ever."""
    while True:
        yield Answer()


class ScriptedPool:
    """Bookkeeping questions take their answers from `answers`, in order; work from `work`."""

    def __init__(self, answers: Iterator[Answer] | None = None, work: Iterator[Answer] | None = None) -> None:
        self.decision = Decision()
        self.on_decision: Callable[[Decision], None] = lambda decision: None
        self.signals: Callable[[], IngressSignals] = IngressSignals
        self.status_now = FleetStatus(ONE_WORKER, ONE_WORKER, 0, 1, 0.0, 0.0)
        self.is_away = False
        """Whether it cannot say how it is doing."""
        self.sessions: dict[str, SessionStarted] = {}
        """Calls that it would count."""
        self.story: defaultdict[str, str] = defaultdict(str)
        """Per call: `n` a plain no, `t` taken (or perhaps), `r` registered, `u` unregistered."""
        self.figures: dict[str, SessionFigures] = {}
        self.answer_times_ms: list[float] = []
        self.at_work: list[str] = []
        """The call of each slot in use."""
        self.cancelled = 0
        """Work that was stopped."""
        self.transcriptions: list[bool] = []
        """Whether each was ahead of time."""
        self.without_place: list[str] = []
        """Calls that asked for a slot and had no place."""
        self._answers = answers or always_yes()
        self._work = work or always_yes()

    def use_engines(self, engines: Iterable[FurtherEngine]) -> None:
        """It speaks without."""

    async def start(self) -> None:
        """Nothing to start."""

    async def close(self) -> None:
        """Nothing to stop."""

    async def status(self) -> FleetStatus:
        """Return what the test has set, unless it is away."""
        if self.is_away:
            raise TimeoutError("the manager does not answer")
        return self.status_now

    def decide(self, decision: Decision) -> None:
        """Make a decision known."""
        self.decision = decision
        self.on_decision(decision)

    async def admit(self, session: SessionStarted) -> Admission:
        """Admit or refuse; a manager that does not answer has taken the call all the same."""
        answer = next(self._answers, Answer())
        has_answered = False
        if answer.manner is not Manner.NO:
            self.sessions[session.session_id] = session
        try:
            await _answer(answer)
            has_answered = True
        finally:
            is_plain_no = has_answered and answer.manner is Manner.NO
            self.story[session.session_id] += "n" if is_plain_no else "t"
        is_admitted = answer.manner is Manner.YES
        return Admission(is_admitted, "" if is_admitted else REFUSAL)

    async def register_session(self, session: SessionStarted) -> None:
        """Take a call that was admitted before."""
        self.sessions[session.session_id] = session
        self.story[session.session_id] += "r"
        await _answer(next(self._answers, Answer()))

    def note(self, session_id: str, figures: SessionFigures) -> None:
        """Remember the newest figures; those of unknown calls are ignored."""
        if session_id in self.sessions:
            self.figures[session_id] = figures

    def note_answer(self, answer_ms: float) -> None:
        """Remember it."""
        self.answer_times_ms.append(answer_ms)

    async def unregister_session(self, session_id: str) -> SessionSummary | None:
        """Forget the call, then answer."""
        session = self.sessions.pop(session_id, None)
        self.story[session_id] += "u"
        await _answer(next(self._answers, Answer()))
        if session is None:
            return None
        figures = self.figures.pop(session_id, SessionFigures())
        return SessionSummary(
            session_id,
            session.ingress_id,
            session.extension,
            1.0,
            WorkTally(),
            WorkTally(),
            session.priority,
            session.leg,
            figures,
        )

    async def transcribe(
        self, request: Transcribe, deadline_s: float, is_ahead: bool = False
    ) -> Transcription:
        """Understand "hello"."""
        self.transcriptions.append(is_ahead)
        await self._do(request.call_id)
        return Transcription(Transcript("hello", "en", -0.1, 0.0, 1), 0.0, 1.0)

    def promote(self, call_id: str) -> None:
        """There is no queue."""

    async def synthesize(self, request: Synthesize, deadline_s: float) -> AsyncIterator[SpeechChunk]:
        """Say a tenth of a second."""
        await self._do(request.call_id)
        yield SpeechChunk(b"\1\0" * 800, 0.0, 1.0)

    async def _do(self, call_id: str) -> None:
        if call_id not in self.sessions:
            self.without_place.append(call_id)
        answer = next(self._work, Answer())
        self.at_work.append(call_id)
        try:
            await asyncio.sleep(HANGING_S if answer.manner is Manner.SILENCE else answer.delay_s)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.at_work.remove(call_id)
        if answer.manner is Manner.NO:
            raise CapacityError("no slot")


async def _answer(answer: Answer) -> None:
    if answer.manner is Manner.SILENCE:
        await asyncio.Event().wait()
    await asyncio.sleep(answer.delay_s)
    if answer.manner is Manner.FAILURE:
        raise WorkerLostError("the manager died")
