"""What came of turns and calls since this process started, counted for Prometheus as they end.

Labels have few values, whatever callers, peers or dialogs do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

from actors.manager.admission import Reason
from ingress.link.records import CallRecord, StageTimes, TurnRecord

# When a series was created is read by no rule of ours, and it would double the small ones.
disable_created_metrics()  # type: ignore[no-untyped-call]

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 1.6, 2.4, 4.0, 8.0, 16.0)
"""Upper bounds of the buckets. An answer after 0.8 s is noticed as late, after 1.2 s as too late."""
MAXIMUM_REASONS = 16
"""Of refusals, by their words without numbers; further ones are counted as `OTHER`."""
OTHER = "other"
"""Label of what has no label of its own: further reasons, calls of extensions that were removed."""
REFUSED = "refused: "
"""What the reason of a refused call's end begins with."""

EVERY_STAGE = TurnRecord(
    turn=1,
    kind="utterance",
    endpoint_wait_ms=0.0,
    stages=StageTimes(lease_wait_ms=0.0, transcription_ms=0.0, dialog_ms=0.0, synthesis_ms=0.0),
    link_ms=0.0,
    playout_wait_ms=0.0,
)
"""A turn that has all stages, for their names."""


class Outcome(StrEnum):
    """What came of a turn."""

    ANSWERED = "answered"
    SILENT = "silent"
    """Nothing was said back."""
    INTERRUPTED = "interrupted"
    """The caller spoke over the answer."""
    OVERTAKEN = "overtaken"
    """The caller went on before anything of the answer was heard."""
    WITHOUT_WORDS = "without_words"
    """Nothing was understood."""
    FAILED = "failed"


class Totals:
    """Counters and histograms of finished turns and calls."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.extensions: tuple[str, ...] = ()
        """Of the newest status; none: there was no status yet."""
        self._labelled: set[str] = set()
        """Extensions that have series."""
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
            "Finished turns by outcome.",
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
            ["reason"],
            registry=self.registry,
        )
        self._extension_refused = Counter(
            "raymal_extension_calls_refused",
            "The same by extension.",
            ["extension"],
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
        # From 0 on: Prometheus does not count the first step of a series that was not there.
        for stage, _ in EVERY_STAGE.stage_times_ms():
            self._stages.labels(_word(stage))
        for kind in ("greeting", "utterance", "digit", "silence"):
            self._answers.labels(kind)
        for what in Outcome:
            self._turns.labels(what)
        for reason in Reason:
            self._refused.labels(self._reason(reason))

    def know(self, extensions: Iterable[str]) -> None:
        """Count the calls of these extensions from 0 on, and drop the series of those that were removed."""
        self.extensions = tuple(extensions)
        for extension in self._labelled.difference(self.extensions, (OTHER,)):
            self._labelled.discard(extension)
            for counter in self._by_extension:
                counter.remove(extension)
        self._labelled.update(self.extensions)
        for extension in self.extensions:
            for counter in self._by_extension:
                counter.labels(extension)

    def label(self, extension: str) -> str:
        """Return the label of an extension's calls; before the first status all are taken as known."""
        return extension if extension in self.extensions or not self.extensions else OTHER

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
        extension = self.label(record.extension)
        self._labelled.add(extension)
        if record.was_refused:
            self._refused.labels(self._reason(record.end_reason)).inc()
            self._extension_refused.labels(extension).inc()
        else:
            self._calls.labels(extension).inc()
            self._seconds.labels(extension).inc(record.duration_s)
        self._gaps.inc(record.long_gaps)
        if record.unfinished is not None:  # no turn was reported
            self._count_underruns(record.unfinished)

    @property
    def _by_extension(self) -> tuple[Counter, ...]:
        return self._calls, self._seconds, self._extension_refused

    def _count_underruns(self, turn: TurnRecord) -> None:
        self._underruns.inc(turn.underruns)
        self._underrun_seconds.inc(turn.underrun_ms / 1000.0)

    def _reason(self, detail: str) -> str:
        reason = re.sub(r"\d+", "N", detail.removeprefix(REFUSED))
        if reason not in self._reasons and len(self._reasons) >= MAXIMUM_REASONS:
            return OTHER
        self._reasons.add(reason)
        return reason


def outcome(turn: TurnRecord) -> Outcome:
    """Return what came of a turn; a fault goes before what the caller did."""
    if turn.problem is not None:
        return Outcome.FAILED
    if not turn.was_understood:
        return Outcome.WITHOUT_WORDS
    if turn.was_interrupted:
        return Outcome.INTERRUPTED
    if turn.was_overtaken:
        return Outcome.OVERTAKEN
    return Outcome.SILENT if turn.first_answer_ms is None else Outcome.ANSWERED


def _word(stage: str) -> str:
    return stage.replace(" ", "_")
