"""All that was found, the tables of it, and its figures for JSON. Pure, but for the tables' colours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from benchmarks.hearing.conditions import CLEAN, CONDITIONS, NOISES_ALONE
from benchmarks.hearing.material import LANGUAGES, Half, Kind
from benchmarks.hearing.tally import NoiseTally, Tally, end_delays_s
from benchmarks.hearing.trial import NoiseTrial, Side, Trial

FOREIGN = "Spanish on an English extension"
LANGUAGE_NAMES = dict(zip(LANGUAGES, ("English", "Spanish"), strict=True))


@dataclass(frozen=True, slots=True)
class Findings:
    """Of one run."""

    half: Half
    trials: Sequence[Trial]
    foreign: Sequence[Trial]
    """In another language than the extension's."""
    noises: Sequence[NoiseTrial]

    @classmethod
    def of(cls, half: Half, results: Sequence[Trial | NoiseTrial]) -> Findings:
        """Put results in an order that does not depend on which ended first."""
        trials = [each for each in results if isinstance(each, Trial)]
        noises = [each for each in results if isinstance(each, NoiseTrial)]
        order = [each.name for each in CONDITIONS]
        kinds = list(Kind)
        trials.sort(key=lambda each: (order.index(each.condition), kinds.index(each.kind), each.name))
        noises.sort(key=lambda each: [noise.name for noise in NOISES_ALONE].index(each.noise))
        foreign = [each for each in trials if each.is_foreign]
        return cls(half, [each for each in trials if not each.is_foreign], foreign, noises)

    def under(self, *conditions: str) -> list[Trial]:
        """Return the trials of some conditions."""
        return [each for each in self.trials if each.condition in conditions]

    def clean(self, *kinds: Kind) -> list[Trial]:
        """Return the trials of some kinds on the clean line."""
        return [each for each in self.under(CLEAN.name) if each.kind in kinds]

    @property
    def faults(self) -> list[str]:
        """Calls that the server ended before their time, one line each."""
        calls = [(f"{each.name}, {each.condition}", each.fault) for each in (*self.trials, *self.foreign)]
        calls += [(each.noise, each.fault) for each in self.noises]
        return [f"{name}: {fault}" for name, fault in calls if fault]

    @property
    def cpu_ratio(self) -> float:
        """How many times less CPU time our transcriptions of the utterances took."""
        ours, stock = (sum(each.cpu_s(side) for each in self.trials) for side in Side)
        return stock / ours if ours else 0.0

    def by_condition(self) -> Iterator[tuple[str, list[Trial]]]:
        """Yield each condition's trials."""
        for condition in CONDITIONS:
            if found := self.under(condition.name):
                yield condition.name, found

    def by_kind(self) -> Iterator[tuple[str, list[Trial]]]:
        """Yield the trials of each kind and language on the clean line."""
        for kind in Kind:
            for language in LANGUAGES:
                if found := [each for each in self.clean(kind) if each.language == language]:
                    yield f"{kind}, {LANGUAGE_NAMES[language]}", found

    def figures(self) -> dict[str, Any]:
        """Return every figure, and what was heard of every utterance."""
        return {
            "half": self.half.value,
            "cpu_ratio": round(self.cpu_ratio, 3),
            "conditions": [_group_figures(*group) for group in self.by_condition()],
            "kinds": [_group_figures(*group) for group in self.by_kind()],
            "noises": [_noise_figures(each) for each in self.noises],
            "foreign": _group_figures(FOREIGN, self.foreign),
            "faults": self.faults,
            "trials": [_trial_figures(each) for each in (*self.trials, *self.foreign)],
        }

    def tables(self) -> list[Table]:
        """Return the tables for people."""
        return [
            _outcome_table("condition", self.by_condition()),
            _outcome_table(f"kind, {CLEAN.name}", self.by_kind()),
            _noise_table(self.noises),
        ]


