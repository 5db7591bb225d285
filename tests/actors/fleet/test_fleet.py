"""Workers come at once and go slowly, while nodes come and go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest
from further_engines import is_settled
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.errors import WorkerLostError
from actors.fleet.fleet import PREPARE_AGAIN_S, Fleet, WorkerSpec, worker_specs
from actors.fleet.sizing import FleetPlan, NodeResources, WorkerGroup, plan
from actors.leases.book import NO_SLOTS, SlotCounts
from actors.leases.desk import LeaseDesk
from actors.liveness.running_clock import RunningClock
from actors.messages import FurtherEngine, Lease, LeaseRequest, WorkKind, WorkOutcome
from actors.settings import FleetSettings, SpeechSettings

STT, TTS = WorkKind.TRANSCRIPTION, WorkKind.SYNTHESIS
SPEECH = SpeechSettings(stt="scripted", tts="scripted")
KOKORO, PIPER = FurtherEngine("kokoro", "pt"), FurtherEngine("piper", "en")
HOLD_S = 30.0
GB = 10**9


def group(node_id: str, count: int, kind: WorkKind = STT, slots: int = 1, gpus: float = 0.0) -> WorkerGroup:
    return WorkerGroup(node_id, kind, count, 0.25, gpus, 1, "as the test says", slots)


def planned(*groups: WorkerGroup) -> FleetPlan:
    return FleetPlan(groups)


@dataclass
class Hall:
    """A launcher whose workers are names; `gate` lets them come up."""

    here: set[str] = field(default_factory=set)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    answers: asyncio.Event = field(default_factory=asyncio.Event)
    """Set, the workers answer when they are asked whether they are there."""
    dead: set[object] = field(default_factory=set)
    ensured: int = 0
    loading: asyncio.Event = field(default_factory=asyncio.Event)
    """Set, workers load engines at once."""
    prepared: list[tuple[object, Sequence[FurtherEngine]]] = field(default_factory=list)
    unloadable: dict[str, str] = field(default_factory=dict)
    """Engines, and why they cannot be loaded."""

    async def nodes(self) -> Sequence[NodeResources]:
        raise AssertionError("the manager looks at nodes, not the fleet")

    async def ensure(self, spec: WorkerSpec) -> object:
        await self.gate.wait()
        self.here.add(spec.worker_id)
        self.ensured += 1
        return f"the worker of {spec.worker_id}, number {self.ensured}"

    async def prepare(self, worker: object, engines: Sequence[FurtherEngine]) -> Mapping[str, str]:
        self.prepared.append((worker, engines))
        await self.loading.wait()
        return {it.name: self.unloadable[it.name] for it in engines if it.name in self.unloadable}

    async def check(self, worker: object) -> None:
        await self.answers.wait()
        if worker in self.dead:
            raise WorkerLostError("it is dead")

    async def stop(self, worker_id: str) -> None:
        self.here.discard(worker_id)

    async def running(self) -> Collection[str]:
        return list(self.here)


@dataclass
class Yard:
    """A fleet, its hall, and a clock that the test moves."""

    now: float = 100.0
    hall: Hall = field(default_factory=Hall)
    nodes: list[NodeResources] = field(
        default_factory=lambda: [NodeResources(name, 4, 16 * GB, address=f"10.0.0.{name}") for name in "12"]
    )

    def __post_init__(self) -> None:
        self.desk = LeaseDesk(lambda: self.now)
        self.fleet = Fleet(self.hall, self.desk, scale_down_hold_s=HOLD_S)
        self.hall.gate.set()
        self.hall.answers.set()
        self.hall.loading.set()

    async def look(self, seconds: float) -> None:
        """Let time pass while the fleet looks after its idle workers, as the manager has it do."""
        for _ in range(round(seconds / 0.5)):
            self.now += 0.5
            self.fleet.check_idle(self.now)
            await self.settle()

    async def follow(self, *groups: WorkerGroup, speech: SpeechSettings = SPEECH) -> list[str]:
        """Let the fleet follow, and settle; return who is there."""
        self.fleet.follow(planned(*groups), self.nodes, speech, self.now)
        return await self.settle()

    async def settle(self) -> list[str]:
        for _ in range(10):
            await asyncio.sleep(0)
        return sorted(self.hall.here)

    async def lease(self, lease_id: str = "lease", kind: WorkKind = STT) -> Lease:
        request = LeaseRequest(lease_id, kind, "ingress", "call", wait_s=5.0, hold_s=60.0)
        return await asyncio.wait_for(self.desk.acquire(request), 1.0)

    async def finish(self, lease_id: str = "lease", outcome: WorkOutcome = WorkOutcome.DONE) -> list[str]:
        self.desk.give_back(lease_id, outcome)
        self.fleet.stop_retired()
        return await self.settle()

    def drain(self, index: int) -> None:
        self.nodes[index] = replace(self.nodes[index], is_draining=True)


@pytest.fixture
async def yard() -> AsyncIterator[Yard]:
    made = Yard()
    yield made
    made.hall.gate.set()
    await made.fleet.stop_all()
    assert not made.hall.here


async def test_a_dead_idle_worker_is_replaced_before_anybody_needs_it(yard: Yard) -> None:
    """Within two seconds it is not lent any more; its successor is, as another worker of the same name."""
    await yard.follow(group("1", 2))
    await yard.look(3.0)
    assert yard.desk.book.slots(STT).total == 2
    [name] = [name for name in yard.hall.here if name.endswith("-0")]
    yard.hall.dead.add(f"the worker of {name}, number 1")
    yard.hall.gate.clear()
    await yard.look(2.0)
    assert yard.desk.book.slots(STT) == SlotCounts(1, 0)
    assert yard.fleet.ready(STT) == 1
    yard.hall.gate.set()
    await yard.settle()
    workers = {(await yard.lease(lease_id)).worker for lease_id in "ab"}
    assert f"the worker of {name}, number 3" in workers
    assert len(workers) == 2


async def test_a_silent_idle_worker_is_not_lent_until_it_answers(yard: Yard) -> None:
    """It may hang: those that work are not asked, and one that answers again serves again."""
    await yard.follow(group("1", 2))
    busy = await yard.lease()
    yard.hall.answers.clear()
    yard.hall.gate.clear()
    await yard.look(3.5)
    assert yard.desk.book.slots(STT) == SlotCounts(2, 2)
    assert yard.fleet.ready(STT) == 2
    yard.hall.answers.set()
    yard.hall.gate.set()
    await yard.settle()
    assert (await yard.lease("other")).worker_id != busy.worker_id


async def prepared(yard: Yard) -> list[str]:
    """Let the fleet look for workers that lack an engine; return all that were made to load one."""
    yard.fleet.prepare_idle(yard.now)
    await yard.settle()
    return [str(worker) for worker, _ in yard.hall.prepared]


async def test_further_engines_are_loaded_by_one_worker_of_a_node_after_the_other(yard: Yard) -> None:
    """The others serve on, and so does a worker that is in use: it loads when it is free."""
    await yard.follow(group("1", 2, TTS), group("2", 1, TTS), group("1", 1))
    used = await yard.lease("speech", TTS)
    yard.fleet.engines = (KOKORO,)
    yard.hall.loading.clear()
    assert len(await prepared(yard)) == len(await prepared(yard)) == 2
    assert yard.desk.book.slots(TTS) == SlotCounts(3, 2), "one of the two is not lent, one has to be"
    assert yard.fleet.ready(TTS) == 3
    (default, kokoro) = yard.fleet.engine_statuses(SPEECH)
    assert (default.ready, kokoro.ready, kokoro.loading, is_settled(kokoro)) == (3, 0, 2, False)
    yard.hall.loading.set()
    await yard.settle()
    assert len(await prepared(yard)) == 2, "the last one is in use"
    await yard.finish("speech")
    assert used.worker_id in (await prepared(yard))[2]
    assert len(await prepared(yard)) == 3
    assert yard.desk.book.slots(TTS) == SlotCounts(3, 0)
    assert [it.ready for it in yard.fleet.engine_statuses(SPEECH)] == [3, 3]


async def test_an_engine_that_cannot_be_loaded_is_a_problem_and_costs_no_worker(yard: Yard) -> None:
    """It stands in the status with its reason; the worker serves with the others."""
    await yard.follow(group("1", 1, TTS))
    yard.fleet.engines = (KOKORO, PIPER)
    yard.hall.unloadable["piper"] = "piper: no voice in /voices"
    await prepared(yard)
    assert len(await prepared(yard)) == 1
    assert yard.desk.book.slots(TTS) == SlotCounts(1, 0)
    [problem] = yard.fleet.problems()
    assert problem.endswith(": piper: no voice in /voices")
    states = {it.name: (it.ready, it.problem, is_settled(it)) for it in yard.fleet.engine_statuses(SPEECH)}
    assert states["kokoro"] == (1, None, True)
    assert states["piper"] == (0, "piper: no voice in /voices", True)
    yard.hall.unloadable.clear()
    assert len(await prepared(yard)) == 1
    yard.now += PREPARE_AGAIN_S
    assert len(await prepared(yard)) == 2
    assert yard.fleet.problems() == ()


async def test_a_worker_in_the_place_of_a_dead_one_loads_the_engines_again(yard: Yard) -> None:
    """A new engine is loaded by those that have the others, too."""
    await yard.follow(group("1", 1, TTS))
    yard.fleet.engines = (KOKORO,)
    assert len(await prepared(yard)) == 1
    lease = await yard.lease("speech", TTS)
    await yard.finish("speech", WorkOutcome.LOST)
    assert lease.worker_id in (await prepared(yard))[1]
    yard.fleet.engines = (KOKORO, PIPER)
    await prepared(yard)
    assert yard.hall.prepared[-1][1] == (KOKORO, PIPER)


async def test_a_worker_that_dies_of_an_engine_serves_on_without_it(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its successor is not made to try at once: else there would never be one."""
    monkeypatch.setattr("actors.fleet.fleet.FIRST_PAUSE_S", 0.01)
    await yard.follow(group("1", 1, TTS))
    yard.fleet.engines = (KOKORO,)
    yard.fleet.start_deadline_s = 0.02
    yard.hall.loading.clear()
    await prepared(yard)
    async with asyncio.timeout(5.0):
        while yard.hall.ensured < 3:  # the first, again to load, its successor after a pause
            await asyncio.sleep(0.005)
    await yard.settle()
    assert len(await prepared(yard)) == 1
    assert yard.desk.book.slots(TTS) == SlotCounts(1, 0)
    assert "its engines did not load: kokoro" in yard.fleet.problems()[0]


