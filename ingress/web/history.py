"""The last hour in figures, one sample every few seconds: for plots. Pure: `now` is an argument."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass, fields

from actors.percentiles import percentile
from ingress.link.records import TurnRecord
from ingress.link.status import ServerStatus

INTERVAL_S = 5.0
KEPT_SAMPLES = 720
"""One hour."""
KEPT_TURNS = 2_000
"""Of one interval; 400 turns a second are more than any server has."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One interval. None: nothing was measured, or the gateway was away."""

    at_s: float
    """Its end, seconds since 1970-01-01 UTC."""
    calls: int
    refused: int | None
    """Calls in this interval."""
    turns: int
    """Finished in this interval."""
    failed_turns: int
    turn_p50_ms: float | None
    """From the end of the caller's speech to the first frame of the answer."""
    turn_p95_ms: float | None
    lease_wait_p95_ms: float | None
    """For a transcription slot."""
    underruns: int
    """Frames that were due in a sentence and not there, in turns that finished in this interval."""
    lateness_p99_ms: float | None
    """Of the worst media worker."""
    lateness_maximum_ms: float | None
    waiting_callers: int | None
    level: int | None
    transcription_busy: int | None
    transcription_slots: int | None
    synthesis_busy: int | None
    synthesis_slots: int | None


class History:
    """Collects turns, and makes a sample of them and of the status."""

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque(maxlen=KEPT_SAMPLES)
        self._turns: deque[TurnRecord] = deque(maxlen=KEPT_TURNS)
        self._last_sample_s: float | None = None
        self._refused: int | None = None
        """In all, at the last sample; it begins anew with each gateway."""

    def take_turn(self, record: TurnRecord) -> None:
        """Take a finished turn."""
        self._turns.append(record)

    def is_due(self, now: float) -> bool:
        """Whether the interval is over."""
        return self._last_sample_s is None or now - self._last_sample_s >= INTERVAL_S

    def sample(self, now: float, at_s: float, calls: int, status: ServerStatus | None) -> None:
        """End the interval. `status` is None while the gateway is away."""
        turns = list(self._turns)
        self._turns.clear()
        self._last_sample_s = now
        answers = [turn.first_answer_ms for turn in turns if turn.first_answer_ms is not None]
        waits = [turn.stages.lease_wait_ms for turn in turns if turn.stages.lease_wait_ms is not None]
        reports = [it.health.lateness for it in status.media_workers if it.health] if status else []
        fleet = status.fleet if status is not None else None
        self._samples.append(
            Sample(
                at_s=round(at_s, 1),
                calls=calls,
                refused=self._newly_refused(status),
                turns=len(turns),
                failed_turns=sum(turn.problem is not None for turn in turns),
                turn_p50_ms=_percentile(answers, 50),
                turn_p95_ms=_percentile(answers, 95),
                lease_wait_p95_ms=_percentile(waits, 95),
                underruns=sum(turn.underruns for turn in turns),
                lateness_p99_ms=max((round(it.p99_ms, 2) for it in reports), default=None),
                lateness_maximum_ms=max((round(it.maximum_ms, 2) for it in reports), default=None),
                waiting_callers=status.waiting_callers if status is not None else None,
                level=int(status.level) if status is not None else None,
                transcription_busy=fleet.transcription.busy if fleet is not None else None,
                transcription_slots=fleet.transcription.slots if fleet is not None else None,
                synthesis_busy=fleet.synthesis.busy if fleet is not None else None,
                synthesis_slots=fleet.synthesis.slots if fleet is not None else None,
            )
        )

    def columns(self) -> dict[str, list[float | None]]:
        """Return every figure of all samples, the oldest first, by name."""
        rows = [asdict(sample) for sample in self._samples]
        return {field.name: [row[field.name] for row in rows] for field in fields(Sample)}

    def _newly_refused(self, status: ServerStatus | None) -> int | None:
        if status is None:
            return None
        before, self._refused = self._refused, sum(it.refused for it in status.extensions)
        return None if before is None else self._refused - (before if before <= self._refused else 0)


def _percentile(values: list[float], percent: float) -> float | None:
    return round(percentile(values, percent), 1) if values else None
