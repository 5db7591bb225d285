"""The desk: every coroutine that asks gets its answer, and doubts about workers are passed on."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from actors.errors import CapacityError
from actors.leases.book import Doubted
from actors.leases.desk import LeaseDesk
from actors.messages import Lease, LeaseRequest, Priority, WorkKind, WorkOutcome

STT = WorkKind.TRANSCRIPTION


@dataclass
class Counter:
    """A desk with one worker that is lent already, a clock that the test moves, and the doubts so far."""

    now: float = 0.0
    doubts: list[Doubted] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.desk = LeaseDesk(lambda: self.now)
        self.desk.on_doubt = self.doubts.append
        self.desk.lend("w", STT)

    async def asks(
        self, name: str, priority: Priority = Priority.NORMAL, **more: object
    ) -> asyncio.Task[Lease]:
        """Return the task of an asker that has asked."""
        asked = asyncio.create_task(self.desk.acquire(request(name, priority, **more)))
        await asyncio.sleep(0)
        return asked


def request(name: str, priority: Priority = Priority.NORMAL, **more: object) -> LeaseRequest:
    facts = {"wait_s": 5.0, "hold_s": 9.0, "ingress_id": "i", **more}
    return LeaseRequest(lease_id=name, kind=STT, session_id="call", priority=priority, **facts)  # type: ignore[arg-type]


@pytest.fixture
async def counter() -> Counter:
    made = Counter()
    await (await made.asks("a"))
    return made


async def test_askers_are_answered_in_the_book_s_order(counter: Counter) -> None:
    """The slot that comes free goes to the most urgent asker, and only that one wakes."""
    normal, emergency = await counter.asks("b"), await counter.asks("c", Priority.EMERGENCY)
    counter.desk.give_back("a", WorkOutcome.DONE)
    assert (await emergency).lease_id == "c"
    assert not normal.done()
    counter.desk.give_back("c", WorkOutcome.DONE)
    assert (await normal).lease_id == "b"


async def test_an_asker_s_deadline_is_kept_by_expire(counter: Counter) -> None:
    """Refused as late, also where its asker has gone; what is refused is not granted afterwards."""
    late, gone = await counter.asks("b", wait_s=1.0), await counter.asks("c", wait_s=1.0)
    gone.cancel()
    await asyncio.wait([gone])
    counter.now = 1.0
    counter.desk.expire()
    with pytest.raises(CapacityError, match="no slot came free"):
        await late
    counter.desk.give_back("a", WorkOutcome.DONE)
    assert counter.desk.book.held("b") is None


async def test_the_same_request_asked_twice_gets_one_lease(counter: Counter) -> None:
    """Both askers are answered with it."""
    one, other = await counter.asks("b"), await counter.asks("b")
    counter.desk.give_back("a", WorkOutcome.DONE)
    assert await one == await other


async def test_what_ends_a_request_answers_its_asker(counter: Counter) -> None:
    """A withdrawal and the end of its ingress; others go on waiting."""
    withdrawn, gone, there = [await counter.asks(it, ingress_id=it) for it in "bcd"]
    counter.desk.give_back("b", WorkOutcome.ABANDONED)
    counter.desk.drop_ingress("c")
    for asker, why in ((withdrawn, "withdrawn"), (gone, "its ingress is gone")):
        with pytest.raises(CapacityError, match=why):
            await asker
    assert not there.done()


async def test_background_work_is_granted_as_soon_as_it_is_not_held_back(counter: Counter) -> None:
    """Without waiting for the next tick."""
    counter.desk.give_back("a", WorkOutcome.DONE)
    counter.desk.hold_background(True)
    asker = await counter.asks("b", Priority.BACKGROUND)
    assert not asker.done()
    counter.desk.hold_background(False)
    assert (await asker).worker_id == "w"


async def test_promoted_work_takes_the_slot_that_is_left(counter: Counter) -> None:
    """At once."""
    counter.desk.lend("v", STT)
    ahead = await counter.asks("b", is_ahead=True)
    assert not ahead.done()
    counter.desk.promote("b")
    assert (await ahead).worker_id == "v"


async def test_an_adoption_answers_an_asker_that_asked_again(counter: Counter) -> None:
    """The former manager's lease is the answer."""
    asker = await counter.asks("b")
    counter.desk.adopt(request("b"), Lease("b", STT, "elsewhere", 0.0))
    assert (await asker).worker_id == "elsewhere"


async def test_doubts_are_passed_on(counter: Counter) -> None:
    """Before a slot is granted: the worker in doubt is not the one that is lent."""
    counter.desk.lend("v", STT, slots=2)
    counter.desk.give_back("a", WorkOutcome.LOST)
    assert counter.doubts == [Doubted("w", is_lost=True)]
    assert {(await (await counter.asks(it))).worker_id for it in "bc"} == {"v"}