async def test_a_stop_of_the_manager_is_no_silence_of_the_workers(yard: Yard) -> None:
    """The answers wait; by a clock that stood still no time has passed."""
    await yard.follow(group("1", 2))
    running = RunningClock(lambda: yard.now)
    for stopped_s in (0.5, 60.0, 0.5, 60.0):
        yard.now += stopped_s
        yard.fleet.check_idle(running())
        await yard.settle()
        assert yard.desk.book.slots(STT) == SlotCounts(2, 0)


async def test_what_the_plan_wants_comes_at_once(yard: Yard) -> None:
    """More workers are there, and lent, after one step."""
    assert len(await yard.follow(group("1", 1))) == 1
    assert len(await yard.follow(group("1", 3), group("2", 2, TTS))) == 5
    assert (yard.desk.book.slots(STT).total, yard.desk.book.slots(TTS).total) == (3, 2)


async def test_what_it_no_longer_wants_goes_after_the_hold(yard: Yard) -> None:
    """Until then it serves; the count that comes back in time costs nothing."""
    before = await yard.follow(group("1", 3))
    yard.now += 1.0
    await yard.follow(group("1", 1))
    yard.now += HOLD_S - 0.5
    assert await yard.follow(group("1", 1)) == before
    assert yard.desk.book.slots(STT).total == 3
    assert await yard.follow(group("1", 3)) == before
    yard.now += 5.0
    assert await yard.follow(group("1", 1)) == before, "the hold begins anew"
    yard.now += HOLD_S
    assert await yard.follow(group("1", 1)) == before[:1]
    assert yard.desk.book.slots(STT).total == 1


