"""Which signal moves whose ladder."""

from __future__ import annotations

import pytest

from actors.manager.overload import Overload
from actors.messages import IngressSignals, Level, WorkKind
from actors.settings import ThrottleSettings

STT, TTS = WorkKind.TRANSCRIPTION, WorkKind.SYNTHESIS
SETTINGS = ThrottleSettings(up_hold_s=1.0, down_hold_s=3.0, window_s=4.0)


@pytest.fixture
def overload() -> Overload:
    made = Overload(SETTINGS)
    for kind in WorkKind:
        made.slots_are(kind, slots=2, busy=0, now=0.0)
    for name in ("i", "j"):
        made.ingress_is(name, IngressSignals(), now=0.0)
    return made


def pass_time(overload: Overload, start: float, seconds: float, longest_wait_ms: float = 0.0) -> float:
    now = start
    while now < start + seconds:
        now += 0.5
        overload.step(longest_wait_ms, now)
    return now


@pytest.mark.parametrize(
    "signals",
    [
        IngressSignals(lateness_p99_ms=25.0),
        IngressSignals(loop_lag_ms=120.0),
        IngressSignals(cpu_percent=99.0),
        IngressSignals(memory_percent=86.0),
    ],
)
def test_local_signals_move_their_own_ingress(overload: Overload, signals: IngressSignals) -> None:
    """One tired machine slows itself down."""
    now = pass_time(overload, 0.0, 5.0)
    overload.ingress_is("i", signals, now)
    pass_time(overload, now, 3.0)
    assert overload.level("i")[0] is Level.BUSY
    assert len(overload.level("i")[1]) == 1
    assert overload.level("j") == (Level.NORMAL, ())
    assert overload.cluster.level is Level.NORMAL


def test_a_second_of_full_cpu_is_no_alarm(overload: Overload) -> None:
    """It is the mean over the window that counts: a model at work fills the cores now and then."""
    now = 0.0
    for percent in (30.0, 30.0, 100.0, 100.0, 30.0, 30.0):
        overload.ingress_is("i", IngressSignals(cpu_percent=percent), now)
        now = pass_time(overload, now, 1.0)
    assert overload.level("i")[0] is Level.NORMAL


def test_slots_in_use_move_all(overload: Overload) -> None:
    """The busier kind decides."""
    overload.slots_are(TTS, slots=2, busy=2, now=0.0)
    pass_time(overload, 0.0, 2.0)
    assert overload.level("i")[0] == overload.level("j")[0] == overload.cluster.level == Level.BUSY


def test_short_work_between_two_looks_is_seen(overload: Overload) -> None:
    """Busy for nine tenths of the time is 90 %, although each look falls into the tenth."""
    now = 0.0
    for _ in range(20):
        overload.slots_are(STT, slots=2, busy=2, now=now)
        overload.slots_are(STT, slots=2, busy=0, now=now + 0.45)
        now += 0.5
        overload.step(0.0, now)
    assert overload.use(now)[STT].busy_percent == pytest.approx(90.0)
    assert overload.cluster.level is Level.BUSY


@pytest.mark.parametrize("waits_still", [True, False])
def test_waiting_for_slots_moves_all(overload: Overload, waits_still: bool) -> None:
    """Whether it is over or not."""
    if not waits_still:
        overload.lease_waited(2_000.0, now=0.0)
    pass_time(overload, 0.0, 3.0, longest_wait_ms=2_000.0 if waits_still else 0.0)
    assert overload.cluster.level is Level.LOADED


def test_the_higher_of_both_counts_and_brings_its_reasons(overload: Overload) -> None:
    """An ingress that is late in a busy cluster has its own reasons."""
    overload.slots_are(TTS, slots=2, busy=2, now=0.0)
    overload.ingress_is("i", IngressSignals(lateness_p99_ms=90.0), now=0.0)
    pass_time(overload, 0.0, 5.0)
    level, reasons = overload.level("i")
    assert level is Level.FULL
    assert any("frames" in reason for reason in reasons)
    overload.forget("i")
    assert overload.level("i")[0] is overload.cluster.level


def test_without_slots_nothing_is_busy() -> None:
    """While no worker is ready there is no share to speak of."""
    empty = Overload(SETTINGS)
    now = pass_time(empty, 0.0, 5.0)
    assert empty.cluster.level is Level.NORMAL
    assert {use.slots for use in empty.use(now).values()} == {0}
