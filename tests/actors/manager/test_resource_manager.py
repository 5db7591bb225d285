"""The manager with real worker threads, scripted engines and a clock that the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import pytest
from further_engines import HUM, IN_ESPERANTO, is_settled

from actors.errors import ConfigurationError, UnknownIngressError, WorkerLostError
from actors.fleet.fleet import WorkerSpec
from actors.fleet.sizing import INGRESS_LABEL, NodeResources
from actors.liveness.running_clock import RunningClock
from actors.local import LocalWorkers
from actors.manager.resource_manager import (
    DIFFERING_BEATS,
    HOST_KEPT_S,
    INGRESS_TIMEOUT_S,
    LINGER_S,
    SUCCESSION_S,
    TICK_S,
    ResourceManager,
)
from actors.messages import (
    FurtherEngine,
    IngressReport,
    IngressSignals,
    LeaseRequest,
    Level,
    Priority,
    SessionActivity,
    SessionFigures,
    SessionStarted,
    WorkKind,
    WorkOutcome,
    WorkReport,
    WorkTally,
)
from actors.pool.registration import HeldLease, IngressStarted
from actors.settings import (
    AdmissionSettings,
    FleetSettings,
    ScriptedSettings,
    SpeechSettings,
    ThrottleSettings,
)
from actors.status import FleetStatus
from actors.workers.worker_thread import WorkerThread

STT = WorkKind.TRANSCRIPTION
SCRIPTED = SpeechSettings(stt="scripted", tts="scripted", scripted=ScriptedSettings(stt_delay_s=0.05))
ONE_OF_EACH = FleetSettings(max_concurrent_transcriptions=1, max_concurrent_synthesis=1, lease_queue_limit=2)


@dataclass
class Clock:
    """Seconds that pass when the test says so."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


class Machines(LocalWorkers):
    """Worker threads that are said to run on these machines."""

    def __init__(self) -> None:
        super().__init__()
        self.machines = [NodeResources("node-a", 4, 16 * 10**9)]
        self.refused: set[str] = set()
        """Nodes on which nothing can be started."""

    async def nodes(self) -> Sequence[NodeResources]:
        return self.machines

    async def ensure(self, spec: WorkerSpec) -> WorkerThread:
        if spec.node_id in self.refused:
            raise WorkerLostError("the node\nis broken")
        return await super().ensure(spec)


@dataclass
class House:
    """A manager and everything it stands on."""

    manager: ResourceManager
    machines: Machines
    clock: Clock

    async def until(self, met: Callable[[FleetStatus], bool]) -> FleetStatus:
        """Return the first status that meets the condition."""
        async with asyncio.timeout(5.0):
            while not met(status := await self.manager.status()):
                await asyncio.sleep(0.005)
        return status


@pytest.fixture
async def house() -> AsyncIterator[House]:
    clock, machines = Clock(), Machines()
    made = House(ResourceManager(machines, clock), machines, clock)
    yield made
    await made.manager.close()


@pytest.fixture
async def ready(house: House) -> House:
    """A house with one ingress, i, and one worker of each kind, which answer."""
    await house.manager.register_ingress(ingress())
    await house.until(lambda status: status.is_ready)
    return house


def ingress(name: str = "i", **changes: object) -> IngressStarted:
    speech = SCRIPTED.model_copy(update=changes)
    return IngressStarted(name, "node-a", speech, ONE_OF_EACH)


def request(lease_id: str, ingress_id: str = "i", wait_s: float = 5.0) -> LeaseRequest:
    return LeaseRequest(lease_id, STT, ingress_id, "call", wait_s, hold_s=10.0)


def report(lease_id: str, outcome: WorkOutcome = WorkOutcome.DONE) -> WorkReport:
    return WorkReport(lease_id, outcome, processing_ms=100.0, audio_ms=2000.0)


async def test_an_ingress_brings_the_workers_up(house: House) -> None:
    """Registering plans the fleet; it is ready once each kind has a worker that answers."""
    assert not (await house.manager.status()).transcription.planned
    await house.manager.register_ingress(ingress())
    assert not (await house.manager.status()).is_ready
    status = await house.until(lambda status: status.is_ready)
    assert (status.transcription.planned, status.synthesis.planned) == (1, 1)
    assert (status.ingresses, status.problems) == (1, ())


