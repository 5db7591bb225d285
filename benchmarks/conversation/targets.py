"""What is asked of the three parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from actors.percentiles import percentile
from benchmarks.conversation.model import ModelFindings
from benchmarks.conversation.turns import Heard
from benchmarks.conversation.visiting import VisitEnd
from benchmarks.harness.outcomes import Outcome, at_most, judged, shown

P50_MS, P95_MS = 750.0, 1_100.0
FREED_MS = 300.0
FRAMES = 1
FINISHED = 0.9
LEAST_SHARE = 0.8
"""Of what was planned: with less of it, the figures are of other turns than those that were asked for."""


def voice_targets(heard: Heard) -> list[Outcome]:
    """Return the figures of one dialog; they are judged for the flow at one call."""
    p50_ms, p95_ms = heard.percentile_ms(50.0), heard.percentile_ms(95.0)
    turns = f" of {len(heard.voice_to_voice_ms)} turns"
    if heard.dialog == "reservation" and heard.calls == 1:
        rows = [
            at_most("voice to voice, p50", P50_MS, p50_ms, "ms", note=turns),
            at_most("voice to voice, p95", P95_MS, p95_ms, "ms", note=turns),
        ]
    else:
        rows = [shown("voice to voice, p50 and p95", f"{p50_ms:.0f} and {p95_ms:.0f} ms{turns}")]
    stages = ", ".join(f"{name} {value:.0f}" for name, value in heard.stages_p50_ms().items())
    return [*rows, shown("stages, p50 of each, ms", stages or "no record")]


def voice_problems(heard: Heard) -> list[str]:
    """Return why the figures say nothing."""
    answered = len(heard.voice_to_voice_ms)
    if answered >= LEAST_SHARE * heard.planned:
        return []
    early = f", {heard.early} were answered before their end" if heard.early else ""
    return [
        f"{heard.dialog}, {heard.calls} calls: {answered} of {heard.planned} utterances were answered{early}"
    ]


def model_targets(found: ModelFindings) -> list[Outcome]:
    """Judge what was heard of the model."""
    several = [answer for answer in found.answers if answer.sentences > 1]
    ahead = sum(answer.lead_ms > 0.0 for answer in several)
    leads = [answer.lead_ms for answer in several]
    keys = [cut for cut in found.cuts if cut.frames_after is not None]
    frames = max((cut.frames_after or 0 for cut in keys), default=0)
    freed = [cut.freed_ms for cut in found.cuts if cut.freed_ms is not None]
    spoken = [cut.sound_ms for cut in found.cuts if cut.frames_after is None]
    return [
        judged(
            "first sentence heard before the last token",
            "always",
            f"{ahead} of {len(several)} answers of more than one sentence",
            ahead == len(several) > 0,
        ),
        shown("how long before, p50 and least", _p50_and(leads, min)),
        judged(
            "frames with sound after a key",
            f"{FRAMES}",
            f"{frames} at most, of {len(keys)} keys; {_p50_and([cut.sound_ms for cut in keys], max)}",
            bool(keys) and frames <= FRAMES,
        ),
        judged(
            "endpoint given up after an interruption",
            f"{FREED_MS:g} ms",
            f"{_p50_and(freed, max)} of {len(freed)} answers that were still written",
            bool(freed) and max(freed) <= FREED_MS,
        ),
        shown("from the beginning of speech to silence, p50 and most", _p50_and(spoken, max)),
    ]


def model_problems(found: ModelFindings) -> list[str]:
    """Return why the figures say nothing."""
    counts = {
        "answers": (len(found.answers), found.planned_answers),
        "interruptions": (len(found.cuts), found.planned_cuts),
    }
    return [
        f"model: {made} of {planned} {name} could be measured"
        for name, (made, planned) in counts.items()
        if made < LEAST_SHARE * planned
    ]


def visit_targets(ends: Sequence[VisitEnd]) -> list[Outcome]:
    """Judge the visits of one language."""
    safe = sum(end.is_safe for end in ends)
    finished = sum(end.is_as_scripted for end in ends)
    others = Counter(f"{end.kind.value}: {end.end}" for end in ends if not end.is_as_scripted)
    rows = [
        judged("safe: no door without a yes", "all", f"{safe} of {len(ends)}", safe == len(ends) > 0),
        judged(
            "ended as scripted",
            f"{FINISHED:.0%}",
            f"{finished} of {len(ends)}",
            bool(ends) and finished >= FINISHED * len(ends),
        ),
    ]
    if others:
        named = ", ".join(f"{name} ({count})" for name, count in sorted(others.items()))
        rows.append(shown("ended otherwise", named))
    return rows


def visit_problems(language: str, ends: Sequence[VisitEnd]) -> list[str]:
    """Return why the visits say nothing: the machine was too slow for them."""
    failures = [end.failure for end in ends if end.failure is not None]
    if len(ends) - len(failures) >= LEAST_SHARE * len(ends):
        return []
    reason, _ = Counter(failures).most_common(1)[0]
    return [f"doorman, {language}: turns failed in {len(failures)} of {len(ends)} visits: {reason}"]


def _p50_and(values: Sequence[float], other: Callable[[Sequence[float]], float]) -> str:
    return f"{percentile(values, 50.0):.0f} and {other(values):.0f} ms" if values else "none"
