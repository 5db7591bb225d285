"""Places for calls that will come: each taken once, and given back once."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
import virtual_time
from hypothesis import given, settings
from hypothesis import strategies as st
from link_end import LinkEnd
from scripted_pool import REFUSAL, Answer, Manner, ScriptedPool

from actors.messages import Priority
from ingress.configuration.settings import Settings
from ingress.gateway.call import NO_ANSWER
from ingress.gateway.gateway import Gateway
from ingress.link.messages import (
    Admitted,
    BeginReply,
    BeginRequest,
    CallEnded,
    CallStarted,
    InvitationSpent,
    Invited,
)
from ingress.link.records import CallRecord
from ingress.server.checking import extension_book

VALID_S = 0.2
GONE_WITHIN_S = 5.0


def gateway_of(pool: ScriptedPool, **more: Any) -> Gateway:
    """Return a gateway whose invitations are worth something for a moment."""
    chosen = Settings.model_validate(
        {"dialog": {"greeting": ""}, "access": {"begin_valid_s": VALID_S}, **more}
    )
    return Gateway(chosen, extension_book(chosen), pool, "gateway")  # type: ignore[arg-type]


async def begin(gateway: Gateway, **facts: Any) -> BeginReply:
    """Ask as the web process does."""
    observer = await LinkEnd.connect(gateway, "web", "observer")
    observer.say(BeginRequest(**{"extension": "default", **facts}))
    reply = await observer.next(BeginReply)
    await observer.hang_up()
    return reply


async def test_a_place_is_kept_for_the_call_that_comes() -> None:
    """The manager is asked once; what the dialplan said holds; other media workers forget the UUID."""
    pool = ScriptedPool()
    gateway = gateway_of(pool)
    first, second = [await LinkEnd.connect(gateway, name) for name in ("media-0", "media-1")]
    reply = await begin(gateway, priority=Priority.HIGH, caller_number="22")
    assert reply.is_admitted
    invited = await first.next(Invited)
    assert (invited.call_id, invited.priority, invited.caller_number) == (reply.call_id, "high", "22")
    assert pool.sessions[reply.call_id].priority is Priority.HIGH
    late = await LinkEnd.connect(gateway, "media-2")
    assert (await late.next(Invited)).call_id == reply.call_id
    first.say(CallStarted(call_id=reply.call_id, extension="default"))
    await first.next(Admitted)
    assert (await second.next(InvitationSpent)).call_id == reply.call_id
    await asyncio.sleep(VALID_S * 1.5)
    assert pool.story[reply.call_id] == "tr", "taken for the reservation, registered for the call"
    record = CallRecord(call_id=reply.call_id, extension="default", end_reason="hung up")
    first.say(CallEnded(record=record))
    await asyncio.sleep(0.05)
    assert pool.story[reply.call_id] == "tru"
    for end in (first, second, late):
        await end.hang_up()
    await gateway.close()


@pytest.mark.parametrize("by_closing", [False, True], ids=["its time is over", "the gateway ends"])
async def test_a_place_that_nobody_takes_is_given_back(by_closing: bool) -> None:
    """Once, and its UUID is worth nothing from then on."""
    pool = ScriptedPool()
    gateway = gateway_of(pool)
    media = await LinkEnd.connect(gateway)
    reply = await begin(gateway)
    if by_closing:
        await gateway.close()
    else:
        assert (await media.next(InvitationSpent)).call_id == reply.call_id
        await asyncio.sleep(0.02)
    assert pool.story[reply.call_id] == "tu"
    await gateway.close()
    assert pool.story[reply.call_id] == "tu"
    await media.hang_up()


@pytest.mark.parametrize(
    ("manner", "reason", "story"),
    [(Manner.NO, REFUSAL, "n"), (Manner.FAILURE, NO_ANSWER, "tu"), (Manner.SILENCE, NO_ANSWER, "tu")],
)
async def test_no_place_is_said_with_its_reason(manner: Manner, reason: str, story: str) -> None:
    """A manager that fails may have given one all the same: it is given back."""
    pool = ScriptedPool(iter([Answer(manner)]))
    gateway = gateway_of(pool)
    reply = await begin(gateway)
    assert (reply.is_admitted, reply.reason, reply.is_mistake) == (False, reason, False)
    assert list(pool.story.values()) == [story]
    await gateway.close()


async def test_a_language_that_the_engines_lack_is_a_mistake() -> None:
    """Said before any place is taken."""
    pool = ScriptedPool()
    gateway = gateway_of(pool)  # whisper hears Portuguese, hibari speaks English alone
    reply = await begin(gateway, language="pt-BR")
    assert reply.is_mistake
    assert "hibari" in reply.reason
    assert not pool.story
    await gateway.close()


async def test_a_call_that_ends_as_it_comes_gives_its_place_back() -> None:
    """Its first and its last message are read at once."""
    pool = ScriptedPool()
    gateway = gateway_of(pool)
    media = await LinkEnd.connect(gateway)
    reply = await begin(gateway)
    record = CallRecord(call_id=reply.call_id, extension="default", end_reason="hung up")
    media.say(CallStarted(call_id=reply.call_id, extension="default"), CallEnded(record=record))
    await asyncio.sleep(VALID_S * 1.5)
    assert pool.story[reply.call_id] == "tru"
    assert not pool.sessions
    await media.hang_up()
    await gateway.close()


async def test_an_invitation_that_another_gateway_made_is_used_once() -> None:
    """All media workers have it; one of them took the call while no gateway was there."""
    pool = ScriptedPool()
    gateway = gateway_of(pool)
    first, second = [await LinkEnd.connect(gateway, name) for name in ("media-0", "media-1")]
    first.say(CallStarted(call_id="c0", extension="default", was_invited=True))
    assert await second.next(InvitationSpent) == InvitationSpent(call_id="c0")
    assert (await first.next(Admitted)).call_id == "c0"
    assert pool.story["c0"] == "t", "this gateway kept no place for it"
    for end in (first, second):
        await end.hang_up()
    await gateway.close()


STEPS = st.tuples(
    st.sampled_from(["begin", "begin", "come", "come and end", "end", "expire", "break", "wait"]),
    st.integers(0, 3),
    st.integers(0, 1),
    st.sampled_from([0.0, 0.01, 0.2, 1.1]),
)
ANSWERS = st.builds(Answer, st.sampled_from(Manner), st.sampled_from([0.0, 0.01, 0.2, 1.1]))


async def play(steps: list[tuple[str, int, int, float]], pool: ScriptedPool, by_closing: bool) -> None:
    """Reserve, come, end, expire and break in any order; then look what is left."""
    gateway = gateway_of(pool)
    workers = [await LinkEnd.connect(gateway, f"media-{number}") for number in (0, 1)]
    call_ids: list[str] = []
    beginning: set[asyncio.Task[None]] = set()

    async def reserve() -> None:
        reply = await begin(gateway)
        if reply.is_admitted:
            call_ids.append(reply.call_id)

    for what, which, worker, seconds in steps:
        call_id = call_ids[which % len(call_ids)] if call_ids else "of no reservation"
        ended = CallEnded(record=CallRecord(call_id=call_id, extension="default", end_reason="hung up"))
        match what:
            case "begin":
                beginning.add(asyncio.create_task(reserve()))
            case "come":
                workers[worker].say(CallStarted(call_id=call_id, extension="default"))
            case "come and end":
                workers[worker].say(CallStarted(call_id=call_id, extension="default"), ended)
            case "end":
                workers[worker].say(ended)
            case "expire":
                await asyncio.sleep(VALID_S)
            case "break":
                await workers[worker].hang_up()
                workers[worker] = await LinkEnd.connect(gateway, f"media-{worker}")
            case _:
                await asyncio.sleep(seconds)
    await asyncio.gather(*beginning)
    for worker_end in workers:
        await worker_end.hang_up()
    if by_closing:
        await gateway.close()
    else:
        await asyncio.sleep(GONE_WITHIN_S)
    assert not pool.sessions
    for story in pool.story.values():
        assert re.fullmatch("(n|tr?u|ru)*", story), story
    await gateway.close()


@settings(max_examples=100)
@given(steps=st.lists(STEPS, max_size=16), answers=st.lists(ANSWERS, max_size=8), by_closing=st.booleans())
def test_no_place_is_lost(
    steps: list[tuple[str, int, int, float]], answers: list[Answer], by_closing: bool
) -> None:
    """Whatever comes when, and however the manager answers: each place is given back exactly once."""
    virtual_time.run(play(steps, ScriptedPool(iter(answers)), by_closing))