async def test_a_lease_is_granted_used_and_counted(ready: House) -> None:
    """The report of a lease enters the totals and those of its call."""
    await ready.manager.register_session(SessionStarted("call", "i", "100"))
    lease = await ready.manager.acquire(request("a"))
    assert lease.kind is STT
    assert (await ready.manager.status()).transcription.busy == 1
    ready.clock.now += 7.0
    await ready.manager.release(report("a"))
    tally = WorkTally(count=1, processing_ms=100.0, audio_ms=2000.0)
    assert (await ready.manager.status()).transcription.tally == tally
    summary = await ready.manager.unregister_session("call")
    assert summary is not None
    assert (summary.extension, summary.duration_s, summary.transcription) == ("100", 7.0, tally)
    assert await ready.manager.unregister_session("call") is None


async def test_an_unknown_ingress_has_to_register(house: House) -> None:
    """After a restart the manager knows no ingress, and says so."""
    assert await house.manager.heartbeat(IngressReport("i")) is None
    with pytest.raises(UnknownIngressError):
        await house.manager.acquire(request("a"))
    with pytest.raises(UnknownIngressError):
        await house.manager.register_session(SessionStarted("call", "i", "100"))


async def test_a_silent_ingress_loses_everything(house: House) -> None:
    """Without a heartbeat its calls, requests and leases go, and its slot serves others again."""
    await house.manager.register_ingress(ingress("i"))
    await house.manager.register_ingress(ingress("j"))
    await house.manager.register_session(SessionStarted("call", "i", "100"))
    await house.until(lambda status: status.is_ready)
    await house.manager.acquire(request("a", "i"))
    other = asyncio.create_task(house.manager.acquire(request("b", "j", wait_s=60.0)))
    await house.until(lambda status: status.transcription.waiting == 1)
    house.clock.now += INGRESS_TIMEOUT_S
    assert await house.manager.heartbeat(IngressReport("j"))
    house.clock.now += 1.0
    house.manager.tick()
    status = await house.manager.status()
    assert (status.ingresses, status.sessions) == (1, 0)
    assert (await asyncio.wait_for(other, 5.0)).lease_id == "b"


async def test_other_settings_are_refused_while_the_fleet_is_in_use(house: House) -> None:
    """The refusal names each setting that differs, with both values."""
    await house.manager.register_ingress(ingress("i"))
    with pytest.raises(ConfigurationError) as caught:
        await house.manager.register_ingress(ingress("j", language="pt"))
    assert "speech.language is 'en' there and 'pt' here" in str(caught.value)
    assert "'i'" in str(caught.value)
    assert await house.manager.heartbeat(IngressReport("j")) is None


async def test_other_settings_rebuild_an_unused_fleet(house: House) -> None:
    """When the last user is gone the next one's settings count: old workers go, new ones come."""
    await house.manager.register_ingress(ingress("i"))
    await house.until(lambda status: status.is_ready)
    before = set(await house.machines.running())
    await house.manager.unregister_ingress("i")
    await house.manager.register_ingress(ingress("j", language="pt"))
    await house.until(lambda status: status.is_ready)
    after = set(await house.machines.running())
    assert len(after) == 2
    assert not before & after


async def test_an_unused_fleet_is_stopped_after_a_while(ready: House) -> None:
    """A restarted gateway finds its workers; if none comes they are stopped."""
    await ready.manager.unregister_ingress("i")
    ready.clock.now += 29.0
    await ready.manager.plan_once()
    assert len(await ready.machines.running()) == 2
    ready.clock.now += 1.0
    await ready.manager.plan_once()
    assert not await ready.machines.running()
    assert (await ready.manager.status()).transcription.planned == 0
    ready.clock.now += 2.0
    await ready.manager.plan_once()
    await asyncio.sleep(0.02)
    assert not await ready.machines.running()  # stopped means stopped
    await ready.manager.register_ingress(ingress())
    await ready.until(lambda status: status.is_ready)


