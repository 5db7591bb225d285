"""What came of turns and calls since this process started, counted for Prometheus as they end.

Labels have few values, whatever callers, peers or dialogs do.
"""

from __future__ import annotations

import re

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

from ingress.link.records import CallRecord, TurnRecord

# Nobody reads when a series was created, and it would double the small ones.
disable_created_metrics()  # type: ignore[no-untyped-call]

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 1.6, 2.4, 4.0, 8.0, 16.0)
"""Upper bounds of the buckets. A caller notices an answer after 0.8 s, and minds one after 1.2 s."""
MAXIMUM_REASONS = 16
"""Of refusals, by their words without numbers; further ones are counted as `OTHER`."""
OTHER = "other"
REFUSED = "refused: "
"""What the reason of a refused call's end begins with."""


class Totals:
    """Counters and histograms of finished turns and calls."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._reasons: set[str] = set()
        self._stages = Histogram(
            "raymal_turn_stage_seconds",
            "Time that one stage of a turn took; the stages of a turn add up to its first answer.",
            ["stage"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self._answers = Histogram(
            "raymal_turn_first_answer_seconds",
            "From the end of the caller's speech, or the event, to the first answer frame on the wire.",
            ["kind"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self._turns = Counter(
            "raymal_turns",
            "Finished turns by outcome: answered, silent (nothing was said back), interrupted, overtaken, "
            "without_words (nothing was understood), failed.",
            ["outcome"],
            registry=self.registry,
        )
        self._underruns = Counter(
            "raymal_underrun_frames",
            "Frames that were due inside a sentence while its audio was not there.",
            registry=self.registry,
        )
        self._underrun_seconds = Counter(
            "raymal_underrun_seconds",
            "Silence that callers heard in place of speech that was late.",
            registry=self.registry,
        )
        self._calls = Counter(
            "raymal_calls_ended",
            "Calls that are over, refused ones apart.",
            ["extension"],
            registry=self.registry,
        )
        self._refused = Counter(
            "raymal_calls_refused",
            "Calls whose callers heard that all lines are busy.",
            ["extension", "reason"],
            registry=self.registry,
        )
        self._seconds = Counter(
            "raymal_call_seconds", "Length of all calls that are over.", ["extension"], registry=self.registry
        )
        self._gaps = Counter(
            "raymal_long_send_gaps",
            "Pauses of 100 ms and more between two frames of a call: each moves Asterisk's RTP timestamps.",
            registry=self.registry,
        )
        for stage in (
            "endpoint wait",
            "lease wait",
            "transcription",
            "dialog",
            "synthesis",
            "link",
            "playout wait",
        ):
            self._stages.labels(_word(stage))

    def take_turn(self, turn: TurnRecord) -> None:
        """Count a finished turn."""
        for stage, time_ms in turn.stage_times_ms():
            self._stages.labels(_word(stage)).observe(time_ms / 1000.0)
        if turn.first_answer_ms is not None:
            self._answers.labels(turn.kind).observe(turn.first_answer_ms / 1000.0)
        self._turns.labels(outcome(turn)).inc()
        self._count_underruns(turn)

    def take_call(self, record: CallRecord) -> None:
        """Count a finished call."""
        if record.was_refused:
            self._refused.labels(record.extension, self._reason(record.end_reason)).inc()
        else:
            self._calls.labels(record.extension).inc()
            self._seconds.labels(record.extension).inc(record.duration_s)
        self._gaps.inc(record.long_gaps)
        if record.unfinished is not None:  # no turn was reported
            self._count_underruns(record.unfinished)

    def _count_underruns(self, turn: TurnRecord) -> None:
        self._underruns.inc(turn.underruns)
        self._underrun_seconds.inc(turn.underrun_ms / 1000.0)

    def _reason(self, detail: str) -> str:
        reason = re.sub(r"\d+", "N", detail.removeprefix(REFUSED))
        if reason not in self._reasons and len(self._reasons) >= MAXIMUM_REASONS:
            return OTHER
        self._reasons.add(reason)
        return reason


def outcome(turn: TurnRecord) -> str:
    """Return what came of a turn: one word; a fault goes before what the caller did."""
    if turn.problem is not None:
        return "failed"
    if not turn.was_understood:
        return "without_words"
    if turn.was_interrupted:
        return "interrupted"
    if turn.was_overtaken:
        return "overtaken"
    return "silent" if turn.first_answer_ms is None else "answered"


def _word(stage: str) -> str:
    return stage.replace(" ", "_")