async def test_a_worker_in_use_finishes_before_it_goes(yard: Yard) -> None:
    """After the hold it gets no new lease, and stops when the last is given back."""
    await yard.follow(group("1", 1))
    lease = await yard.lease()
    assert lease.worker == f"the worker of {lease.worker_id}, number 1"
    await yard.follow()
    yard.now += HOLD_S
    assert await yard.follow() == [lease.worker_id]
    assert yard.desk.book.held("lease") is not None
    assert await yard.finish() == []
    assert yard.desk.book.worker_slots(lease.worker_id) == NO_SLOTS


async def test_a_draining_node_lends_nothing_more(yard: Yard) -> None:
    """At once: idle workers go, busy ones finish what is out and no check lends them again."""
    await yard.follow(group("1", 3), group("2", 1))
    leases = [await yard.lease(name) for name in "abcd"]
    on_node = {spec.worker_id for spec in worker_specs(planned(group("1", 3)), SPEECH)}
    there = [lease for lease in leases if lease.worker_id in on_node]
    [elsewhere] = [lease for lease in leases if lease.worker_id not in on_node]
    await yard.finish(there[0].lease_id)
    yard.drain(0)
    assert set(await yard.follow(group("2", 1))) & on_node == {lease.worker_id for lease in there[1:]}
    waiting = asyncio.create_task(yard.lease("e"))
    assert await yard.finish(there[1].lease_id, WorkOutcome.ABANDONED)
    assert await yard.finish(there[2].lease_id) == [elsewhere.worker_id]
    assert not waiting.done()
    await yard.finish(elsewhere.lease_id)
    assert (await waiting).worker_id == elsewhere.worker_id