async def test_nothing_is_started_for_an_ingress_that_went_meanwhile(house: House) -> None:
    """The nodes answer late: nobody uses the fleet any more."""
    answers = asyncio.Event()

    async def late() -> Sequence[NodeResources]:
        await answers.wait()
        return house.machines.machines

    house.machines.nodes = late  # type: ignore[method-assign]
    registering = asyncio.create_task(house.manager.register_ingress(ingress()))
    await asyncio.sleep(0)
    await house.manager.unregister_ingress("i")
    answers.set()
    await registering
    assert not await house.machines.running()


# Which nodes keep cores for Asterisk


def hosts(status: FleetStatus) -> set[str]:
    return {node.node_id for node in status.nodes if node.hosts_ingress}


async def test_a_pbx_stays_one_while_its_gateway_is_away(house: House) -> None:
    """For minutes, not only while its ingress is heard; a node that never had one is none."""
    house.machines.machines = [NodeResources(name, 16, 64 * 10**9) for name in ("node-a", "node-b", "node-c")]
    await house.manager.register_ingress(ingress("i"))
    await house.manager.register_ingress(replace(ingress("j"), node_id="node-b"))
    await house.manager.unregister_ingress("j")
    for _ in range(2):
        house.clock.now += HOST_KEPT_S / 2 - 1.0
        await house.manager.plan_once()
        assert hosts(await house.manager.status()) == {"node-a", "node-b"}
    house.clock.now += 2.0
    await house.manager.plan_once()
    assert hosts(await house.manager.status()) == {"node-a"}


async def test_a_label_makes_a_node_a_pbx_before_its_ingress_registers(house: House) -> None:
    """Until then nothing else could say so; a wrong value is a problem and is ignored."""
    house.machines.machines += [
        NodeResources("node-b", 16, 64 * 10**9, labels={INGRESS_LABEL: "yes"}),
        NodeResources("node-c", 16, 64 * 10**9, labels={INGRESS_LABEL: "perhaps"}),
    ]
    await house.manager.register_ingress(ingress())
    status = await house.manager.status()
    assert hosts(status) == {"node-a", "node-b"}
    assert status.problems == (
        "node node-c: label raymal-ingress='perhaps' is ignored: use yes, or no label",
    )


async def test_a_new_manager_takes_no_pbx_for_a_speech_node(ready: House) -> None:
    """The ingresses register again one after the other: none of their nodes is filled up meanwhile."""
    ready.machines.machines = [NodeResources(name, 16, 64 * 10**9) for name in ("node-a", "node-b")]
    successor = House(ResourceManager(ready.machines, ready.clock), ready.machines, ready.clock)
    await successor.manager.register_ingress(ingress("i"))
    assert hosts(await successor.manager.status()) == {"node-a", "node-b"}
    ready.clock.now += SUCCESSION_S
    await successor.manager.plan_once()
    assert hosts(await successor.manager.status()) == {"node-a"}


# A manager that was stopped


@pytest.mark.parametrize("stopped_s", [5.0, 3_600.0])
async def test_a_manager_that_was_stopped_drops_nobody(stopped_s: float) -> None:
    """What was sent meanwhile is taken in first: ingresses, calls, leases and who waits stay."""
    clock, machines = Clock(), Machines()
    house = House(ResourceManager(machines, RunningClock(clock)), machines, clock)
    for name in ("i", "j"):
        await house.manager.register_ingress(replace(ingress(name), throttle=ThrottleSettings()))
    await house.manager.register_session(SessionStarted("call", "i", "100"))
    await house.until(lambda status: status.is_ready)
    lease = await house.manager.acquire(request("a", wait_s=20.0))
    waiting = asyncio.create_task(house.manager.acquire(request("b", "j", wait_s=20.0)))
    await house.until(lambda status: status.transcription.waiting == 1)
    clock.now += stopped_s
    for _ in range(2):
        house.manager.tick()
        for name, calls in (("i", 1), ("j", 0)):
            assert await house.manager.heartbeat(IngressReport(name, calls=calls))
        clock.now += 0.5
    status = await house.manager.status()
    assert (status.ingresses, status.sessions, status.level) == (2, 1, Level.NORMAL)
    assert (status.transcription.busy, status.transcription.waiting) == (1, 1)
    await house.manager.release(report(lease.lease_id))
    assert (await asyncio.wait_for(waiting, 5.0)).lease_id == "b"
    for _ in range(10):  # one that is silent while the manager runs is dropped as before
        clock.now += 0.5
        house.manager.tick()
        await house.manager.heartbeat(IngressReport("i", calls=1))
    assert (await house.manager.status()).ingresses == 1
    await house.manager.close()


