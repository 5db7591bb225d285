"""Runs a plan: worker processes of one thread, each with both recognisers, as many as there are cores.

What is quoted are words and CPU time, not wall time, so jobs need not take turns; within one job both sides
transcribe the same turns one after the other.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

from actors.errors import RaymalError
from actors.settings import WhisperSettings
from benchmarks.hearing.conditions import Network
from benchmarks.hearing.one_call import HeardCall, hear
from benchmarks.hearing.plan import Job, NoiseJob
from benchmarks.hearing.recognisers import Recognisers
from benchmarks.hearing.trial import NoiseTrial, Trial, Turn

JOB_DEADLINE_S = 900.0
"""For one job to end while the others do: 5 minutes of babble are at most 11 turns of 28 s."""


class Study:
    """The worker processes; to be closed."""

    def __init__(self, processes: int, settings: WhisperSettings) -> None:
        # Read by numpy and OpenMP when a worker imports them.
        os.environ["OMP_NUM_THREADS"] = "1"
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(processes, context, _load, (settings,))

    def run(self, jobs: Sequence[Job]) -> Iterator[Trial | NoiseTrial]:
        """Yield what came of each job, in the order in which they end. Raises RaymalError."""
        try:
            waiting: list[Future[Trial | NoiseTrial]] = [self._pool.submit(_do, job) for job in jobs]
            for each in as_completed(waiting, JOB_DEADLINE_S * max(1, len(jobs))):
                yield each.result()
        except BrokenProcessPool as error:
            raise RaymalError("a worker died") from error

    def close(self) -> None:
        """Stop the workers."""
        self._pool.shutdown(cancel_futures=True)
        del os.environ["OMP_NUM_THREADS"]


def listen(job: Job, recognisers: Recognisers) -> Trial | NoiseTrial:
    """Do one job."""
    if isinstance(job, NoiseJob):
        packets = Network().packets(job.noise.samples(job.seconds, job.half), job.noise.name)
        call = hear(packets, job.noise.name)
        turns = _turns(call, "en", recognisers)
        return NoiseTrial(job.noise.name, job.seconds, turns, call.noises, call.fault)
    utterance, condition = job.utterance, job.condition
    stream = condition.stream(utterance)
    call = hear(condition.network.packets(stream.samples, utterance.name), utterance.name)
    return Trial(
        condition=condition.name,
        name=utterance.name,
        kind=utterance.kind,
        language=utterance.language,
        extension_language=job.extension_language,
        said=utterance.text,
        duration_s=utterance.duration_s,
        ends_s=stream.ends_s,
        turns=_turns(call, job.extension_language, recognisers),
        noises=call.noises,
        fault=call.fault,
    )


def _turns(call: HeardCall, language: str, recognisers: Recognisers) -> tuple[Turn, ...]:
    return tuple(
        Turn(
            begins_s=turn.begins_s,
            last_speech_s=turn.last_speech_s,
            decided_s=turn.decided_s,
            ours=recognisers.ours(turn.audio, language),
            stock=recognisers.stock(turn.audio, language),
        )
        for turn in call.turns
    )


_recognisers: Recognisers
"""Of a worker process."""


def _load(settings: WhisperSettings) -> None:
    global _recognisers
    _recognisers = Recognisers(settings)


def _do(job: Job) -> Trial | NoiseTrial:
    return listen(job, _recognisers)