async def test_a_check_that_is_under_way_does_not_lend_out_a_draining_worker(yard: Yard) -> None:
    """A worker of two slots, one of them suspect: proved idle or not, it stays retired."""
    await yard.follow(group("1", 1, slots=2))
    lease = await yard.lease("a")
    await yard.lease("b")
    yard.hall.gate.clear()
    await yard.finish("b", WorkOutcome.ABANDONED)  # the check waits at the gate
    yard.drain(0)
    await yard.follow()
    yard.hall.gate.set()
    await yard.settle()
    assert yard.desk.book.is_used(lease.worker_id)
    other = asyncio.create_task(yard.lease("c"))
    await yard.settle()
    assert not other.done()
    assert await yard.finish("a") == []
    other.cancel()


async def test_a_retiring_worker_that_is_wanted_again_is_checked_first(yard: Yard) -> None:
    """Abandoned work may still be in one of its slots; then it is lent again, with the same id."""
    await yard.follow(group("1", 1, slots=2))
    lease = await yard.lease("a")
    await yard.lease("b")
    before = list(yard.nodes)
    yard.hall.gate.clear()
    await yard.finish("b", WorkOutcome.ABANDONED)
    yard.drain(0)
    await yard.follow()
    yard.nodes = before
    await yard.follow(group("1", 1, slots=2))
    waiting = asyncio.create_task(yard.lease("c"))
    await yard.settle()
    assert not waiting.done()
    yard.hall.gate.set()
    assert (await waiting).worker_id == lease.worker_id


