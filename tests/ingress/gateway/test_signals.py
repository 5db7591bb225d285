"""The load signals of an ingress: from its media workers' reports, its own loop and the kernel's counters."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import pytest
from fake_machine import GIB, FakeMachine
from link_end import LinkEnd
from scripted_pool import ONE_WORKER, ScriptedPool

from actors.messages import IngressSignals
from ingress.configuration.settings import Settings
from ingress.gateway.gateway import Gateway
from ingress.gateway.media_peer import HEALTH_KEPT_S
from ingress.gateway.signals import PERIOD_S, SignalMeter
from ingress.link.messages import WorkerHealth
from ingress.link.records import LatenessSummary, MediaHealth
from ingress.server.checking import extension_book


def health(p99_ms: float, timeline_shifts: int) -> WorkerHealth:
    """Return a media worker's report."""
    lateness = LatenessSummary(p99_ms=p99_ms)
    return WorkerHealth(health=MediaHealth(frame_ms=20, lateness=lateness, timeline_shifts=timeline_shifts))


async def test_the_worst_media_worker_counts() -> None:
    """Lateness of the worst, stalls of all, once; old reports, and stalls before the link, do not count."""
    pool = ScriptedPool()
    gateway = Gateway(Settings(), extension_book(Settings()), pool, "gateway")
    assert pool.signals().lateness_p99_ms == 0.0
    one, two = [await LinkEnd.connect(gateway, name) for name in ("media-0", "media-1")]
    one.say(health(3.0, timeline_shifts=7))
    two.say(health(12.0, timeline_shifts=0))
    await asyncio.sleep(0.01)
    signals = pool.signals()
    assert (signals.lateness_p99_ms, signals.timeline_shifts) == (12.0, 0)
    one.say(health(4.0, timeline_shifts=8), health(4.0, timeline_shifts=9))
    two.say(health(11.0, timeline_shifts=1))
    await asyncio.sleep(0.01)
    signals = pool.signals()
    assert (signals.lateness_p99_ms, signals.timeline_shifts) == (11.0, 3)
    assert pool.signals().timeline_shifts == 0
    assert 0.0 < signals.memory_percent <= 100.0
    assert 0.0 <= signals.cpu_percent <= 100.0
    await asyncio.sleep(HEALTH_KEPT_S)
    one.say(health(5.0, timeline_shifts=9))
    await asyncio.sleep(0.01)
    assert pool.signals().lateness_p99_ms == 5.0
    await one.hang_up()
    assert pool.signals().lateness_p99_ms == 0.0
    await two.hang_up()
    await gateway.close()


@pytest.mark.parametrize("runs_on_s", [0.0, 2 * PERIOD_S])
async def test_a_blocked_loop_is_reported_once(runs_on_s: float) -> None:
    """Asked at once, or after the measuring task went on: nearly all of the block is delay."""
    meter = SignalMeter([])
    task = asyncio.create_task(meter.run())
    await asyncio.sleep(0)
    time.sleep(0.3)  # noqa: ASYNC251
    await asyncio.sleep(runs_on_s)
    assert 0.3 - PERIOD_S - 0.01 <= meter.take_loop_lag_ms() / 1000.0 < 2.0
    await asyncio.sleep(0.01)
    assert meter.take_loop_lag_ms() < 200.0
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    meter.take_loop_lag_ms()
    assert meter.take_loop_lag_ms() == 0.0, "the loop is not measured any more"


def test_a_limit_of_the_machine_is_what_counts(tmp_path: Path) -> None:
    """A full container on a machine that is half empty: what the ladder hears is the container's figure."""
    machine = FakeMachine(tmp_path)
    group = machine.control_groups_2("/system.slice/raymal.service")
    (group / "memory.max").write_text(f"{2 * GIB}\n")
    (group / "memory.current").write_text(f"{2 * GIB}\n")
    meter = SignalMeter([], root=machine.root)
    assert asyncio.run(signals_of(meter)).memory_percent == 100.0
    (group / "memory.current").write_text(f"{GIB}\n")
    assert asyncio.run(signals_of(meter)).memory_percent == 50.0


async def signals_of(meter: SignalMeter) -> IngressSignals:
    """Read a meter inside a loop."""
    return meter.signals()


async def test_loading_models_is_no_load(tmp_path: Path) -> None:
    """Delays and CPU use while models load do not count, up to the end of the block in which it ends; a block
    after that counts."""
    machine = FakeMachine(tmp_path)
    is_loading, busy_s = True, 0.0

    def block() -> None:
        nonlocal busy_s
        time.sleep(0.2)
        busy_s += 0.2
        machine.set_idle(busy_s, 0.0)

    meter = SignalMeter([], lambda: is_loading, machine.root)
    task = asyncio.create_task(meter.run())
    await asyncio.sleep(0)
    block()
    await asyncio.sleep(2 * PERIOD_S)
    signals = meter.signals()
    assert (signals.loop_lag_ms, signals.cpu_percent) == (0.0, 0.0)
    is_loading = False  # in the block
    block()
    await asyncio.sleep(2 * PERIOD_S)
    signals = meter.signals()
    assert (signals.loop_lag_ms, signals.cpu_percent) == (0.0, 0.0)
    block()
    await asyncio.sleep(2 * PERIOD_S)
    signals = meter.signals()
    assert signals.loop_lag_ms > 100.0
    assert signals.cpu_percent == 100.0
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("problems", [(), ("it has no weights",)])
async def test_models_load_until_all_workers_are_there_or_have_failed(problems: tuple[str, ...]) -> None:
    """Before the first turn can be served all is loading; a worker that cannot be had is no excuse."""
    pool = ScriptedPool()
    pool.status_now = replace(
        pool.status_now, transcription=replace(ONE_WORKER, planned=2), problems=problems
    )
    gateway = Gateway(Settings(), extension_book(Settings()), pool, "gateway")

    async def counts_a_block() -> bool:
        await asyncio.sleep(3 * PERIOD_S)
        pool.signals()
        time.sleep(0.1)  # noqa: ASYNC251
        await asyncio.sleep(3 * PERIOD_S)
        return pool.signals().loop_lag_ms > 0.0

    pool.status_now, later = replace(pool.status_now, synthesis=replace(ONE_WORKER, ready=0)), pool.status_now
    running = asyncio.create_task(gateway.run())
    assert not await counts_a_block()
    pool.status_now = later
    await asyncio.sleep(10.0)
    assert await counts_a_block() == bool(problems)
    pool.status_now = replace(later, transcription=ONE_WORKER)
    await asyncio.sleep(10.0)
    assert await counts_a_block()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await gateway.close()
