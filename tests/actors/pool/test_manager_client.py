"""An ingress and a manager that comes and goes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace

import pytest

from actors.errors import UnknownIngressError, WorkerLostError
from actors.manager.decision_board import DecisionBoard
from actors.messages import (
    EXTENSION_FULL,
    Admission,
    Decision,
    IngressReport,
    IngressSignals,
    Lease,
    LeaseRequest,
    Level,
    Priority,
    SessionFigures,
    SessionStarted,
    SessionSummary,
    WorkKind,
    WorkReport,
)
from actors.pool import manager_client as module
from actors.pool.manager_client import ADMISSION_DEADLINE_S, NO_MANAGER, REMEMBERED_ANSWERS, ManagerClient
from actors.pool.registration import HeldLease, IngressStarted
from actors.settings import FleetSettings, SpeechSettings, ThrottleSettings
from actors.status import FleetStatus

ONE_CALL = SessionStarted("call", "i", "100", Priority.HIGH)
HELD = HeldLease(
    LeaseRequest("lease", WorkKind.TRANSCRIPTION, "i", "call", 1.0, 1.0),
    Lease("lease", WorkKind.TRANSCRIPTION, "worker", 0.0),
)
INGRESS = IngressStarted(
    "i", "node", SpeechSettings(), FleetSettings(), throttle=ThrottleSettings(keep_s=0.2)
)


@dataclass
class Office:
    """A manager at the far end of a line that can be cut."""

    is_reached: bool = True
    is_slow: bool = False
    known: dict[str, IngressStarted] = field(default_factory=dict)
    board: DecisionBoard = field(default_factory=DecisionBoard)
    reports: list[IngressReport] = field(default_factory=list)
    sessions: dict[str, SessionStarted] = field(default_factory=dict)

    async def _reach(self, ingress_id: str | None = None) -> None:
        await asyncio.sleep(0.5 if self.is_slow else 0.0)
        if self.is_slow or not self.is_reached:
            raise WorkerLostError("the line is dead")
        if ingress_id is not None and ingress_id not in self.known:
            raise UnknownIngressError(ingress_id)

    async def register_ingress(self, ingress: IngressStarted) -> None:
        await self._reach()
        self.known[ingress.ingress_id] = ingress
        self.sessions = {session.session_id: session for session in ingress.sessions}

    async def unregister_ingress(self, ingress_id: str) -> None:
        await self._reach()
        self.known.pop(ingress_id, None)

    async def heartbeat(self, report: IngressReport) -> Decision | None:
        await self._reach()
        if report.ingress_id not in self.known:
            return None
        self.reports.append(report)
        return self.board.read(report.ingress_id)

    async def watch(self, ingress_id: str, known: tuple[str, int], wait_s: float) -> Decision:
        await self._reach(ingress_id)
        return await self.board.wait(ingress_id, known, wait_s)

    async def admit(self, session: SessionStarted) -> Admission:
        await self._reach(session.ingress_id)
        self.sessions[session.session_id] = session
        return Admission(is_admitted=True)

    async def register_session(self, session: SessionStarted) -> None:
        await self._reach(session.ingress_id)
        self.sessions[session.session_id] = session

    async def unregister_session(
        self, session_id: str, figures: SessionFigures | None
    ) -> SessionSummary | None:
        await self._reach()
        self.sessions.pop(session_id, None)
        return None

    async def acquire(self, request: LeaseRequest) -> Lease:
        raise NotImplementedError

    async def promote(self, lease_id: str) -> None:
        raise NotImplementedError

    async def release(self, report: WorkReport) -> None:
        raise NotImplementedError

    async def status(self) -> FleetStatus:
        raise NotImplementedError

    def forget_everything(self) -> None:
        """Be a new manager."""
        self.known, self.sessions, self.board = {}, {}, DecisionBoard()


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> Office:
    monkeypatch.setattr(module, "HEARTBEAT_PERIOD_S", 0.02)
    monkeypatch.setattr(module, "MANAGER_RETRY_S", 0.01)
    return Office()


class ClientWithALease(ManagerClient):
    """A client whose ingress uses one lease."""

    def _held_leases(self) -> tuple[HeldLease, ...]:
        return (HELD,)


@pytest.fixture
async def client(office: Office) -> AsyncIterator[ManagerClient]:
    made = ClientWithALease(office, INGRESS)
    await made.start()
    yield made
    await made.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5.0):
        while not condition():
            await asyncio.sleep(0.005)


async def test_decisions_arrive_by_themselves(office: Office, client: ManagerClient) -> None:
    """A change is pushed; `on_decision` is called once for it."""
    seen: list[Decision] = []
    client.on_decision = seen.append
    await until(lambda: bool(office.reports))
    office.board.post("i", Level.BUSY, ("late",), 5)
    await until(lambda: client.decision.level is Level.BUSY)
    reports = len(office.reports)
    await until(lambda: len(office.reports) > reports + 2)
    assert [decision.level for decision in seen] == [Level.BUSY]


async def test_a_new_manager_gets_everything_at_once(office: Office, client: ManagerClient) -> None:
    """Calls and leases come with the registration, figures with the heartbeat after it."""
    assert (await client.admit(ONE_CALL)).is_admitted
    client.note("call", SessionFigures(turns=3))
    await until(lambda: any(report.sessions for report in office.reports))
    epoch = client.decision.epoch
    office.forget_everything()
    office.reports.clear()
    await until(lambda: "i" in office.known)
    assert (office.known["i"].sessions, office.known["i"].held) == ((ONE_CALL,), (HELD,))
    await until(lambda: any(report.sessions for report in office.reports))
    assert office.reports[0].calls == 1
    await until(lambda: client.decision.epoch != epoch)


async def test_figures_are_sent_once_and_again_after_a_loss(office: Office, client: ManagerClient) -> None:
    """What a heartbeat could not deliver comes with the next one that arrives, answers too."""
    await client.admit(ONE_CALL)
    await until(lambda: bool(office.reports))
    office.is_reached = False
    client.note("call", SessionFigures(turns=1))
    client.note_answer(700.0)
    await asyncio.sleep(0.06)
    office.reports.clear()
    office.is_reached = True
    await until(lambda: len(office.reports) > 3)
    sent = [report for report in office.reports if report.sessions]
    assert [report.sessions["call"].turns for report in sent] == [1]
    assert [answer for report in office.reports for answer in report.answer_times_ms] == [700.0]


async def test_unsent_answers_are_bounded(office: Office, client: ManagerClient) -> None:
    """A manager that is gone for a day costs no memory."""
    office.is_reached = False
    for _ in range(REMEMBERED_ANSWERS + 10):
        client.note_answer(1.0)
    await asyncio.sleep(0.05)
    await until(lambda: len(client._answer_times_ms) == REMEMBERED_ANSWERS)  # they are away in between


async def test_signals_are_asked_for_each_heartbeat(office: Office, client: ManagerClient) -> None:
    """They are what the ingress measures at that moment."""
    client.signals = lambda: IngressSignals(lateness_p99_ms=4.0)
    await until(lambda: bool(office.reports) and office.reports[-1].signals.lateness_p99_ms == 4.0)


async def test_without_a_manager_the_last_decision_stands_for_a_while(
    office: Office, client: ManagerClient
) -> None:
    """Then it is busy at least; when the manager is back, its decision counts at once."""
    office.board.post("i", Level.NORMAL, (), 2)
    await until(lambda: client.decision.calls_alone == 2)
    office.is_reached = False
    await asyncio.sleep(0.1)
    assert client.decision.level is Level.NORMAL
    await until(lambda: client.decision.level is Level.BUSY)
    assert NO_MANAGER in client.decision.reasons[0]
    office.is_reached = True
    await until(lambda: client.decision.level is Level.NORMAL)
    office.board.post("i", Level.FULL, ("much",), 2)
    await until(lambda: client.decision.level is Level.FULL)
    office.is_reached = False
    await until(lambda: NO_MANAGER in client.decision.reasons[0])
    assert client.decision.level is Level.FULL


async def test_a_stop_of_this_process_is_no_silence_of_the_manager(office: Office) -> None:
    """The first heartbeat after it fails, since its deadline has passed meanwhile: the decision stands."""
    client = ManagerClient(office, replace(INGRESS, throttle=ThrottleSettings(keep_s=1.2)))
    await client.start()
    await until(lambda: bool(office.reports))
    office.is_reached = False
    time.sleep(1.5)  # noqa: ASYNC251 - the loop is to be blocked
    await asyncio.sleep(0.05)
    assert client.decision.level is Level.NORMAL
    office.is_reached = True
    await client.close()


EXTENSION_OF_ONE = replace(ONE_CALL, extension_limit=1)


@pytest.mark.parametrize("failure", ["is_slow", "is_reached", "forgets"])
async def test_an_extension_has_no_more_calls_than_its_limit(
    office: Office, client: ManagerClient, failure: str
) -> None:
    """An ingress counts its own, whatever the manager answers or does not: emergencies too."""
    office.board.post("i", Level.NORMAL, (), 100)
    await until(lambda: client.decision.calls_alone == 100)
    if failure != "forgets":  # it would admit them all
        setattr(office, failure, failure == "is_slow")
    calls = [
        replace(EXTENSION_OF_ONE, session_id=str(number), priority=priority)
        for number, priority in enumerate([*Priority, Priority.NORMAL])
    ]
    taken = await asyncio.gather(*(client.admit(call) for call in calls))
    assert sum(admission.is_admitted for admission in taken) == 1
    assert {admission.reason for admission in taken if not admission.is_admitted} == {EXTENSION_FULL}
    [held] = [call for call, admission in zip(calls, taken, strict=True) if admission.is_admitted]
    assert (await client.admit(held)).is_admitted  # asked again, it is the same call
    assert (await client.admit(replace(held, session_id="x", extension="200"))).is_admitted
    office.is_reached, office.is_slow = True, False
    await until(lambda: set(office.sessions) == {held.session_id, "x"})
    await client.unregister_session(held.session_id)
    assert (await client.admit(replace(held, session_id="y"))).is_admitted


@pytest.mark.parametrize("failure", ["is_slow", "is_reached"])
async def test_calls_are_taken_alone_up_to_the_room_that_was_left(
    office: Office, client: ManagerClient, failure: str
) -> None:
    """A manager that is gone or slow costs a third of a second, and calls beyond the number it gave."""
    office.board.post("i", Level.NORMAL, (), 1)
    await until(lambda: client.decision.calls_alone == 1)
    setattr(office, failure, failure == "is_slow")
    started_s = asyncio.get_running_loop().time()
    assert (await client.admit(ONE_CALL)).is_admitted
    second = await client.admit(replace(ONE_CALL, session_id="second"))
    assert second == Admission(is_admitted=False, reason=NO_MANAGER)
    assert asyncio.get_running_loop().time() - started_s < 2 * ADMISSION_DEADLINE_S + 0.2
    emergency = replace(ONE_CALL, session_id="third", priority=Priority.EMERGENCY)
    assert (await client.admit(emergency)).is_admitted
    office.forget_everything()
    setattr(office, failure, failure != "is_slow")
    await until(lambda: set(office.sessions) == {"call", "third"})


async def test_a_call_that_ends_without_a_manager_is_no_longer_counted(
    office: Office, client: ManagerClient
) -> None:
    """The manager sees another number than its own, and asks for a registration."""
    await client.admit(ONE_CALL)
    office.is_reached = False
    assert await client.unregister_session("call") is None
    office.is_reached = True
    office.reports.clear()
    await until(lambda: bool(office.reports))
    assert office.reports[-1].calls == 0


async def test_closing_unregisters_and_leaves_no_task(office: Office, client: ManagerClient) -> None:
    """Also when it is done twice."""
    before = len(asyncio.all_tasks()) - 3
    await client.close()
    await client.close()
    assert not office.known
    assert len(asyncio.all_tasks()) == before
