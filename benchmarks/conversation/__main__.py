"""Conversations: how soon callers are answered, how a language model is interrupted, how visits end.

Three parts, each with servers of its own, one after the other. Run as `python -m benchmarks.conversation`, or
one with `--part`. Exit code 1 if a target is missed, 2 if the run is invalid or could not be made.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from enum import StrEnum

from rich.console import Console

from actors.percentiles import percentile
from benchmarks.conversation import model, targets, visiting, voice
from benchmarks.conversation.visit_words import WORDS
from benchmarks.harness import command
from benchmarks.harness.command import Report, progress_bar
from benchmarks.harness.outcomes import Outcome

PROGRAM = "benchmarks.conversation"
PACKAGES = ("faster-whisper", "hibari-tts", "openai", "xllamacpp")


class Part(StrEnum):
    """What can be run alone."""

    VOICE = "voice"
    MODEL = "model"
    VISITS = "visits"


class _Run:
    """What was found so far."""

    def __init__(self, console: Console, is_quick: bool) -> None:
        self.outcomes: dict[str, Sequence[Outcome]] = {}
        self.figures: dict[str, object] = {}
        self.invalid: list[str] = []
        self._console = console
        self._is_quick = is_quick

    def _with_bar(self, name: str, total: int) -> tuple[Callable[[], None], Callable[[], None]]:
        """Return what shows one more, and what ends the bar."""
        progress = progress_bar(self._console)
        bar = progress.add_task(name, total=total)
        progress.start()
        progress.refresh()

        def one_more() -> None:
            progress.advance(bar)
            progress.refresh()

        return one_more, progress.stop

    def voice(self) -> None:
        """Measure each dialog with each number of calls."""
        kept = []
        for row in voice.rows(self._is_quick):
            name = f"{row.dialog}, {row.at_a_time} at a time"
            one_more, stop = self._with_bar(name, row.scripts)
            try:
                heard = voice.measure(row, one_more)
            finally:
                stop()
            self.outcomes[name] = targets.voice_targets(heard)
            self.invalid += targets.voice_problems(heard)
            values = heard.voice_to_voice_ms
            kept.append(
                {
                    "dialog": row.dialog,
                    "calls": row.at_a_time,
                    "p50_ms": percentile(values, 50.0) if values else None,
                    "p95_ms": percentile(values, 95.0) if values else None,
                    "early": heard.early,
                    "turns": [asdict(turn) for turn in heard.turns],
                }
            )
        self.figures["voice"] = kept

    def model(self) -> None:
        """Ask a model and interrupt it."""
        one_more, stop = self._with_bar("language model", model.calls(self._is_quick))
        try:
            found = model.measure(self._is_quick, one_more)
        finally:
            stop()
        self.outcomes["language model"] = targets.model_targets(found)
        self.invalid += targets.model_problems(found)
        self.figures["model"] = asdict(found)

    def visits(self, languages: Sequence[str]) -> None:
        """Visit in each language."""
        kept: list[object] = []
        for language in languages:
            made = visiting.planned(language, self._is_quick)
            one_more, stop = self._with_bar(f"doorman, {language}", len(made))
            try:
                ends = visiting.measure(language, made, one_more)
            finally:
                stop()
            self.outcomes[f"doorman, {language}"] = targets.visit_targets(ends)
            self.invalid += targets.visit_problems(language, ends)
            kept += [asdict(end) | {"is_safe": end.is_safe} for end in ends]
        self.figures["visits"] = kept


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts and return the exit code."""
    parser = command.parser(PROGRAM, __doc__)
    add = parser.add_argument
    add("--part", type=Part, choices=list(Part), help="only this one")
    add("--language", choices=list(WORDS), help="of the visits: only this one")
    add("--quick", action="store_true", help="a few of each: too few to conclude from")
    options = parser.parse_args(arguments)
    languages = [options.language] if options.language else list(WORDS)

    def measure_all(console: Console) -> Report:
        run = _Run(console, options.quick)
        parts = [options.part] if options.part else list(Part)
        if Part.VOICE in parts:
            run.voice()
        if Part.MODEL in parts:
            run.model()
        if Part.VISITS in parts:
            run.visits(languages)
        return Report(run.outcomes, run.figures, run.invalid)

    return command.run(PROGRAM, PACKAGES, measure_all, options.json, arguments)


if __name__ == "__main__":
    sys.exit(main())
