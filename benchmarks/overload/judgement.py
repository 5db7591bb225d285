"""What overload may cost whom: plain figures in, verdicts out.

*Capacity* is the number of calls that admission lets this class of callers fill, and *served* the mean
number of calls there are: those that stand and the admitted newcomers, over capacity. With callers who
come at random even a perfect server has lines free now and then, since nobody who is refused waits; the
ideal beside it is Erlang's loss formula on the same load and lines, whatever the calls last.

The standing calls are compared with themselves before the load. What is missed while the generator was
late or strangers used the server's core is called disturbed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from benchmarks.faults.core_use import CoreUse
from benchmarks.faults.verdicts import Outcome, Verdict, judged, shown
from benchmarks.overload.newcomers import Newcomer, Stream
from benchmarks.overload.speech import BUSY_S
from benchmarks.overload.standing import StandingCall
from ingress.caller.listening_quality import (
    LONG_GAP_MS,
    PHONE_BUFFER_MS,
    ReceivedFrame,
    lateness_ms,
    listening_quality,
    percentile,
)

SERVED_PERCENT = 95.0
ADDED_PERCENT = 10.0
REFUSAL_MS = 500.0
JUDGED_LOAD = 2.0
"""Below it there may be fewer callers than lines."""
ADDED_LATENESS_MS = PHONE_BUFFER_MS * ADDED_PERCENT / 100.0
"""Of frames at p99: a tenth of what a phone's buffer takes."""
DECISION_S = 1.0
"""Who came later than this before the end may not have been answered yet, without being forgotten."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of the server meanwhile."""

    most_calls: int
    """That the manager had at a time."""
    level: int
    """Highest step of the ladder."""
    reasons: tuple[str, ...]
    use: CoreUse | None = None
    """Of the server's core; None: it had none of its own."""


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of time at one load."""

    name: str
    load: float
    """Newcomers, in calls at a time if all were taken, over the lines that the standing calls leave."""
    begin_s: float
    end_s: float
    """Of the measured time: before it the newcomers fill the lines."""
    seen: Seen
    stream: Stream | None = None
    """The newcomers; None: there were none."""

    @property
    def is_disturbed(self) -> bool:
        """Whether the instrument or the machine was not fit to judge by."""
        use = self.seen.use
        return bool(self.stream and self.stream.invalid_because()) or bool(use and use.is_disturbed)


@dataclass(frozen=True, slots=True)
class Measured:
    """One run."""

    capacity: int
    standing: Sequence[StandingCall]
    phases: Sequence[Phase]
    """The first is without newcomers."""
    refused: Mapping[str, int]
    """The manager's own count of refusals, by reason."""

    @property
    def room(self) -> int:
        """Lines that the standing calls leave."""
        return self.capacity - len(self.standing)


class Heard(NamedTuple):
    """What the standing calls noticed in a stretch of time."""

    utterances: int
    unanswered: int
    answer_p50_ms: float
    answer_p95_ms: float
    lateness_p99_ms: float
    long_gaps: int
    holes: int


def heard_by(calls: Sequence[StandingCall], begin_s: float, end_s: float) -> Heard:
    """Return how the standing calls did in a stretch of time."""
    times = [ms for call in calls for ms in call.answer_times_ms(begin_s, end_s)]
    answered = [ms for ms in times if ms is not None] or [float("nan")]
    late: list[float] = []
    long_gaps = holes = 0
    for call in calls:
        frames = [ReceivedFrame(at_s, lasts_s) for at_s, lasts_s, _ in call.frames if begin_s <= at_s < end_s]
        quality = listening_quality(frames)
        late += lateness_ms(frames)
        long_gaps += quality.long_gaps
        holes += quality.underruns
    return Heard(
        len(times),
        times.count(None),
        percentile(answered, 50),
        percentile(answered, 95),
        percentile(late, 99) if late else float("nan"),
        long_gaps,
        holes,
    )


def served_calls(newcomers: Sequence[Newcomer], begin_s: float, end_s: float) -> float:
    """Return the mean number of admitted newcomers' calls between two times."""
    present_s = sum(
        max(0.0, min(call.left_s, end_s) - max(call.identified_s, begin_s))
        for call in newcomers
        if call.is_admitted and not call.is_lost
    )
    return present_s / (end_s - begin_s)


