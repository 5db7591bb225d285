"""What overload may cost whom: plain figures in, verdicts out.

*Served* is the mean number of calls there are, standing ones and admitted newcomers, over the number that
admission lets this class of callers fill. With callers who come at random even a perfect server has lines
free now and then: the ideal beside it is Erlang's loss formula on the same load and lines, however long
calls last.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from actors.percentiles import percentile
from benchmarks.harness.outcomes import Outcome, Verdict, judged, shown
from benchmarks.harness.processes import CpuUse
from benchmarks.overload.newcomers import Newcomer, Stream
from benchmarks.overload.speech import BUSY_S
from benchmarks.overload.standing import StandingCall
from ingress.caller.listening_quality import PHONE_BUFFER_MS, ReceivedFrame, lateness_ms, listening_quality

SERVED_PERCENT = 95.0
ADDED_PERCENT = 10.0
REFUSAL_MS = 500.0
JUDGED_LOAD = 2.0
"""Below it there may be fewer callers than lines."""
ADDED_LATENESS_MS = PHONE_BUFFER_MS * ADDED_PERCENT / 100.0
"""Of frames at p99: a tenth of what a phone's buffer takes."""
MAXIMUM_LATENESS_MS = 20.0
"""Of the callers' own deadlines at p99: a frame's length."""
MAXIMUM_CPU_PERCENT = 70.0
DECISION_S = 1.0
"""A caller who came later than this before the end may still be without an answer."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of the server meanwhile."""

    most_calls: int
    """That the manager had at a time."""
    use: CpuUse
    """Of the server's core."""


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
        """Whether the callers or the machine were not fit to judge by."""
        stream = self.stream
        is_late = bool(stream and stream.loop.invalid_because(MAXIMUM_LATENESS_MS, MAXIMUM_CPU_PERCENT))
        return is_late or self.seen.use.is_disturbed()

    @property
    def newcomers(self) -> Sequence[Newcomer]:
        """Who came."""
        return self.stream.newcomers if self.stream else ()


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
    answers_ms: tuple[float, float]
    """Answer times, p50 and p95."""
    lateness_p99_ms: float
    long_gaps: int
    holes: int

    @property
    def interruptions(self) -> tuple[int, int, int]:
        """What there should be none of."""
        return self.unanswered, self.long_gaps, self.holes


