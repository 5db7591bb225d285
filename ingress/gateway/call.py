"""What runs in the gateway for one call: at most one turn, and at most one transcription ahead of the next.

A turn waits for the verdict on its call before it does anything, so nothing that a caller says while the
manager is asked gets lost, and nothing of a refused call ever takes a slot. What is begun ahead can be lost:
the turn then transcribes by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from actors.errors import LinkError
from actors.messages import SessionActivity
from ingress.configuration.extensions import Extension
from ingress.gateway.admission import Place
from ingress.gateway.call_figures import CallFigures
from ingress.gateway.turn_runner import Ahead, Send, TurnRunner
from ingress.link.messages import CallStarted, Digit, Greet, TranscribeAhead, Utterance


class CallWork:
    """One call of a media worker, as long as it has a place or waits for one."""

    def __init__(
        self, started: CallStarted, extension: Extension, place: Place, runner: TurnRunner, send: Send
    ) -> None:
        self._started = started
        self.extension = extension
        self.place = place
        self.figures = CallFigures()
        self._runner = runner
        self._send = send
        self._turn = 0
        self._running: asyncio.Task[None] | None = None
        self._ahead: Ahead | None = None

    def run_turn(self, request: Greet | Utterance | Digit) -> None:
        """Start a turn; a call has one at a time, so an older one has been given up by its call."""
        if self._running is not None:
            self._running.cancel()
        ahead: Ahead | None = None
        if isinstance(request, Utterance):
            self._heard_caller()
            if self._ahead is not None and self._ahead.turn != request.turn:
                self.drop_ahead()
            ahead, self._ahead = self._ahead, None
        self._turn = request.turn
        self._running = asyncio.create_task(self._run(request, ahead), name=f"turn of call {request.call_id}")
        if ahead is not None:  # it ends with its turn, also with one that is cancelled before its first step
            self._running.add_done_callback(lambda _: ahead.task.cancel())

    def cancel_turn(self, turn: int) -> None:
        """Stop a turn with all that runs for it; one that is over is left alone."""
        if self._turn == turn and self._running is not None:
            self._running.cancel()

    def begin_ahead(self, request: TranscribeAhead) -> None:
        """Begin to transcribe for a turn that may come; an older one is worthless."""
        self.drop_ahead()
        self._heard_caller()
        if self.place.is_held:
            self._ahead = self._runner.begin_ahead(request, self.extension)

    def drop_ahead(self) -> None:
        """Stop what was begun ahead, if anything."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            ahead.task.cancel()

    def note(self) -> None:
        """Tell the manager the call's figures."""
        self.place.note(self.figures.current)

    def stop(self) -> list[asyncio.Task[Any]]:
        """Cancel everything; return what was cancelled and may take a moment to end.

        It is let go of as well: a call and its turn that hold each other wait for the garbage collector.
        """
        running, self._running = self._running, None
        ahead, self._ahead = self._ahead, None
        tasks: list[asyncio.Task[Any]] = []
        if running is not None:
            tasks.append(running)
        if ahead is not None:
            tasks.append(ahead.task)
        for task in tasks:
            task.cancel()
        return tasks

    async def _run(self, request: Greet | Utterance | Digit, ahead: Ahead | None) -> None:
        def turned_to(activity: SessionActivity) -> None:
            self.figures.turned_to(request.turn, activity)
            self.note()

        with contextlib.suppress(LinkError):  # the receiving side notices and closes
            if await self.place.decided():
                await self._runner.run(request, self._started, self.extension, self._send, ahead, turned_to)

    def _heard_caller(self) -> None:
        if not self.figures.current.has_spoken:
            self.figures.heard_caller()
            self.note()
