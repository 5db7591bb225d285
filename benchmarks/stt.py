"""Speech to text: the `whisper` engine against stock faster-whisper, side by side.

Both sides get the same model, cores and recordings, and work in turns: a block of utterances by one,
the same block by the other, so that a slow minute of the machine hits both. The workers of the side
whose turn it is not are loaded and idle.

    stock   `faster_whisper.WhisperModel.transcribe`, one process, as many CPU threads as there are cores,
            int8, the language given, beam 1 (`--beam-5` and `--stock-processes` add more of its kind)
    raymal  the engine as raymal deploys it: one worker process of one thread per core

Run as `python -m benchmarks.stt`. Exit code 1 if a target is missed, 2 if it could not be measured.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from queue import Empty
from typing import Any

import psutil
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from actors.engines.whisper_weights import obtain
from actors.errors import RaymalError
from actors.messages import Transcribe
from actors.settings import SpeechSettings, WhisperSettings
from actors.telephone import TELEPHONE_RATE_HZ
from benchmarks.harness.machine import Machine, available_cores
from benchmarks.harness.telephone_speech import Utterance, obtain_corpus, read_corpus, spread
from ingress.caller.word_errors import WordErrors, word_errors

TARGET_SPEED_RATIO = 6.0
TARGET_ADDED_ERROR_RATE = 0.005
DEFAULT_UTTERANCES = 96
BLOCK_UTTERANCES = 24
WORST_SHOWN = 10
_START_DEADLINE_S = 120.0
_UTTERANCE_DEADLINE_S = 120.0
_STOP_DEADLINE_S = 10.0

Transcriber = Callable[[bytes], tuple[str, int]]
"""8 kHz audio to its words and the number of decodes that took."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """One way of running the model on all cores."""

    name: str
    processes: int
    threads: int
    beam_size: int = 1
    stock: bool = True


@dataclass(slots=True)
class Score:
    """What one contestant has done so far."""

    contestant: Contestant
    seconds: float = 0.0
    texts: dict[str, str] = field(default_factory=dict)
    """Utterance name to hypothesis."""
    second_decodes: int = 0
    pss_bytes: int = 0
    rss_bytes: int = 0

    @property
    def utterances_per_s(self) -> float:
        """Throughput over all blocks."""
        return len(self.texts) / self.seconds

    def errors(self, utterances: Sequence[Utterance]) -> WordErrors:
        """Return the word errors over all utterances."""
        return word_errors([u.text for u in utterances], [self.texts[u.name] for u in utterances])


@dataclass(frozen=True, slots=True)
class _Answer:
    """One transcribed utterance, or why a worker gave up."""

    name: str
    text: str = ""
    decodes: int = 1
    failure: str | None = None


class MeasurementError(RaymalError):
    """A worker could not start or died."""


class Team:
    """The worker processes of one contestant: loaded once, idle between blocks."""

    def __init__(self, contestant: Contestant, settings: WhisperSettings) -> None:
        context = multiprocessing.get_context("spawn")
        self.score = Score(contestant)
        self._tasks: Any = context.Queue()
        self._answers: Any = context.Queue()
        # As Ray does for an actor of so many CPUs; numpy and OpenMP read it when they are imported.
        os.environ["OMP_NUM_THREADS"] = str(contestant.threads)
        self._workers: list[BaseProcess] = [
            context.Process(
                target=_work, args=(contestant, settings, self._tasks, self._answers), daemon=True
            )
            for _ in range(contestant.processes)
        ]
        for worker in self._workers:
            worker.start()
        del os.environ["OMP_NUM_THREADS"]

    def wait_ready(self) -> None:
        """Return when every worker has loaded its model. Raises MeasurementError."""
        for _ in self._workers:
            self._next_answer(_START_DEADLINE_S)

    def transcribe(self, block: Sequence[Utterance]) -> Iterator[None]:
        """Transcribe a block, yielding after each utterance, and add it to the score."""
        started = time.perf_counter()
        for utterance in block:
            self._tasks.put((utterance.name, utterance.audio))
        for _ in block:
            answer = self._next_answer(_UTTERANCE_DEADLINE_S)
            self.score.texts[answer.name] = answer.text
            self.score.second_decodes += answer.decodes > 1
            yield
        self.score.seconds += time.perf_counter() - started

    def close(self) -> None:
        """Note the workers' memory and stop them."""
        memory = [
            psutil.Process(worker.pid).memory_full_info() for worker in self._workers if worker.is_alive()
        ]
        self.score.pss_bytes = sum(each.pss for each in memory)
        self.score.rss_bytes = sum(each.rss for each in memory)
        for _ in self._workers:
            self._tasks.put(None)
        for worker in self._workers:
            worker.join(_STOP_DEADLINE_S)
            worker.kill()
            worker.join()
        self._tasks.close()
        self._answers.close()

    def _next_answer(self, deadline_s: float) -> _Answer:
        give_up_at = time.monotonic() + deadline_s
        while time.monotonic() < give_up_at:
            try:
                answer: _Answer = self._answers.get(timeout=1.0)
            except Empty:
                if all(worker.is_alive() for worker in self._workers):
                    continue
                raise MeasurementError(f"a worker of {self.score.contestant.name} died") from None
            if answer.failure is not None:
                raise MeasurementError(f"{self.score.contestant.name}: {answer.failure}")
            return answer
        raise MeasurementError(f"{self.score.contestant.name} gave no answer in {deadline_s:.0f} s")