def ideal_calls(offered: float, lines: int) -> float:
    """Return the mean number of busy lines when `offered` erlangs meet them (Erlang's loss formula, B)."""
    blocked = 1.0
    for line in range(1, lines + 1):
        blocked = offered * blocked / (line + offered * blocked)
    return offered * (1.0 - blocked)


def verdicts(measured: Measured) -> dict[str, list[Outcome]]:
    """Judge a run, phase by phase."""
    first, *others = measured.phases
    before = heard_by(measured.standing, first.begin_s, first.end_s)
    rows = {f"{first.name}": _shown(before, first)}
    for phase in others:
        heard = heard_by(measured.standing, phase.begin_s, phase.end_s)
        newcomers = [] if phase.stream is None else _newcomers(measured, phase, phase.stream)
        rows[phase.name] = [*newcomers, *_standing(phase, heard, before, first.is_disturbed)]
    rows["the whole run"] = _whole(measured)
    return rows


def _newcomers(measured: Measured, phase: Phase, stream: Stream) -> list[Outcome]:
    came = stream.newcomers
    standing = len(measured.standing)
    served = served_calls(came, phase.begin_s, phase.end_s) + standing
    ideal = ideal_calls(phase.load * measured.room, measured.room) + standing
    percent = 100.0 * served / measured.capacity
    text = f"{percent:.1f} %: {served:.1f} of {measured.capacity} calls (ideal {ideal:.1f})"
    name = "capacity served"
    return [
        judged(name, f"{SERVED_PERCENT:g} %", text, percent >= SERVED_PERCENT, phase.is_disturbed)
        if phase.load >= JUDGED_LOAD
        else shown(name, text),
        judged(
            "calls at a time, as the manager has them",
            f"{measured.capacity}",
            f"{phase.seen.most_calls}",
            phase.seen.most_calls <= measured.capacity,
        ),
        *_refusals(phase, stream),
        judged(
            "admitted: heard the greeting first",
            "all",
            _counted(sum(one.is_greeted for one in came), sum(one.is_admitted for one in came)),
            all(one.is_greeted for one in came if one.is_admitted),
        ),
        shown("admitted: first word p50, p95, max", _listed(_waits(one for one in came if one.is_admitted))),
        shown("the generator; the server's core", _instruments(phase, stream)),
    ]


def _refusals(phase: Phase, stream: Stream) -> list[Outcome]:
    came = [one for one in stream.newcomers if one.identified_s < stream.until_s - DECISION_S]
    refused = [one for one in came if one.is_refused]
    waits_ms = _waits(refused)
    silent = sum(one.answered_ms is None for one in came)
    lost = sum(one.is_lost for one in stream.newcomers)
    over = [one for one in refused if one.identified_s < stream.until_s - DECISION_S - BUSY_S]
    told = sum(one.is_told_busy and one.hung_up_s is not None and one.sound_s >= BUSY_S for one in over)
    return [
        judged(
            "newcomers without an answer; lost calls",
            "none; none",
            f"{silent} of {len(came)}; {lost}{_failures(stream.newcomers)}",
            not silent and not lost,
            phase.is_disturbed,
        ),
        judged(
            "refused: UUID to the phrase p50, p95, max",
            f"{REFUSAL_MS:g} ms",
            f"{_listed(waits_ms)} ({len(refused)} callers)",
            max(waits_ms, default=0.0) <= REFUSAL_MS,
            phase.is_disturbed,
        ),
        judged(
            "refused: heard the whole phrase, nothing else, then a hangup",
            "all",
            _counted(told, len(over)),
            told == len(over),
        ),
    ]


