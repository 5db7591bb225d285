"""Trials added up: shares of outcomes, word errors, delays and cost. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from actors.percentiles import percentile
from benchmarks.hearing.trial import NoiseTrial, Outcome, Side, Trial


@dataclass(frozen=True, slots=True)
class Tally:
    """What one side made of some utterances."""

    utterances: int
    right: int
    wrong: int
    not_understood: int
    not_heard: int
    miscounted: int
    """Of the wrong ones, those with a digit or a repeated word more or fewer."""
    word_errors: int
    words: int
    invented_turns: int
    """Turns with words that began after the utterance."""
    turns: int
    decoded_again: int
    """Turns that took more than one decode."""
    cpu_s: float

    @classmethod
    def of(cls, trials: Sequence[Trial], side: Side) -> Tally:
        """Add up."""
        outcomes = Counter(trial.outcome(side) for trial in trials)
        errors = [trial.errors(side) for trial in trials]
        decodes = [count for trial in trials for count in trial.decodes(side)]
        return cls(
            utterances=len(trials),
            right=outcomes[Outcome.RIGHT],
            wrong=outcomes[Outcome.WRONG],
            not_understood=outcomes[Outcome.NOT_UNDERSTOOD],
            not_heard=outcomes[Outcome.NOT_HEARD],
            miscounted=sum(trial.is_miscounted(side) for trial in trials),
            word_errors=sum(count for count, _ in errors),
            words=sum(count for _, count in errors),
            invented_turns=sum(len(trial.invented(side)) for trial in trials),
            turns=len(decodes),
            decoded_again=sum(count > 1 for count in decodes),
            cpu_s=sum(trial.cpu_s(side) for trial in trials),
        )

    @property
    def word_error_rate(self) -> float:
        """Word errors by words that were said; what was not understood counts as left out."""
        return self.word_errors / self.words if self.words else 0.0

    def share(self, count: int) -> float:
        """Return a number of utterances as a share of all."""
        return count / self.utterances if self.utterances else 0.0

    @property
    def share_decoded_again(self) -> float:
        """Of all turns."""
        return self.decoded_again / self.turns if self.turns else 0.0


def end_delays_s(trials: Sequence[Trial], *percents: float) -> list[float] | None:
    """Return percentiles of the time from the last sound to the end of the turn; None if none ended."""
    delays_s = [delay_s for trial in trials if (delay_s := trial.end_delay_s) is not None]
    return [percentile(delays_s, percent) for percent in percents] if delays_s else None


@dataclass(frozen=True, slots=True)
class NoiseTally:
    """What one side made of a noise alone."""

    turns: int
    """With words."""
    words: int
    per_hour: float
    """Factor from the measured time to an hour."""

    @classmethod
    def of(cls, trial: NoiseTrial, side: Side) -> NoiseTally:
        """Add up."""
        texts = trial.invented(side)
        return cls(len(texts), sum(len(text.split()) for text in texts), 3_600.0 / trial.seconds)

    @property
    def words_per_hour(self) -> float:
        """Invented words an hour."""
        return self.words * self.per_hour

    @property
    def turns_per_hour(self) -> float:
        """Invented turns an hour."""
        return self.turns * self.per_hour