def _work(contestant: Contestant, settings: WhisperSettings, tasks: Any, answers: Any) -> None:
    """Body of a worker process: load, then answer tasks until there is a None."""
    try:
        transcribe = _stock(contestant, settings) if contestant.stock else _raymal(contestant, settings)
        answers.put(_Answer("ready"))
        while (task := tasks.get()) is not None:
            name, audio = task
            text, decodes = transcribe(audio)
            answers.put(_Answer(name, text, decodes))
    except KeyboardInterrupt:
        return
    except Exception as error:
        answers.put(_Answer("", failure=f"{type(error).__name__}: {error}"))


def _stock(contestant: Contestant, settings: WhisperSettings) -> Transcriber:
    import numpy as np
    import soxr
    from faster_whisper import WhisperModel

    model = WhisperModel(obtain(settings), device="cpu", compute_type="int8", cpu_threads=contestant.threads)

    def transcribe(audio: bytes) -> tuple[str, int]:
        samples = np.frombuffer(audio, "<i2").astype(np.float32) / 32_768.0
        segments, _ = model.transcribe(
            soxr.resample(samples, TELEPHONE_RATE_HZ, 16_000), language="en", beam_size=contestant.beam_size
        )
        return "".join(segment.text for segment in segments).strip(), 1

    transcribe(bytes(2 * TELEPHONE_RATE_HZ))
    return transcribe


def _raymal(contestant: Contestant, settings: WhisperSettings) -> Transcriber:
    from actors.engines.whisper import WhisperStt

    own = settings.model_copy(
        update={"device": "cpu", "threads": contestant.threads, "beam_size": contestant.beam_size}
    )
    engine = WhisperStt(SpeechSettings(whisper=own))
    engine.load()

    def transcribe(audio: bytes) -> tuple[str, int]:
        transcript = engine.transcribe(Transcribe("benchmark", audio, "en"))
        return transcript.text, transcript.attempts

    return transcribe


def contestants(cores: int, with_beam_5: bool, with_processes: bool) -> tuple[Contestant, ...]:
    """Return who takes part; stock beam 1, the one to beat, comes first and raymal last."""
    field_ = [Contestant("stock, beam 1", 1, cores)]
    if with_beam_5:
        field_.append(Contestant("stock, beam 5", 1, cores, beam_size=5))
    if with_processes:
        field_.append(Contestant(f"stock, {cores} processes", cores, 1))
    field_.append(Contestant("raymal", cores, 1, stock=False))
    return tuple(field_)


def run(
    utterances: Sequence[Utterance],
    field_: Sequence[Contestant],
    settings: WhisperSettings,
    console: Console,
) -> list[Score]:
    """Let every contestant transcribe every utterance, block by block in turn. Raises MeasurementError."""
    teams: list[Team] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        with Progress(*columns, console=console) as progress:
            for contestant in field_:
                teams.append(Team(contestant, settings))
                teams[-1].wait_ready()
            bars = [progress.add_task(each.name, total=len(utterances)) for each in field_]
            for start in range(0, len(utterances), BLOCK_UTTERANCES):
                block = utterances[start : start + BLOCK_UTTERANCES]
                for team, bar in zip(teams, bars, strict=True):
                    for _ in team.transcribe(block):
                        progress.advance(bar)
    finally:
        for team in teams:
            team.close()
    return [team.score for team in teams]


def speed_ratio(scores: Sequence[Score]) -> float:
    """Return how many times faster raymal (the last) is than stock beam 1 (the first)."""
    return scores[-1].utterances_per_s / scores[0].utterances_per_s


def failures(scores: Sequence[Score], utterances: Sequence[Utterance]) -> list[str]:
    """Return one line for each target that was missed."""
    missed = []
    ratio = speed_ratio(scores)
    if ratio < TARGET_SPEED_RATIO:
        missed.append(f"{ratio:.2f}x stock's utterances/s, target {TARGET_SPEED_RATIO:g}x")
    added = scores[-1].errors(utterances).rate - scores[0].errors(utterances).rate
    if added > TARGET_ADDED_ERROR_RATE:
        missed.append(
            f"word error rate {added:+.2%} against stock, target {TARGET_ADDED_ERROR_RATE:+.2%} at most"
        )
    return missed