def heard_by(calls: Sequence[StandingCall], begin_s: float, end_s: float) -> Heard:
    """Return how the standing calls did in a stretch of time."""
    times = [ms for call in calls for ms in call.answer_times_ms(begin_s, end_s)]
    answered = [ms for ms in times if ms is not None] or [float("nan")]
    streams = [
        [ReceivedFrame(at_s, lasts_s) for at_s, lasts_s, _ in call.frames if begin_s <= at_s < end_s]
        for call in calls
    ]
    late = [ms for frames in streams for ms in lateness_ms(frames)] or [float("nan")]
    qualities = [listening_quality(frames) for frames in streams]
    return Heard(
        len(times),
        times.count(None),
        (percentile(answered, 50), percentile(answered, 95)),
        percentile(late, 99),
        sum(quality.long_gaps for quality in qualities),
        sum(quality.underruns for quality in qualities),
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
    rows: dict[str, list[Outcome]] = {}
    for phase in others:
        heard = heard_by(measured.standing, phase.begin_s, phase.end_s)
        newcomers = [] if phase.stream is None else _newcomers(measured, phase, phase.stream)
        rows[phase.name] = [*newcomers, *_standing(phase, heard, before, first.is_disturbed)]
    rows["the whole run"] = _whole(measured)
    return rows


def _newcomers(measured: Measured, phase: Phase, stream: Stream) -> list[Outcome]:
    admitted = [one for one in stream.newcomers if one.is_admitted]
    greeted = sum(one.is_greeted for one in stream.newcomers)
    return [
        _served(measured, phase),
        judged(
            "calls at a time, as the manager has them",
            f"{measured.capacity}",
            f"{phase.seen.most_calls}",
            phase.seen.most_calls <= measured.capacity,
        ),
        *_refusals(phase, stream.loop.ended_s),
        judged(
            "admitted: heard the greeting first",
            "all",
            f"{greeted} of {len(admitted)}",
            all(one.is_greeted for one in admitted),
        ),
        shown("the callers", f"{stream.loop.lateness_p99_ms:.1f} ms late at p99"),
    ]


def _served(measured: Measured, phase: Phase) -> Outcome:
    standing = len(measured.standing)
    served = served_calls(phase.newcomers, phase.begin_s, phase.end_s) + standing
    ideal = ideal_calls(phase.load * measured.room, measured.room) + standing
    percent = 100.0 * served / measured.capacity
    name = "capacity served"
    text = f"{percent:.1f} %: {served:.1f} of {measured.capacity} calls (ideal {ideal:.1f})"
    if phase.load < JUDGED_LOAD:
        return shown(name, text)
    return judged(name, f"{SERVED_PERCENT:g} %", text, percent >= SERVED_PERCENT, phase.is_disturbed)


def _refusals(phase: Phase, until_s: float) -> list[Outcome]:
    came = [one for one in phase.newcomers if one.identified_s < until_s - DECISION_S]
    refused = [one for one in came if one.is_refused]
    waits_ms = [one.answered_ms for one in refused if one.answered_ms is not None]
    silent = sum(one.answered_ms is None for one in came)
    lost = sum(one.is_lost for one in phase.newcomers)
    why = _counted(Counter(one.failure for one in phase.newcomers if one.failure))
    over = [one for one in refused if one.identified_s < until_s - DECISION_S - BUSY_S]
    whole = sum(one.hears_busy and one.hung_up_s is not None and one.sound_s >= BUSY_S for one in over)
    return [
        judged(
            "newcomers without an answer; lost calls",
            "none; none",
            f"{silent} of {len(came)}; {lost} {why}".rstrip(),
            not silent and not lost,
            phase.is_disturbed,
        ),
        judged(
            "refused: UUID to the phrase p50, p95, max",
            f"{REFUSAL_MS:g} ms",
            f"{_ms([percentile(waits_ms, each) for each in (50, 95, 100)])} ({len(refused)} callers)"
            if waits_ms
            else "none",
            max(waits_ms, default=0.0) <= REFUSAL_MS,
            phase.is_disturbed,
        ),
        judged(
            "refused: heard the whole phrase, nothing else, then a hangup",
            "all",
            f"{whole} of {len(over)}",
            whole == len(over),
        ),
    ]


def _standing(phase: Phase, heard: Heard, before: Heard, was_disturbed: bool) -> list[Outcome]:
    """Judge the standing calls; what is compared with a disturbed time says nothing, even if it is met."""
    factor = 1.0 + ADDED_PERCENT / 100.0
    pairs = zip(heard.answers_ms, before.answers_ms, strict=True)
    compared = [
        judged(
            "standing calls: answer time p50, p95",
            f"{ADDED_PERCENT:g} % above before",
            f"{_ms(heard.answers_ms)} (before {_ms(before.answers_ms)}; {heard.utterances} turns)",
            all(now <= then * factor for now, then in pairs),
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
    text = "; ".join(map(str, heard.interruptions))
    name = "standing calls: unanswered; gaps of 100 ms; holes at 60 ms"
    interrupted = judged(name, "none", text, not any(heard.interruptions), phase.is_disturbed)
    return [*compared, interrupted]


def _whole(measured: Measured) -> list[Outcome]:
    ended = Counter(call.ending.name for call in measured.standing)
    broken = sorted({rule for call in measured.standing for rule in call.violations})
    newcomers = [one for phase in measured.phases for one in phase.newcomers]
    refused = sum(one.is_refused for one in newcomers)
    undecided = sum(one.answered_ms is None for one in newcomers)
    counted = sum(measured.refused.values())
    return [
        judged(
            "standing calls: until they hang up, no rule of Asterisk's broken",
            f"{len(measured.standing)}",
            ", ".join((_counted(ended), *broken)),
            all(call.is_whole for call in measured.standing),
        ),
        judged(
            "refusals: the manager's count",
            f"{refused} to {refused + undecided}, as the callers",
            f"{counted} ({_counted(measured.refused)})",
            refused <= counted <= refused + undecided,
        ),
    ]


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def _ms(values_ms: Sequence[float]) -> str:
    return ", ".join(f"{each:.0f}" for each in values_ms) + " ms"