def _outcome_table(first: str, groups: Iterator[tuple[str, list[Trial]]]) -> Table:
    table = Table(title="ours / stock faster-whisper on the same turns", box=SIMPLE_HEAD, padding=0)
    table.add_column(first, no_wrap=True)
    for heading in (
        *("said", "exact %", "words wrong %", "wrong while sure %", "not under- stood %", "not heard"),
        *("mis- counted", "invented turns", "decoded again %", "end p50, p95 ms", "CPU ratio"),
    ):
        table.add_column(heading, justify="right")
    for name, trials in groups:
        ours, stock = (Tally.of(trials, side) for side in Side)
        delays_s = end_delays_s(trials, 50, 95)
        table.add_row(
            name,
            str(ours.utterances),
            f"{100 * ours.share(ours.right):.0f} / {100 * stock.share(stock.right):.0f}",
            f"{_short(100 * ours.word_error_rate)} / {_short(100 * stock.word_error_rate)}",
            f"{100 * ours.share(ours.wrong):.0f} / {100 * stock.share(stock.wrong):.0f}",
            f"{100 * ours.share(ours.not_understood):.0f} / {100 * stock.share(stock.not_understood):.0f}",
            str(ours.not_heard),
            f"{ours.miscounted} / {stock.miscounted}",
            f"{ours.invented_turns} / {stock.invented_turns}",
            f"{100 * ours.share_decoded_again:.0f} / {100 * stock.share_decoded_again:.0f}",
            "-" if delays_s is None else ", ".join(f"{1_000 * delay_s:.0f}" for delay_s in delays_s),
            f"{stock.cpu_s / ours.cpu_s:.1f}" if ours.cpu_s else "-",
        )
    return table


def _short(percent: float) -> str:
    """Return a share with as many digits as say something."""
    return f"{percent:.1f}" if percent < 100 else f"{percent:.0f}"


def _noise_table(noises: Sequence[NoiseTrial]) -> Table:
    table = Table(
        *("noise alone", "minutes", "turns", "dropped sounds", "invented turns an hour"),
        *("invented words an hour", "CPU ratio"),
        title="nobody speaks: ours / stock",
    )
    for each in noises:
        ours, stock = (NoiseTally.of(each, side) for side in Side)
        cost_s = [sum(turn.of(side).cpu_s for turn in each.turns) for side in Side]
        table.add_row(
            each.noise,
            f"{each.seconds / 60:.1f}",
            str(len(each.turns)),
            str(each.noises),
            f"{ours.turns_per_hour:.0f} / {stock.turns_per_hour:.0f}",
            f"{ours.words_per_hour:.0f} / {stock.words_per_hour:.0f}",
            f"{cost_s[1] / cost_s[0]:.1f}" if cost_s[0] else "-",
        )
    return table


def _group_figures(name: str, trials: Sequence[Trial]) -> dict[str, Any]:
    delays_s = end_delays_s(trials, 50, 95, 100)
    found: dict[str, Any] = {"name": name}
    for side in Side:
        tally = Tally.of(trials, side)
        found[side.value] = asdict(tally) | {
            "cpu_s": round(tally.cpu_s, 2),
            "exact": round(tally.share(tally.right), 5),
            "word_error_rate": round(tally.word_error_rate, 5),
        }
    if delays_s is not None:
        names = ("p50", "p95", "max")
        found["end_of_turn_ms"] = {
            each: round(1_000 * delay_s) for each, delay_s in zip(names, delays_s, strict=True)
        }
    return found


def _noise_figures(trial: NoiseTrial) -> dict[str, Any]:
    return {
        "name": trial.noise,
        "seconds": trial.seconds,
        "turns": len(trial.turns),
        "dropped_sounds": trial.noises,
        **{side.value: asdict(NoiseTally.of(trial, side)) for side in Side},
        "texts": {side.value: trial.invented(side) for side in Side},
    }


def _trial_figures(trial: Trial) -> dict[str, Any]:
    delay_s = trial.end_delay_s
    return {
        "condition": trial.condition,
        "name": trial.name,
        "language": trial.extension_language,
        "said": trial.said,
        "end_of_turn_ms": None if delay_s is None else round(1_000 * delay_s),
        **{side.value: [trial.outcome(side).value, trial.heard(side)] for side in Side},
    }