def _table(scores: Sequence[Score], utterances: Sequence[Utterance]) -> Table:
    speech_s = sum(utterance.duration_s for utterance in utterances)
    table = Table(
        title=f"{len(utterances)} utterances, {speech_s:.0f} s of speech",
        caption="workers: processes x threads; per s: utterances; twice: decoded a second time; "
        "memory of all workers, in MiB",
    )
    for heading in ("", "workers", "per s", "x stock", "WER", "twice", "PSS", "RSS"):
        table.add_column(heading, justify="right" if heading else "left")
    for score in scores:
        contestant = score.contestant
        table.add_row(
            contestant.name,
            f"{contestant.processes} x {contestant.threads}",
            f"{score.utterances_per_s:.2f}",
            f"{score.utterances_per_s / scores[0].utterances_per_s:.2f}",
            f"{score.errors(utterances).rate:.2%}",
            "" if contestant.stock else str(score.second_decodes),
            f"{score.pss_bytes / 2**20:.0f}",
            f"{score.rss_bytes / 2**20:.0f}",
        )
    return table


def _worst(scores: Sequence[Score], utterances: Sequence[Utterance]) -> Table:
    """Show raymal's worst utterances, with what stock heard."""
    rated = [(word_errors([u.text], [scores[-1].texts[u.name]]), u) for u in utterances]
    rated.sort(key=lambda each: (-each[0].errors, -each[0].rate, each[1].name))
    table = Table(title="worst of raymal")
    for heading in ("prompt", "errors", "WER", "said", "raymal heard", "stock heard"):
        table.add_column(heading, justify="right" if heading in ("errors", "WER") else "left")
    for errors, utterance in rated[:WORST_SHOWN]:
        heard = (scores[-1].texts[utterance.name], scores[0].texts[utterance.name])
        table.add_row(utterance.name, str(errors.errors), f"{errors.rate:.0%}", utterance.text, *heard)
    return table


def _report(scores: Sequence[Score], utterances: Sequence[Utterance], machine: Machine) -> dict[str, Any]:
    return {
        "machine": asdict(machine),
        "utterances": len(utterances),
        "speech_s": round(sum(utterance.duration_s for utterance in utterances), 1),
        "speed_ratio": round(speed_ratio(scores), 3),
        "missed": failures(scores, utterances),
        "contestants": [
            {
                **asdict(score.contestant),
                "utterances_per_s": round(score.utterances_per_s, 3),
                "word_error_rate": round(score.errors(utterances).rate, 5),
                "second_decodes": score.second_decodes,
                "pss_bytes": score.pss_bytes,
                "rss_bytes": score.rss_bytes,
                "texts": score.texts,
            }
            for score in scores
        ],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparison and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stt", description=__doc__.splitlines()[0])
    parser.add_argument("--utterances", type=int, default=DEFAULT_UTTERANCES, help="how many, spread by name")
    parser.add_argument("--all", action="store_true", help="every utterance of the corpus")
    parser.add_argument("--model", default=WhisperSettings().model, help="as speech.whisper.model")
    parser.add_argument("--window-s", type=float, default=WhisperSettings().window_s, help="encoder window")
    parser.add_argument("--beam-5", action="store_true", help="stock with beam 5 as well")
    parser.add_argument(
        "--stock-processes", action="store_true", help="stock with one process per core as well"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures and every text there")
    options = parser.parse_args(arguments)
    if options.utterances < 1:
        parser.error("--utterances must be at least 1")
    console = Console()
    try:
        settings = WhisperSettings(model=options.model, window_s=options.window_s)
        corpus = read_corpus(obtain_corpus())
        utterances = corpus if options.all else spread(corpus, options.utterances)
        machine = Machine.this(("faster-whisper", "ctranslate2", "numpy", "soxr"))
        console.print(str(machine), highlight=False)
        obtain(settings)  # once, before the workers ask for it
        field_ = contestants(available_cores(), options.beam_5, options.stock_processes)
        scores = run(utterances, field_, settings, console)
    except (RaymalError, ValueError) as error:
        console.print(f"[red]not measured:[/] {error}", highlight=False)
        return 2
    console.print(_worst(scores, utterances), _table(scores, utterances))
    if options.json:
        report = _report(scores, utterances, machine)
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    missed = failures(scores, utterances)
    for line in missed:
        console.print(f"[red]FAIL[/] {line}", highlight=False)
    if not missed:
        added = scores[-1].errors(utterances).rate - scores[0].errors(utterances).rate
        console.print(
            f"[green]PASS[/] {speed_ratio(scores):.2f}x stock, word error rate {added:+.2%}", highlight=False
        )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