async def test_workers_of_a_node_that_is_gone_are_forgotten_at_once(yard: Yard) -> None:
    """No hold: their leases end, so that their holders try elsewhere."""
    await yard.follow(group("1", 1))
    lease = await yard.lease()
    yard.nodes = yard.nodes[1:]
    assert await yard.follow(group("2", 1)) == [
        spec.worker_id for spec in worker_specs(planned(group("2", 1)), SPEECH)
    ]
    assert yard.desk.book.held("lease") is None
    assert yard.desk.book.worker_slots(lease.worker_id) == NO_SLOTS


async def test_other_settings_replace_the_workers_at_once(yard: Yard) -> None:
    """A worker with other settings, slots or share of a GPU is another worker, and no hold keeps the old."""
    speech = SPEECH.model_copy(update={"language": "pt"})
    seen: set[str] = set()
    for groups, spoken in (
        ((group("1", 2),), SPEECH),
        ((group("1", 2),), speech),
        ((group("1", 2, slots=4),), speech),
        ((group("1", 2, slots=4, gpus=0.5),), speech),
    ):
        here = await yard.follow(*groups, speech=spoken)
        assert len(here) == 2
        assert not seen & set(here)
        seen |= set(here)


async def test_a_worker_that_still_loads_is_stopped_as_well(yard: Yard) -> None:
    """It never serves, and nothing is left of it."""
    yard.hall.gate.clear()
    await yard.follow(group("1", 1))
    yard.drain(0)
    await yard.follow()
    yard.hall.gate.set()
    assert await yard.settle() == []
    assert yard.desk.book.slots(STT).total == 0


async def test_the_status_has_what_is_planned_and_what_is_there(yard: Yard) -> None:
    """Each node with its groups and reasons; also what a drained node still has."""
    await yard.follow(group("1", 2, slots=4), group("2", 1, TTS))
    await yard.lease()
    first, second = yard.fleet.node_statuses()
    assert (first.address, first.cpus, first.is_draining) == ("10.0.0.1", 4, False)
    [busy] = first.groups
    assert (busy.kind, busy.planned, busy.ready, busy.busy, busy.slots) == (STT, 2, 2, 1, 8)
    assert busy.reason == "as the test says"
    assert [it.kind for it in second.groups] == [TTS]
    yard.drain(0)
    await yard.follow(group("2", 1, TTS))
    first, _ = yard.fleet.node_statuses()
    [left] = first.groups
    assert (first.is_draining, left.planned, left.ready, left.busy) == (True, 0, 1, 4)
    assert left.reason == "the node is being drained"


async def test_what_the_plan_could_not_do_is_a_problem_of_the_fleet(yard: Yard) -> None:
    """Lines of the plan come before those of workers that do not start."""

    async def refuse(spec: WorkerSpec) -> None:
        raise WorkerLostError("no memory\nand more")

    yard.hall.ensure = refuse  # type: ignore[method-assign]
    made = FleetPlan((group("1", 1),), problems=("a label is wrong",))
    yard.fleet.follow(made, yard.nodes, SPEECH, yard.now)
    await yard.settle()
    lines = yard.fleet.problems()
    assert lines[0] == "a label is wrong"
    assert lines[1].endswith(": no memory")


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 4))
def test_another_count_leaves_the_ids_alone(count: int, other: int, slots: int) -> None:
    """The smaller plan's workers are among the larger one's; no two workers share an id."""
    one = {it.worker_id for it in worker_specs(planned(group("1", count, slots=slots)), SPEECH)}
    two = {it.worker_id for it in worker_specs(planned(group("1", other, slots=slots)), SPEECH)}
    assert (len(one), len(two)) == (count, other)
    assert one <= two or two <= one
    elsewhere = planned(group("2", count, slots=slots), group("1", count, TTS, slots=slots))
    assert not one & {it.worker_id for it in worker_specs(elsewhere, SPEECH)}