async def test_a_new_manager_adopts_and_tidies_up(ready: House) -> None:
    """Workers that an earlier manager left are taken over if they are planned, else stopped."""
    kept = set(await ready.machines.running())
    stray = WorkerSpec("raymal-stt-stray", STT, "node-a", 0.0, 0.0, 1, SCRIPTED)
    await ready.machines.ensure(stray)
    threads = dict(ready.machines._threads)
    successor = House(ResourceManager(ready.machines, ready.clock), ready.machines, ready.clock)
    await successor.manager.register_ingress(ingress())
    await successor.until(lambda status: status.is_ready)
    assert stray.worker_id in await ready.machines.running()  # it may be planned once all ingresses are back
    ready.clock.now += SUCCESSION_S
    await successor.manager.plan_once()
    assert set(await ready.machines.running()) == kept
    assert all(ready.machines._threads[worker_id] is threads[worker_id] for worker_id in kept)


async def test_a_lost_worker_is_replaced(ready: House) -> None:
    """A worker reported lost serves again as soon as it answers, here as a new thread."""
    lease = await ready.manager.acquire(request("a"))
    await ready.machines.stop(lease.worker_id)
    await ready.manager.release(report("a", WorkOutcome.LOST))
    assert not (await ready.manager.status()).is_ready
    again = await asyncio.wait_for(ready.manager.acquire(request("b")), 5.0)
    assert again.worker_id == lease.worker_id
    assert lease.worker_id in await ready.machines.running()


async def test_an_abandoned_worker_stays_ready_but_is_not_lent(ready: House) -> None:
    """A dropped utterance is no fault of the worker: the fleet stays ready, the slot busy until idle."""
    await ready.manager.acquire(request("a"))
    await ready.manager.release(report("a", WorkOutcome.ABANDONED))
    status = await ready.manager.status()
    assert status.is_ready
    assert status.transcription.busy == 1
    await asyncio.wait_for(ready.manager.acquire(request("b")), 5.0)


async def test_a_node_that_comes_brings_workers_and_one_that_goes_takes_them(house: House) -> None:
    """The plan follows the nodes."""
    alone = IngressStarted("i", "node-a", SCRIPTED, FleetSettings())
    await house.manager.register_ingress(alone)
    await house.until(lambda status: status.transcription.ready == 3)
    house.machines.machines.append(NodeResources("node-b", 2, 8 * 10**9))
    await house.manager.plan_once()
    await house.until(lambda status: status.transcription.ready == 5)
    del house.machines.machines[1]
    await house.manager.plan_once()
    status = await house.manager.status()
    assert (status.transcription.planned, status.transcription.ready) == (3, 3)


async def test_an_ingress_says_how_many_physical_cores_its_node_has(house: House) -> None:
    """Ray counts logical CPUs, also where it was started by hand; a node keeps what was said of it."""
    house.machines.machines = [NodeResources("node-a", 8, 16 * 10**9)]
    await house.manager.register_ingress(
        IngressStarted("i", "node-a", SCRIPTED, FleetSettings(), physical_cores=4.0)
    )
    await house.until(lambda status: status.transcription.ready == 3)
    await house.manager.register_ingress(IngressStarted("j", "node-a", SCRIPTED, FleetSettings()))
    await house.manager.unregister_ingress("i")
    await house.manager.plan_once()
    assert (await house.manager.status()).transcription.planned == 3


async def test_a_worker_that_cannot_start_is_a_line_in_the_status(house: House) -> None:
    """The problem is one line and goes away when the worker starts after all."""
    house.machines.refused.add("node-a")
    await house.manager.register_ingress(ingress())
    status = await house.until(lambda status: bool(status.problems) and "1 more" in status.problems[0])
    (line,) = status.problems  # of one worker of each kind
    assert line.endswith(" and 1 more: the node")
    house.machines.refused.clear()
    status = await house.until(lambda status: status.is_ready)
    assert status.problems == ()