def _standing(phase: Phase, heard: Heard, before: Heard, was_disturbed: bool) -> list[Outcome]:
    """Judge the standing calls; what is compared with a disturbed time says nothing, even if it is met."""
    factor = 1.0 + ADDED_PERCENT / 100.0
    compared = [
        judged(
            "standing calls: answer time p50, p95",
            f"{ADDED_PERCENT:g} % above before",
            f"{heard.answer_p50_ms:.0f}, {heard.answer_p95_ms:.0f} ms "
            f"({_change(heard.answer_p50_ms, before.answer_p50_ms)}, "
            f"{_change(heard.answer_p95_ms, before.answer_p95_ms)}; {heard.utterances} turns)",
            heard.answer_p50_ms <= before.answer_p50_ms * factor
            and heard.answer_p95_ms <= before.answer_p95_ms * factor,
            phase.is_disturbed,
        ),
        judged(
            "standing calls: lateness p99",
            f"{ADDED_LATENESS_MS:g} ms above before",
            f"{heard.lateness_p99_ms:.1f} ms (before {before.lateness_p99_ms:.1f} ms)",
            heard.lateness_p99_ms <= before.lateness_p99_ms + ADDED_LATENESS_MS,
            phase.is_disturbed,
        ),
    ]
    if was_disturbed:
        compared = [replace(row, verdict=Verdict.DISTURBED) for row in compared]
    return [
        *compared,
        judged(
            "standing calls: unanswered; gaps of 100 ms; holes at 60 ms",
            "none",
            f"{heard.unanswered}; {heard.long_gaps}; {heard.holes}",
            not (heard.unanswered or heard.long_gaps or heard.holes),
            phase.is_disturbed,
        ),
        _ladder(phase),
    ]


def _shown(heard: Heard, phase: Phase) -> list[Outcome]:
    return [
        shown(
            "standing calls: answer time p50, p95",
            f"{heard.answer_p50_ms:.0f}, {heard.answer_p95_ms:.0f} ms ({heard.utterances} turns)",
        ),
        shown(
            f"standing calls: unanswered; gaps of {LONG_GAP_MS:g} ms; holes at {PHONE_BUFFER_MS:g} ms",
            f"{heard.unanswered}; {heard.long_gaps}; {heard.holes}",
        ),
        shown("standing calls: lateness p99", f"{heard.lateness_p99_ms:.1f} ms"),
        shown("the server's core", f"{phase.seen.use}" if phase.seen.use else "none of its own"),
        _ladder(phase),
    ]


def _whole(measured: Measured) -> list[Outcome]:
    ended = Counter(call.ending.name for call in measured.standing)
    broken = sorted({rule for call in measured.standing for rule in call.violations})
    told = sum(one.is_refused for phase in measured.phases if phase.stream for one in phase.stream.newcomers)
    counted = sum(measured.refused.values())
    undecided = sum(
        one.answered_ms is None for phase in measured.phases if phase.stream for one in phase.stream.newcomers
    )
    by_reason = ", ".join(f"{count} {reason}" for reason, count in measured.refused.items())
    return [
        judged(
            "standing calls: until they hang up, no rule of Asterisk's broken",
            f"{len(measured.standing)}",
            ", ".join((*(f"{count} {name}" for name, count in ended.items()), *broken)),
            all(call.is_whole for call in measured.standing),
        ),
        judged(
            "refusals: the manager's count",
            f"{told}, as the callers" if not undecided else f"{told} to {told + undecided}, as the callers",
            f"{counted} ({by_reason})" if counted else "0",
            told <= counted <= told + undecided,
        ),
    ]


def _ladder(phase: Phase) -> Outcome:
    because = f" ({'; '.join(phase.seen.reasons)})" if phase.seen.reasons else ""
    return shown("the ladder's highest step", f"{phase.seen.level}{because}")


def _instruments(phase: Phase, stream: Stream) -> str:
    text = (
        f"{stream.lateness_p99_ms:.1f} ms late at p99, {stream.lateness_max_ms:.0f} ms at most, "
        f"{stream.cpu_percent:.0f} % CPU"
    )
    return f"{text}; {phase.seen.use}" if phase.seen.use else text


def _waits(newcomers: Iterable[Newcomer]) -> list[float]:
    return [one.answered_ms for one in newcomers if one.answered_ms is not None]


def _counted(some: int, all_of_them: int) -> str:
    return f"{some} of {all_of_them}"


def _failures(newcomers: Sequence[Newcomer]) -> str:
    reasons = Counter(one.failure for one in newcomers if one.failure)
    return f" ({', '.join(f'{count} {reason}' for reason, count in reasons.items())})" if reasons else ""


def _listed(values_ms: Sequence[float]) -> str:
    if not values_ms:
        return "none"
    return ", ".join(f"{percentile(values_ms, percent):.0f}" for percent in (50, 95, 100)) + " ms"


def _change(now: float, before: float) -> str:
    return f"{100.0 * (now / before - 1.0):+.0f} %"
