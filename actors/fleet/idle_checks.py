"""Asks idle workers whether they are there, so that no request has to find out that one is not.

One that works shows by its work that it is there. Each other one is asked every `PERIOD_S`. Time is an
argument and has to be that of a `RunningClock`: an answer that came while this process was stopped is taken
in before its absence counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from actors.errors import WorkerLostError

PERIOD_S = 1.0
SILENCE_S = 2.0
"""A worker that has not answered for so long gets no requests until it does."""


@dataclass(frozen=True, slots=True)
class _Question:
    worker: Any
    asked_s: float
    answer: asyncio.Task[None]


class IdleChecks:
    """Questions to the idle workers of one fleet: at most one to each at a time."""

    def __init__(self, ask: Callable[[Any], Awaitable[None]]) -> None:
        """`ask` returns once a worker has answered, and raises WorkerLostError if it is dead."""
        self._ask = ask
        self._questions: dict[str, _Question] = {}
        """To each idle worker the last one, answered or not, by worker id."""

    def step(self, idle: Mapping[str, Any], now: float) -> list[tuple[str, bool]]:
        """Ask what is due; return the workers that are gone, with whether each is surely dead.

        `idle`: the workers themselves by id. To be called about twice a second.
        """
        for worker_id, question in list(self._questions.items()):
            if idle.get(worker_id) is not question.worker:
                question.answer.cancel()
                del self._questions[worker_id]
        gone = []
        for worker_id, worker in idle.items():
            last = self._questions.get(worker_id)
            if last is not None and last.answer.done() and _is_dead(last.answer):
                gone.append((worker_id, True))
            elif last is not None and not last.answer.done() and now - last.asked_s >= SILENCE_S:
                gone.append((worker_id, False))
            elif last is None or (last.answer.done() and now - last.asked_s >= PERIOD_S):
                answer = asyncio.create_task(self._answer(worker), name=f"check {worker_id}")
                answer.add_done_callback(_is_dead)  # looked at, even if it is no longer of interest
                self._questions[worker_id] = _Question(worker, now, answer)
        return gone

    async def _answer(self, worker: Any) -> None:
        await self._ask(worker)


def _is_dead(answer: asyncio.Task[None]) -> bool:
    return not answer.cancelled() and isinstance(answer.exception(), WorkerLostError)