async def test_nodes_that_cannot_be_read_are_a_line_in_the_status(house: House) -> None:
    """The fleet goes on as it is."""

    async def unreadable() -> Sequence[NodeResources]:
        raise WorkerLostError("no word from the cluster")

    await house.manager.register_ingress(ingress())
    house.machines.nodes = unreadable  # type: ignore[method-assign]
    running = asyncio.create_task(house.manager.run())
    status = await house.until(lambda status: bool(status.problems) and status.is_ready)
    assert status.problems == ("planning: no word from the cluster",)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


# Calls


def call(name: str, priority: Priority = Priority.NORMAL) -> SessionStarted:
    return SessionStarted(name, "i", "100", priority)


async def test_calls_are_taken_up_to_what_the_slots_hold(house: House) -> None:
    """The last line is kept for an emergency, and one call more than capacity is refused with a reason."""
    limited = replace(ingress(), admission=AdmissionSettings(calls_per_slot=4, normal_percent=75))
    await house.manager.register_ingress(limited)
    await house.until(lambda status: status.is_ready)
    for name in ("a", "b", "c"):
        assert (await house.manager.admit(call(name))).is_admitted
    refused = await house.manager.admit(call("d"))
    assert not refused.is_admitted
    assert refused.reason
    assert (await house.manager.admit(call("e", Priority.EMERGENCY))).is_admitted
    assert not (await house.manager.admit(call("f", Priority.EMERGENCY))).is_admitted
    await house.manager.unregister_session("a")
    await house.manager.unregister_session("b")
    assert (await house.manager.admit(call("d"))).is_admitted
    status = await house.manager.status()
    assert (status.sessions, status.admission.calls, status.admission.capacity) == (3, 3, 4)
    assert sum(status.admission.refused.values()) == 2


async def test_what_an_ingress_counts_is_in_the_summary(ready: House) -> None:
    """Figures travel with the heartbeat, the last of them with the end of the call."""
    assert (await ready.manager.admit(call("a"))).is_admitted
    assert (await ready.manager.status()).admission.unspoken == 1
    speaking = SessionFigures(activity=SessionActivity.SPEAKING, has_spoken=True, turns=2)
    sent = IngressReport("i", calls=1, sessions={"a": speaking, "gone": speaking}, answer_times_ms=(800.0,))
    assert await ready.manager.heartbeat(sent)
    status = await ready.manager.status()
    assert (status.activities, status.admission.unspoken) == ({"speaking": 1}, 0)
    assert (status.answer.count, status.answer.maximum_ms) == (1, 800.0)
    summary = await ready.manager.unregister_session("a", replace(speaking, turns=3, underruns=1))
    assert summary is not None
    assert (summary.figures.turns, summary.figures.underruns, summary.priority) == (3, 1, Priority.NORMAL)
    status = await ready.manager.status()
    assert (status.sessions, status.admission.calls, status.activities) == (0, 0, {})


async def test_an_ingress_whose_number_of_calls_differs_registers_again(house: House) -> None:
    """A report of an ended call that was lost is made up for: the ingress's own list counts."""
    await house.manager.register_ingress(ingress())
    for name in ("a", "b"):
        await house.manager.register_session(call(name))
    for _ in range(DIFFERING_BEATS - 1):
        assert await house.manager.heartbeat(IngressReport("i", calls=1))
    assert await house.manager.heartbeat(IngressReport("i", calls=1)) is None
    await house.manager.register_ingress(replace(ingress(), sessions=(call("b"),)))
    assert (await house.manager.status()).sessions == 1
    assert await house.manager.heartbeat(IngressReport("i", calls=1))
    assert await house.manager.unregister_session("a") is None


# A manager's successor


async def test_a_gateways_successor_keeps_its_calls(house: House) -> None:
    """It registers with the same calls before the old one's silence is noticed."""
    await house.manager.register_ingress(replace(ingress("old"), sessions=(call("a"), call("b"))))
    moved = tuple(replace(call(name), ingress_id="new") for name in ("a", "b"))
    house.clock.now += 2.0
    await house.manager.register_ingress(replace(ingress("new"), sessions=moved))
    house.clock.now += INGRESS_TIMEOUT_S - 1.0
    await house.manager.heartbeat(IngressReport("new", calls=2))
    house.manager.tick()
    status = await house.manager.status()
    assert (status.ingresses, status.sessions, status.admission.calls) == (1, 2, 2)
    assert status.ingress[0].sessions == 2


