"""What the manager is told of how an ingress does, from what its media workers report."""

from __future__ import annotations

import asyncio

import virtual_time
from link_end import LinkEnd
from scripted_pool import ScriptedPool

from ingress.configuration.settings import Settings
from ingress.gateway.gateway import Gateway
from ingress.gateway.media_peer import HEALTH_KEPT_S
from ingress.link.messages import WorkerHealth
from ingress.link.records import LatenessSummary, MediaHealth


def health(p99_ms: float, timeline_shifts: int) -> WorkerHealth:
    """Return a media worker's report."""
    lateness = LatenessSummary(frames=50, p50_ms=0.1, p99_ms=p99_ms, p999_ms=p99_ms, maximum_ms=p99_ms)
    return WorkerHealth(
        health=MediaHealth(
            calls=1,
            connections=1,
            frame_ms=20,
            lateness=lateness,
            gc_pauses=0,
            gc_pause_maximum_ms=0.0,
            timeline_shifts=timeline_shifts,
            closed_peers={},
        )
    )


async def taken() -> None:
    """Let the gateway take what was said."""
    await asyncio.sleep(0.01)


def test_the_worst_media_worker_counts() -> None:
    """Lateness of the worst, stalls of all, once; what is old or from before the link counts for nothing."""

    async def scenario() -> None:
        pool = ScriptedPool()
        gateway = Gateway(Settings(), pool, "gateway")
        assert pool.signals().lateness_p99_ms == 0.0
        one, two = [await LinkEnd.connect(gateway, name) for name in ("media-0", "media-1")]
        one.say(health(3.0, timeline_shifts=7))
        two.say(health(12.0, timeline_shifts=0))
        await taken()
        signals = pool.signals()
        assert (signals.lateness_p99_ms, signals.timeline_shifts) == (12.0, 0)
        one.say(health(4.0, timeline_shifts=8), health(4.0, timeline_shifts=9))
        two.say(health(11.0, timeline_shifts=1))
        await taken()
        signals = pool.signals()
        assert (signals.lateness_p99_ms, signals.timeline_shifts) == (11.0, 3)
        assert pool.signals().timeline_shifts == 0
        assert 0.0 < signals.memory_percent <= 100.0
        await asyncio.sleep(HEALTH_KEPT_S)
        one.say(health(5.0, timeline_shifts=9))
        await taken()
        assert pool.signals().lateness_p99_ms == 5.0
        await one.hang_up()
        assert pool.signals().lateness_p99_ms == 0.0
        await two.hang_up()
        await gateway.close()

    virtual_time.run(scenario())