steps = st.lists(
    st.one_of(
        st.tuples(st.just("plan"), st.integers(0, 3), st.integers(0, 3)),
        st.tuples(st.just("drain"), st.integers(0, 1), st.booleans()),
        st.tuples(st.just("gone"), st.integers(0, 1), st.booleans()),
        st.tuples(st.just("lease"), st.integers(0, 3), st.just(0)),
        st.tuples(st.just("end"), st.integers(0, 3), st.sampled_from(list(WorkOutcome))),
        st.tuples(st.just("wait"), st.sampled_from([1.0, HOLD_S]), st.just(0)),
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(steps)
def test_in_the_end_the_fleet_is_as_the_plan_says(story: list[tuple[str, float, object]]) -> None:
    """Nodes join, drain and vanish, leases come and end: when all is calm, exactly the plan's workers serve.

    Meanwhile no new lease is on a draining node, and a wanted worker is never missing.
    """

    async def play() -> None:
        yard = Yard()
        all_nodes = list(yard.nodes)
        counts, out, number = [1, 1], dict[int, str](), 0
        gone: set[int] = set()

        def wanted() -> FleetPlan:
            names = {node.node_id for node in yard.nodes if not node.is_draining}
            return planned(
                *(group(str(i + 1), counts[i]) for i in (0, 1) if counts[i] and str(i + 1) in names)
            )

        async def follow() -> list[str]:
            yard.nodes = [node for index, node in enumerate(all_nodes) if index not in gone]
            yard.fleet.follow(wanted(), yard.nodes, SPEECH, yard.now)
            yard.fleet.stop_retired()
            return await yard.settle()

        await follow()
        for what, first, second in story:
            index = int(first)
            if what == "plan":
                counts[:] = [index, int(str(second))]
            elif what == "drain":
                all_nodes[index] = replace(all_nodes[index], is_draining=bool(second))
            elif what == "gone":
                (gone.add if second else gone.discard)(index)
            elif what == "wait":
                yard.now += first
            elif what == "end" and index in out:
                yard.desk.give_back(out.pop(index), WorkOutcome(str(second)))
            elif what == "lease" and index not in out:
                number += 1
                request = LeaseRequest(f"lease-{number}", STT, "i", "c", wait_s=0.0, hold_s=1e9)
                asker = asyncio.create_task(yard.desk.acquire(request))
                await yard.settle()
                if asker.exception() is None:
                    worker_id = asker.result().worker_id
                    out[index] = request.lease_id
                    draining = [node.node_id for node in yard.nodes if node.is_draining]
                    assert not any(f"-{name}-" in worker_id for name in draining)
            here = await follow()
            assert {spec.worker_id for spec in worker_specs(wanted(), SPEECH)} <= set(here)
        for lease_id in out.values():
            yard.desk.give_back(lease_id, WorkOutcome.DONE)
        await follow()
        yard.now += HOLD_S
        here = await follow()
        ids = {spec.worker_id for spec in worker_specs(wanted(), SPEECH)}
        assert set(here) == ids
        assert yard.desk.book.slots(STT) == SlotCounts(len(ids), 0)
        assert yard.fleet.ready(STT) == len(ids)
        await yard.fleet.stop_all()

    asyncio.run(play())


async def test_newcomers_take_the_share_that_older_workers_left(yard: Yard) -> None:
    """Every slot that is planned is lent; more workers than before still fit what Ray has left on a node."""
    for total in (2, 8):
        wanted = FleetSettings(max_concurrent_transcriptions=total, max_concurrent_synthesis=total)
        made = plan(yard.nodes, wanted, SPEECH)
        yard.fleet.follow(made, yard.nodes, SPEECH, yard.now)
        await yard.settle()
        assert yard.desk.book.slots(STT).total == made.slots(STT) == total
    for node in yard.nodes:
        members = [it for it in yard.fleet._members.values() if it.spec.node_id == node.node_id]
        assert sum(member.spec.cpus for member in members) <= node.cpus