def test_a_silent_ingress_is_missed_within_five_seconds() -> None:
    """Everything of a dead ingress is gone by then."""
    assert INGRESS_TIMEOUT_S + TICK_S <= 5.0


async def test_a_new_manager_takes_over_calls_and_leases(ready: House) -> None:
    """What is in use stays in use: its slot is not lent until the work's own report frees it."""
    lease = await ready.manager.acquire(request("a"))
    successor = House(ResourceManager(ready.machines, ready.clock), ready.machines, ready.clock)
    held = (HeldLease(request("a"), lease),)
    await successor.manager.register_ingress(replace(ingress(), sessions=(call("call"),), held=held))
    status = await successor.until(lambda status: status.is_ready)
    assert (status.sessions, status.transcription.busy) == (1, 1)
    other = asyncio.create_task(successor.manager.acquire(request("b")))
    await successor.until(lambda status: status.transcription.waiting == 1)
    await asyncio.sleep(0.05)
    assert not other.done()
    await successor.manager.release(report("a"))
    assert (await asyncio.wait_for(other, 5.0)).worker_id == lease.worker_id
    summary = await successor.manager.unregister_session("call")
    assert summary is not None
    assert summary.transcription.count == 1


# Decisions

QUICK = ThrottleSettings(up_hold_s=1.0, down_hold_s=2.0)


async def test_late_frames_slow_their_own_ingress_down_and_no_other(house: House) -> None:
    """The ladder goes up while frames are late, is pushed to the watching client, and comes down again."""
    for name in ("i", "j"):
        await house.manager.register_ingress(replace(ingress(name), throttle=QUICK))
    decision = await house.manager.heartbeat(IngressReport("i"))
    assert decision is not None
    assert decision.level is Level.NORMAL
    watching = asyncio.create_task(house.manager.watch("i", decision.version, 60.0))
    late = IngressReport("i", IngressSignals(lateness_p99_ms=25.0))
    for _ in range(3):
        await house.manager.heartbeat(late)
        await house.manager.heartbeat(IngressReport("j"))
        house.clock.now += 0.5
        house.manager.tick()
    busy = await asyncio.wait_for(watching, 1.0)
    assert (busy.level, busy.frame_ms, busy.allows_ahead) == (Level.BUSY, 30, False)
    assert "frames 25 ms late" in busy.reasons[0]
    other = await house.manager.heartbeat(IngressReport("j"))
    assert other is not None
    assert other.level is Level.NORMAL
    for _ in range(6):
        await house.manager.heartbeat(IngressReport("i"))
        await house.manager.heartbeat(IngressReport("j"))
        house.clock.now += 0.5
        house.manager.tick()
    calm = await house.manager.watch("i", busy.version, 60.0)
    assert (calm.level, calm.reasons, calm.frame_ms) == (Level.NORMAL, (), 20)


async def test_a_queue_that_does_not_move_is_seen(house: House) -> None:
    """Requests that wait and get nothing raise every level; at the top new calls are refused."""
    steep = ThrottleSettings(up_hold_s=0.5, lease_wait_p95_ms=(500.0, 1_000.0, 2_000.0))
    await house.manager.register_ingress(replace(ingress(), throttle=steep))
    await house.until(lambda status: status.is_ready)
    await house.manager.acquire(request("a", wait_s=60.0))
    stuck = asyncio.create_task(house.manager.acquire(request("b", wait_s=60.0)))
    await house.until(lambda status: status.transcription.waiting == 1)
    levels = []
    for _ in range(8):
        house.clock.now += 0.5
        await house.manager.heartbeat(IngressReport("i"))
        house.manager.tick()
        levels.append((await house.manager.status()).level)
    assert levels[-1] is Level.FULL
    assert levels == sorted(levels)
    assert not (await house.manager.admit(call("c"))).is_admitted
    assert (await house.manager.admit(call("d", Priority.EMERGENCY))).is_admitted
    stuck.cancel()


