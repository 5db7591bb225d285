"""Several media workers on one port: calls spread, and the death of one costs the others nothing."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise

import psutil
import pytest
from asterisk_peer import AsteriskPeer
from running_server import RunningServer, private_server

CALLS = 16


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with private_server("--no-ray", "--dialog", "tone", "--media-workers", "2") as running:
        yield running


def media_workers(server: RunningServer) -> list[psutil.Process]:
    """Return the media workers that run now."""
    children = psutil.Process(server.process.pid).children()
    return [child for child in children if "media-worker" in child.cmdline()]


@asynccontextmanager
async def calls(server: RunningServer, count: int) -> AsyncIterator[list[AsteriskPeer]]:
    """Hold some calls that have been given audio."""
    async with AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(AsteriskPeer(server.port)) for _ in range(count)]
        for peer in peers:
            peer.identify()
        for peer in peers:
            await peer.until(lambda peer=peer: peer.frames >= 5, deadline_s=10.0)
        yield peers


async def longest_gap_beside_a_death(server: RunningServer) -> float:
    """Kill one worker with calls on both; return the longest gap, in seconds, in a call of the other."""
    first, second = media_workers(server)
    async with calls(server, CALLS) as peers:
        held = [len(worker.net_connections("tcp")) for worker in (first, second)]
        assert min(held) > 1, f"the calls did not spread: {held}"
        first.send_signal(signal.SIGKILL)
        await asyncio.sleep(1.0)
        lost = [peer for peer in peers if peer.has_ended.is_set()]
        kept = [peer for peer in peers if not peer.has_ended.is_set()]
        assert len(lost) == held[0] - 1  # one of its sockets listens
        assert kept
        async with asyncio.timeout(5.0), calls(server, CALLS):
            pass
        assert len(media_workers(server)) == 2
        assert not any(peer.has_ended.is_set() for peer in kept)
        return max(later - earlier for peer in kept for earlier, later in pairwise(peer.arrivals_s))


async def test_a_uuid_in_use_is_refused_by_every_worker(server: RunningServer) -> None:
    """The call that has it keeps its tone, whichever worker the others reach."""
    async with calls(server, 1) as (holder,), AsyncExitStack() as stack:
        # One in 64 runs finds all on one worker.
        others = [await stack.enter_async_context(AsteriskPeer(server.port)) for _ in range(6)]
        for other in others:
            other.call_id = holder.call_id
            other.identify()
        for other in others:
            await other.until(lambda other=other: other.was_hung_up)
        heard = len(holder.audio)
        await asyncio.sleep(0.3)
        assert not holder.has_ended.is_set()
        assert any(holder.audio[heard:])


async def test_the_death_of_one_worker_costs_its_own_calls_only(server: RunningServer) -> None:
    """The others have no hole; a new worker takes new calls within 5 s."""
    gaps_s: list[float] = []
    while len(gaps_s) < 3:  # a machine that was busy with something else gets another attempt
        gaps_s.append(await longest_gap_beside_a_death(server))
        if gaps_s[-1] < 0.1:
            return
    raise AssertionError(f"gaps of {gaps_s} s")
