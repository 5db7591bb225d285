"""The last hour in figures."""

from __future__ import annotations

from typing import Any

from ingress.link.records import LatenessSummary, MediaHealth, StageTimes, TurnRecord
from ingress.link.status import MediaWorkerStatus, ServerStatus
from ingress.web.history import INTERVAL_S, KEPT_SAMPLES, History, Sample
from ingress.web.status import UNKNOWN


def status(refused: int = 0, p99_ms: float = 0.0) -> ServerStatus:
    """Return a status with one media worker and one extension."""
    health = MediaHealth(frame_ms=20, lateness=LatenessSummary(p99_ms=p99_ms, maximum_ms=2 * p99_ms))
    extension: dict[str, Any] = {
        "name": "default", "priority": "normal", "language": "en", "dialog": "echo", "maximum_calls": None,
        "calls": 0, "refused": refused,
    }  # fmt: skip
    known = UNKNOWN.model_dump() | {"extensions": [extension], "waiting_callers": 3}
    workers = [MediaWorkerStatus(name="media-0", health=health), MediaWorkerStatus(name="new", health=None)]
    return ServerStatus.model_validate(known | {"media_workers": [it.model_dump() for it in workers]})


def turn(number: int, answer_ms: float | None, **changes: Any) -> TurnRecord:
    """Return a finished turn."""
    stages = StageTimes(lease_wait_ms=7.0)
    return TurnRecord(turn=number, kind="utterance", first_answer_ms=answer_ms, stages=stages, **changes)


def test_a_sample_is_of_its_interval() -> None:
    """Turns count once; refusals are the difference; a new gateway begins anew."""
    history = History()
    assert history.is_due(0.0)
    history.sample(0.0, 1_000.0, 1, status(refused=5))
    assert not history.is_due(INTERVAL_S - 0.1)
    for number in range(1, 101):
        history.take_turn(turn(number, float(number), underruns=number % 2))
    history.take_turn(turn(101, None, failure="no worker"))
    history.sample(INTERVAL_S, 1_005.0, 9, status(refused=8, p99_ms=1.5))
    history.sample(2 * INTERVAL_S, 1_010.0, 2, None)
    history.sample(3 * INTERVAL_S, 1_015.0, 2, status(refused=2))
    columns = history.columns()
    assert columns["at_s"] == [1_000.0, 1_005.0, 1_010.0, 1_015.0]
    assert columns["calls"] == [1, 9, 2, 2]
    assert columns["refused"] == [None, 3, None, 2]
    assert columns["turns"] == [0, 101, 0, 0]
    assert columns["failed_turns"] == [0, 1, 0, 0]
    assert columns["turn_p50_ms"] == [None, 50.0, None, None]
    assert columns["turn_p95_ms"] == [None, 95.0, None, None]
    assert columns["lease_wait_p95_ms"] == [None, 7.0, None, None]
    assert columns["underruns"] == [0, 50, 0, 0]
    assert columns["lateness_p99_ms"] == [0.0, 1.5, None, 0.0]
    assert columns["waiting_callers"] == [3, 3, None, 3]
    assert columns["level"] == [0, 0, None, 0]


def test_an_hour_is_kept() -> None:
    """The oldest samples go; every figure has as many values."""
    history = History()
    for number in range(KEPT_SAMPLES + 10):
        history.sample(number * INTERVAL_S, number * INTERVAL_S, number, None)
    columns = history.columns()
    assert columns.keys() == set(Sample.__dataclass_fields__)
    assert {len(values) for values in columns.values()} == {KEPT_SAMPLES}
    assert columns["calls"][0] == 10