async def test_background_work_that_waits_holds_no_level_up(house: House) -> None:
    """At a high level it is made to wait: if its waiting counted, the level would never come down."""
    steep = ThrottleSettings(up_hold_s=0.5, slot_percent=(101, 101, 101))
    await house.manager.register_ingress(replace(ingress(), throttle=steep))
    await house.until(lambda status: status.is_ready)
    await house.manager.acquire(request("a", wait_s=60.0))
    bulk = replace(request("b", wait_s=60.0), priority=Priority.BACKGROUND)
    waiting = asyncio.create_task(house.manager.acquire(bulk))
    await house.until(lambda status: status.transcription.waiting == 1)
    for _ in range(20):
        house.clock.now += 0.5
        await house.manager.heartbeat(IngressReport("i"))
        house.manager.tick()
    assert (await house.manager.status()).level is Level.NORMAL
    waiting.cancel()


@pytest.mark.parametrize("is_for_a_call", [False, True])
async def test_what_no_call_asked_for_keeps_no_caller_out(house: House, is_for_a_call: bool) -> None:
    """All slots have been busy since the start: with phrases made ahead, or with a call's work."""
    limited = replace(ingress(), throttle=ThrottleSettings(enabled=False))
    await house.manager.register_ingress(limited)
    await house.until(lambda status: status.is_ready)
    work = request("a", wait_s=60.0)
    await house.manager.acquire(work if is_for_a_call else replace(work, session_id=None))
    for _ in range(3):
        house.clock.now += 0.5
        house.manager.tick()
    assert (await house.manager.admit(call("b"))).is_admitted is not is_for_a_call


async def test_a_watch_ends_with_its_ingress(house: House) -> None:
    """A long poll does not outlive its ingress."""
    await house.manager.register_ingress(ingress())
    known = (await house.manager.watch("i", ("", 0), 0.0)).version
    watching = asyncio.create_task(house.manager.watch("i", known, 60.0))
    await asyncio.sleep(0)
    await house.manager.unregister_ingress("i")
    with pytest.raises(UnknownIngressError):
        await asyncio.wait_for(watching, 1.0)


async def test_a_worker_that_says_it_is_done_frees_its_slot_before_the_report(ready: House) -> None:
    """The next request is served at once; the report still counts, once, and whichever comes first."""
    await ready.manager.register_session(call("call"))
    lease = await ready.manager.acquire(request("a"))
    waiting = asyncio.create_task(ready.manager.acquire(request("b")))
    await ready.until(lambda status: status.transcription.waiting == 1)
    await ready.manager.finish("a")
    assert (await asyncio.wait_for(waiting, 1.0)).worker_id == lease.worker_id
    await ready.manager.finish("a")
    await ready.manager.release(report("a"))
    await ready.manager.release(report("a"))
    assert (await ready.manager.status()).transcription.busy == 1
    await ready.manager.release(report("b"))
    await ready.manager.finish("b")
    summary = await ready.manager.unregister_session("call")
    assert summary is not None
    assert summary.transcription.count == 2
    assert not ready.manager._accounts._unreported


async def test_what_is_done_and_never_reported_goes_with_its_ingress(ready: House) -> None:
    """An ingress that died between the two leaves nothing."""
    await ready.manager.acquire(request("a"))
    await ready.manager.finish("a")
    assert ready.manager._accounts._unreported
    await ready.manager.unregister_ingress("i")
    assert not ready.manager._accounts._unreported


async def test_a_speech_client_takes_leases_and_nothing_follows_from_it(ready: House) -> None:
    """An asker without calls: no ingress, no settings, no PBX, and the workers are not kept for it."""
    await ready.manager.register_speech_client("api")
    assert (await ready.manager.acquire(request("a", "api"))).kind is STT
    status = await ready.manager.status()
    assert (status.ingresses, [it.ingress_id for it in status.ingress]) == (1, ["i"])
    decision = await ready.manager.heartbeat(IngressReport("api"))
    assert decision is not None
    assert (await ready.manager.watch("api", decision.version, 0.0)).level is Level.NORMAL
    await ready.manager.unregister_ingress("i")
    assert await ready.manager.heartbeat(IngressReport("api"))
    ready.clock.now += LINGER_S
    await ready.manager.plan_once()
    assert not await ready.machines.running()
    assert await ready.manager.speech() is None


