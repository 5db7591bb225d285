"""Speech to text: the `whisper` engine against stock faster-whisper, side by side.

Both get the same model, cores and recordings, and work in turns: a block of utterances by one, the same
block by the other, so that a slow minute of the machine hits both. Stock is one process with a thread per
core, int8, the language given, beam 1; raymal one worker process of one thread per core, as it is deployed.

Run as `python -m benchmarks.stt`. Exit code 1 if a target is missed, 2 if it could not be measured.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field
from multiprocessing.synchronize import Barrier
from typing import Any

import psutil
from rich.console import Console

from actors.engines.whisper_weights import obtain
from actors.errors import RaymalError
from actors.messages import Transcribe
from actors.settings import SpeechSettings, WhisperSettings
from benchmarks.harness import command
from benchmarks.harness.command import Report, progress_bar
from benchmarks.harness.machine import available_cores
from benchmarks.harness.outcomes import Outcome, judged
from benchmarks.harness.telephone_speech import Utterance, obtain_corpus, read_corpus, spread
from benchmarks.seed_design.models import StockWhisper
from ingress.caller.word_errors import WordErrors, word_errors

PROGRAM = "benchmarks.stt"
SPEED_RATIO = 6.0
ADDED_ERROR_RATE = 0.005
DEFAULT_UTTERANCES = 96
BLOCK_UTTERANCES = 24
_ANSWER_DEADLINE_S = 120.0
"""Of a worker: for loading its model, and for one utterance."""

Transcriber = Callable[[bytes], tuple[str, int]]
"""8 kHz audio to its words and the number of decodes that took."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """One way of running the model on all cores."""

    name: str
    processes: int
    threads: int
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

    @property
    def utterances_per_s(self) -> float:
        """Throughput over all blocks."""
        return len(self.texts) / self.seconds

    def errors(self, utterances: Sequence[Utterance]) -> WordErrors:
        """Return the word errors over all utterances."""
        return word_errors([u.text for u in utterances], [self.texts[u.name] for u in utterances])


class Team:
    """The worker processes of one contestant: loaded once, idle between blocks."""

    def __init__(self, contestant: Contestant, settings: WhisperSettings) -> None:
        """Return when every worker has loaded its model. Raises BrokenProcessPool, TimeoutError."""
        context = multiprocessing.get_context("spawn")
        self.score = Score(contestant)
        barrier = context.Barrier(contestant.processes)
        self._pool = ProcessPoolExecutor(contestant.processes, context, _start, (barrier,))
        # As Ray does for an actor of so many CPUs; numpy and OpenMP read it when they are imported.
        os.environ["OMP_NUM_THREADS"] = str(contestant.threads)
        loading = [self._pool.submit(_load, contestant, settings) for _ in range(contestant.processes)]
        del os.environ["OMP_NUM_THREADS"]
        self._workers = [each.result(_ANSWER_DEADLINE_S) for each in loading]

    def transcribe(self, block: Sequence[Utterance]) -> Iterator[None]:
        """Transcribe a block, yielding after each utterance, and add it to the score."""
        started = time.perf_counter()
        names = {self._pool.submit(_transcribe, each.audio): each.name for each in block}
        for answer in as_completed(names, _ANSWER_DEADLINE_S * len(block)):
            text, decodes = answer.result()
            self.score.texts[names[answer]] = text
            self.score.second_decodes += decodes > 1
            yield
        self.score.seconds += time.perf_counter() - started

    def note_memory(self) -> None:
        """Add what the workers use to the score."""
        self.score.pss_bytes = sum(psutil.Process(each).memory_full_info().pss for each in self._workers)

    def close(self) -> None:
        """Stop the workers."""
        self._pool.shutdown(cancel_futures=True)


_all_loaded: Barrier
_transcriber: Transcriber
"""Both of a worker process."""


def _start(barrier: Barrier) -> None:
    global _all_loaded
    _all_loaded = barrier


def _load(contestant: Contestant, settings: WhisperSettings) -> int:
    """Load the model; return this process's id once all have, so that each has been given one."""
    global _transcriber
    try:
        _transcriber = (_stock if contestant.stock else _raymal)(contestant.threads, settings)
    except BaseException:
        _all_loaded.abort()
        raise
    _all_loaded.wait(_ANSWER_DEADLINE_S)
    return os.getpid()


def _transcribe(audio: bytes) -> tuple[str, int]:
    return _transcriber(audio)


def _stock(threads: int, settings: WhisperSettings) -> Transcriber:
    stock = StockWhisper(obtain(settings), threads, beam_size=1)
    return lambda audio: (stock.transcribe(audio), 1)


