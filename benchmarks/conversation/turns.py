"""Voice to voice: the caller's own clock, beside the server's record of the same turn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from actors.percentiles import percentile
from ingress.caller.conversation import CallTurn
from ingress.link.records import CallRecord, TurnRecord


@dataclass(frozen=True, slots=True)
class SpokenTurn:
    """One utterance and its answer."""

    voice_to_voice_ms: float | None
    """From the end of the caller's speech to the first sound of the answer, as heard; None: no answer."""
    stages_ms: Mapping[str, float]
    """Of the server's record; empty if it has none of this turn."""


@dataclass(frozen=True, slots=True)
class Heard:
    """All turns of one dialog with one number of calls at a time."""

    dialog: str
    calls: int
    planned: int
    """Utterances that were to be spoken."""
    turns: Sequence[SpokenTurn]

    @property
    def voice_to_voice_ms(self) -> list[float]:
        """Of the turns with an answer. An answer that began before the end of the speech is none."""
        found = [turn.voice_to_voice_ms for turn in self.turns if turn.voice_to_voice_ms is not None]
        return [value for value in found if value > 0.0]

    @property
    def early(self) -> int:
        """Answers that began before the caller had finished: a pause was taken for the end."""
        return sum((turn.voice_to_voice_ms or 0.0) < 0.0 for turn in self.turns)

    def percentile_ms(self, share: float) -> float:
        """Return a percentile of them; infinite if there is none."""
        values = self.voice_to_voice_ms
        return percentile(values, share) if values else float("inf")

    def stages_p50_ms(self) -> dict[str, float]:
        """Return the median of each stage over the turns that had it, in the order of a turn."""
        found: dict[str, list[float]] = {}
        for turn in self.turns:
            for name, value in turn.stages_ms.items():
                found.setdefault(name, []).append(value)
        return {name: median(values) for name, values in found.items()}


def spoken_turns(
    turns: Iterable[CallTurn], spoken_steps: frozenset[int], record: CallRecord | None
) -> list[SpokenTurn]:
    """Return the turns of those steps that are speech, each with the server's record of it.

    An utterance that the caller went on after is no turn of its own: the next record answers both.
    """
    records = _answered(record) if record is not None else []
    return [
        SpokenTurn(
            turn.first_answer_ms, dict(records[index].stage_times_ms()) if index < len(records) else {}
        )
        for index, turn in enumerate(turns)
        if turn.step in spoken_steps
    ]


def _answered(record: CallRecord) -> list[TurnRecord]:
    every = (*record.turns, *((record.unfinished,) if record.unfinished is not None else ()))
    return [turn for turn in every if turn.kind in ("utterance", "digit") and not turn.was_overtaken]