async def test_a_speech_client_alone_starts_nothing(house: House) -> None:
    """Its settings are those of the first ingress that comes, whatever they are."""
    await house.manager.register_speech_client("api")
    await house.manager.plan_once()
    assert (await house.manager.status()).transcription.planned == 0
    await house.manager.register_ingress(ingress(language="pt"))
    speech = await house.manager.speech()
    assert speech is not None
    assert speech.language == "pt"


async def test_a_silent_speech_client_loses_its_leases(ready: House) -> None:
    """And has to register again, with those that it still uses."""
    await ready.manager.register_speech_client("api")
    asked = request("a", "api")
    lease = await ready.manager.acquire(asked)
    ready.clock.now += INGRESS_TIMEOUT_S / 2
    await ready.manager.heartbeat(IngressReport("i"))
    ready.clock.now += INGRESS_TIMEOUT_S / 2 + 1.0
    ready.manager.tick()
    assert await ready.manager.heartbeat(IngressReport("api")) is None
    with pytest.raises(UnknownIngressError):
        await ready.manager.acquire(request("b", "api"))
    await ready.until(lambda status: not status.transcription.busy)
    await ready.manager.register_speech_client(
        "api", (HeldLease(replace(asked, lease_id="c"), replace(lease, lease_id="c")),)
    )
    assert (await ready.manager.status()).transcription.busy == 1


async def test_the_newest_changes_of_level_are_told(ready: House) -> None:
    """With their reasons and their age; of ingresses alone."""
    await ready.manager.register_speech_client("api")
    for _ in range(3):
        await ready.manager.heartbeat(IngressReport("i", IngressSignals(lateness_p99_ms=500.0)))
        ready.manager.tick()
        ready.clock.now += 1.0
    told = await ready.manager.decisions()
    assert set(told.current) == {"i"}
    assert told.current["i"].level > Level.NORMAL
    assert {change.ingress_id for change in told.changes} == {"i"}
    newest = told.changes[0]
    assert (newest.level, newest.before) == (told.current["i"].level, Level(newest.level - 1))
    assert newest.reasons
    assert 0.0 <= newest.age_s <= 3.0


async def test_calls_are_told_by_pages(ready: House) -> None:
    """By id, those that follow the last one."""
    for name in ("b", "a", "c"):
        await ready.manager.register_session(SessionStarted(name, "i", "100"))
    ready.clock.now += 2.0
    page = await ready.manager.sessions("", 2)
    assert [(it.session_id, it.duration_s) for it in page] == [("a", 2.0), ("b", 2.0)]
    assert [it.session_id for it in await ready.manager.sessions("b", 2)] == ["c"]


async def test_the_fleet_has_the_engines_of_all_its_ingresses(ready: House) -> None:
    """Said at the registration or by a heartbeat; none is unloaded while there is an ingress."""
    await ready.manager.register_ingress(replace(ingress("j"), engines=(IN_ESPERANTO,)))

    def ticked(status: FleetStatus) -> FleetStatus:
        ready.manager.tick()
        return status

    await ready.until(lambda status: [it.ready for it in ticked(status).engines] == [1, 1])
    await ready.manager.heartbeat(
        IngressReport("i", engines=(FurtherEngine("scripted", "en"), FurtherEngine("nothing", "en")))
    )
    await ready.manager.unregister_ingress("j")
    status = await ready.until(lambda status: all(is_settled(it) for it in ticked(status).engines))
    assert [(it.name, it.ready) for it in status.engines] == [("scripted", 1), (HUM, 1), ("nothing", 0)]
    assert "unknown engine 'nothing'" in status.problems[0]


async def test_an_engine_for_a_gpu_does_not_come_late(ready: House) -> None:
    """The others' workers would have to be replaced."""
    late = replace(ingress("j"), engines=(FurtherEngine("coqui", "pt"),))
    with pytest.raises(ConfigurationError, match=r"= 'coqui': it may use a GPU.*speech\.coqui\.device"):
        await ready.manager.register_ingress(late)
    await ready.manager.unregister_ingress("i")
    await ready.manager.register_ingress(late)
    assert [it.name for it in (await ready.manager.status()).engines] == ["scripted", "coqui"]