def _raymal(threads: int, settings: WhisperSettings) -> Transcriber:
    from actors.engines.whisper import WhisperStt

    own = settings.model_copy(update={"device": "cpu", "threads": threads, "beam_size": 1})
    engine = WhisperStt(SpeechSettings(whisper=own))
    engine.load()

    def transcribe(audio: bytes) -> tuple[str, int]:
        transcript = engine.transcribe(Transcribe("benchmark", audio, "en"))
        return transcript.text, transcript.attempts

    return transcribe


def contestants(cores: int) -> list[Contestant]:
    """Return who takes part: stock, the one to beat, then raymal."""
    return [Contestant("stock, beam 1", 1, cores), Contestant("raymal", cores, 1, stock=False)]


def run(
    utterances: Sequence[Utterance], field_: Sequence[Contestant], settings: WhisperSettings, console: Console
) -> list[Score]:
    """Let every contestant transcribe every utterance, block by block in turn. Raises RaymalError."""
    teams: list[Team] = []
    try:
        with progress_bar(console) as progress:
            for contestant in field_:
                teams.append(Team(contestant, settings))
            bars = [progress.add_task(each.name, total=len(utterances)) for each in field_]
            for start in range(0, len(utterances), BLOCK_UTTERANCES):
                block = utterances[start : start + BLOCK_UTTERANCES]
                for team, bar in zip(teams, bars, strict=True):
                    for _ in team.transcribe(block):
                        progress.advance(bar)
                    progress.refresh()
        for team in teams:
            team.note_memory()
    except BrokenProcessPool as error:
        raise RaymalError("a worker died") from error
    finally:
        for team in teams:
            team.close()
    return [team.score for team in teams]


def speed_ratio(scores: Sequence[Score]) -> float:
    """Return how many times faster raymal (the last) is than stock beam 1 (the first)."""
    return scores[-1].utterances_per_s / scores[0].utterances_per_s


def targets(scores: Sequence[Score], utterances: Sequence[Utterance]) -> list[Outcome]:
    """Judge raymal (the last) against stock beam 1 (the first)."""
    stock, raymal = scores[0], scores[-1]
    ratio, rates = speed_ratio(scores), [score.errors(utterances).rate for score in (raymal, stock)]
    speeds = f"{raymal.utterances_per_s:.2f} to {stock.utterances_per_s:.2f}"
    return [
        judged(
            "utterances/s against stock",
            f"{SPEED_RATIO:g}x",
            f"{ratio:.2f}x ({speeds})",
            ratio >= SPEED_RATIO,
        ),
        judged(
            "word error rate against stock",
            f"{ADDED_ERROR_RATE:+.2%} at most",
            f"{rates[0] - rates[1]:+.2%} ({rates[0]:.2%} to {rates[1]:.2%})",
            rates[0] - rates[1] <= ADDED_ERROR_RATE,
        ),
    ]


def as_json(scores: Sequence[Score], utterances: Sequence[Utterance]) -> dict[str, Any]:
    """Return every figure and every text."""
    return {
        "utterances": len(utterances),
        "speech_s": round(sum(each.duration_s for each in utterances), 1),
        "speed_ratio": round(speed_ratio(scores), 3),
        "contestants": [
            {
                **asdict(score.contestant),
                "utterances_per_s": round(score.utterances_per_s, 3),
                "word_error_rate": round(score.errors(utterances).rate, 5),
                "second_decodes": score.second_decodes,
                "pss_bytes": score.pss_bytes,
                "texts": score.texts,
            }
            for score in scores
        ],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparison and return the exit code."""
    parser = command.parser(PROGRAM, __doc__)
    parser.add_argument("--utterances", type=int, default=DEFAULT_UTTERANCES, help="how many, spread by name")
    parser.add_argument("--all", action="store_true", help="every utterance of the corpus")
    parser.add_argument("--model", default=WhisperSettings().model, help="as speech.whisper.model")
    options = parser.parse_args(arguments)
    if options.utterances < 1:
        parser.error("--utterances must be at least 1")

    def measure(console: Console) -> Report:
        settings = WhisperSettings(model=options.model)
        obtain(settings)  # once, before the workers ask for it
        corpus = read_corpus(obtain_corpus())
        utterances = corpus if options.all else spread(corpus, options.utterances)
        scores = run(utterances, contestants(available_cores()), settings, console)
        rows = {"stt": targets(scores, utterances)}
        return Report(rows, figures=as_json(scores, utterances))

    packages = ("faster-whisper", "ctranslate2", "numpy", "soxr")
    return command.run(PROGRAM, packages, measure, options.json, arguments)


if __name__ == "__main__":
    sys.exit(main())
