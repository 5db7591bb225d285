"""The desk: every coroutine that asks gets its answer, and revocations are announced."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from actors.errors import CapacityError
from actors.leases.desk import LeaseDesk
from actors.messages import Lease, LeaseRequest, Priority, WorkKind, WorkOutcome

STT = WorkKind.TRANSCRIPTION


@dataclass
class Counter:
    """A desk with one worker, a clock that the test moves, and what was announced."""

    now: float = 0.0
    announced: list[set[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.desk = LeaseDesk(lambda: self.now, queue_limit=2, aging_s=5.0)
        self.desk.on_revoked = self.announced.append
        self.desk.admit("w", STT)

    async def asks(
        self, name: str, priority: Priority = Priority.NORMAL, **more: object
    ) -> asyncio.Task[Lease]:
        """Return the task of somebody who has asked."""
        asked = asyncio.create_task(self.desk.acquire(request(name, priority, **more)))
        await asyncio.sleep(0)
        return asked


def request(name: str, priority: Priority = Priority.NORMAL, **more: object) -> LeaseRequest:
    facts = {"wait_s": 5.0, "hold_s": 9.0, "ingress_id": "i", **more}
    return LeaseRequest(lease_id=name, kind=STT, session_id="call", priority=priority, **facts)  # type: ignore[arg-type]


@pytest.fixture
def counter() -> Counter:
    return Counter()


async def test_askers_are_answered_in_the_book_s_order(counter: Counter) -> None:
    """The slot that comes free goes to the most urgent asker, and only that one wakes."""
    await (await counter.asks("a"))
    normal, emergency = await counter.asks("b"), await counter.asks("c", Priority.EMERGENCY)
    counter.desk.give_back("a", WorkOutcome.DONE)
    assert (await emergency).lease_id == "c"
    assert not normal.done()
    counter.desk.give_back("c", WorkOutcome.DONE)
    assert (await normal).lease_id == "b"


async def test_a_displaced_asker_is_told_at_once(counter: Counter) -> None:
    """No clock has to move for it."""
    await (await counter.asks("a"))
    await counter.asks("b")
    displaced = await counter.asks("c")
    await counter.asks("d", Priority.HIGH)
    with pytest.raises(CapacityError, match="a more urgent one came"):
        await displaced


async def test_an_asker_s_deadline_is_kept_by_expire(counter: Counter) -> None:
    """Refused as late, and what is refused is not granted afterwards."""
    await (await counter.asks("a"))
    late = await counter.asks("b", wait_s=1.0)
    counter.now = 1.0
    counter.desk.expire()
    with pytest.raises(CapacityError, match="no slot came free"):
        await late
    counter.desk.give_back("a", WorkOutcome.DONE)
    assert counter.desk.book.held("b") is None


async def test_the_same_request_asked_twice_gets_one_lease(counter: Counter) -> None:
    """Both askers are answered with it."""
    await (await counter.asks("a"))
    one, other = await counter.asks("b"), await counter.asks("b")
    counter.desk.give_back("a", WorkOutcome.DONE)
    assert await one == await other


async def test_a_withdrawn_request_is_refused(counter: Counter) -> None:
    """Whoever still awaits it does not hang."""
    await (await counter.asks("a"))
    asker = await counter.asks("b")
    counter.desk.give_back("b", WorkOutcome.ABANDONED)
    with pytest.raises(CapacityError, match="withdrawn"):
        await asker


async def test_a_gone_ingress_s_askers_are_refused(counter: Counter) -> None:
    """And only they."""
    await (await counter.asks("a"))
    gone, there = await counter.asks("b", ingress_id="j"), await counter.asks("c")
    counter.desk.drop_ingress("j")
    with pytest.raises(CapacityError, match="its ingress is gone"):
        await gone
    assert not there.done()


async def test_revocations_are_announced_once(counter: Counter) -> None:
    """When they come and when they go, with the ingress they concern."""
    await (await counter.asks("ahead", is_ahead=True, ingress_id="j"))
    await counter.asks("a")
    assert (counter.announced, counter.desk.book.revoked("j")) == ([{"j"}], ("ahead",))
    counter.desk.expire()
    assert counter.announced == [{"j"}]
    counter.desk.promote("ahead")
    assert (counter.announced, counter.desk.book.revoked("j")) == ([{"j"}, {"j"}], ())


async def test_a_promotion_is_announced_to_whom_it_revokes(counter: Counter) -> None:
    """Work that waited ahead of time is final now, and another has to give way."""
    await (await counter.asks("ahead", is_ahead=True))
    await counter.asks("a", is_ahead=True)
    assert counter.announced == []
    counter.desk.promote("a")
    assert counter.announced == [{"i"}]


async def test_background_work_is_granted_as_soon_as_it_is_not_held_back(counter: Counter) -> None:
    """Without waiting for the next tick."""
    counter.desk.hold_background(True)
    asker = await counter.asks("a", Priority.BACKGROUND)
    assert not asker.done()
    counter.desk.hold_background(False)
    assert (await asker).worker_id == "w"


async def test_an_adoption_answers_whoever_asked_again(counter: Counter) -> None:
    """The former manager's lease is the answer; if its slot is taken, the refusal is."""
    await (await counter.asks("a"))
    lucky, unlucky = await counter.asks("b"), await counter.asks("c")
    counter.desk.adopt(request("b"), Lease("b", STT, "elsewhere", 0.0))
    counter.desk.adopt(request("c"), Lease("c", STT, "w", 0.0))
    assert (await lucky).worker_id == "elsewhere"
    with pytest.raises(CapacityError, match="serves another"):
        await unlucky


async def test_a_worker_is_admitted_with_its_slots(counter: Counter) -> None:
    """All of them are lent."""
    await (await counter.asks("a"))
    waiting = [await counter.asks("b"), await counter.asks("c")]
    counter.desk.admit("v", STT, slots=2)
    assert {(await asker).worker_id for asker in waiting} == {"v"}


async def test_who_has_gone_leaves_no_complaint(counter: Counter) -> None:
    """A refusal that nobody awaits any more is no error."""
    await (await counter.asks("a"))
    gone = await counter.asks("b", wait_s=1.0)
    gone.cancel()
    await asyncio.wait([gone])
    counter.now = 2.0
    counter.desk.expire()
    assert counter.desk.book.waiting(STT) == 0
