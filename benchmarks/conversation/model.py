"""The second part: a real language model on this machine, through the llm dialog.

The model runs in this process, as threads of llama.cpp; the server is one of its own.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.conversation.answers import Cut, Streamed, cut_by_key, cut_by_speech, streamed
from benchmarks.conversation.calling import Placed, place
from benchmarks.conversation.proxy import ModelProxy
from benchmarks.conversation.speakers import SPEAKERS
from benchmarks.conversation.voice import OPEN, SPEECH
from benchmarks.harness.server import serving
from ingress.caller.script import Press, Speak, Step
from ingress.dialogs.llm.local_model import MODEL, local_model

PROMPT = "You are a guide of a museum. Answer every question with three or four sentences."
QUESTIONS = (
    "Tell me something about Paris.",
    "What can I see in the museum?",
    "Who painted the Mona Lisa?",
    "Why is the sky blue?",
    "How do birds fly?",
    "What is a good book for children?",
    "Tell me about the ocean.",
    "How is bread made?",
    "What do you know about horses?",
    "Where does coffee come from?",
)
PER_CALL = 5
"""Questions of one call: the history, which the model reads again each time, stays short."""
INTO_ANSWER_S = 0.4
"""An answer is interrupted so early that the model still writes it."""
KEY = "5"


@dataclass(slots=True)
class ModelFindings:
    """All answers."""

    planned_answers: int
    planned_cuts: int
    answers: list[Streamed] = field(default_factory=list)
    cuts: list[Cut] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Plan:
    questions: int
    by_key: int
    by_speech: int


def _plan(is_quick: bool) -> _Plan:
    return _Plan(2, 1, 1) if is_quick else _Plan(10, 10, 5)


def _question(number: int) -> Speak:
    speakers = SPEAKERS["en"]
    return Speak(speakers[number % len(speakers)].say(QUESTIONS[number % len(QUESTIONS)]))


def _interruption(number: int, by_speech: bool) -> Step:
    if not by_speech:
        return Press(KEY, INTO_ANSWER_S)
    return Speak(_question(number + 1).audio, INTO_ANSWER_S)


def _cut_script(numbers: range, by_speech: bool) -> list[Step]:
    """Return questions, each with an interruption of its answer."""
    steps: list[Step] = []
    for number in numbers:
        steps += [_question(number), _interruption(number, by_speech)]
    return steps


def _groups(count: int) -> list[range]:
    return [range(first, min(count, first + PER_CALL)) for first in range(0, count, PER_CALL)]


def measure(is_quick: bool, on_done: Callable[[], None]) -> ModelFindings:
    """Ask the model and interrupt it. Raises ConfigurationError without the model, ServerError, CallError."""
    plan = _plan(is_quick)
    with local_model() as base_url, tempfile.TemporaryDirectory(prefix="bench-") as folder:
        prompt = Path(folder, "prompt.txt")
        prompt.write_text(PROMPT)
        return asyncio.run(_measure(plan, base_url, prompt, on_done))


async def _measure(plan: _Plan, base_url: str, prompt: Path, on_done: Callable[[], None]) -> ModelFindings:
    found = ModelFindings(plan.questions, plan.by_key + plan.by_speech)
    proxy = ModelProxy(base_url)
    async with proxy.serving() as address:
        command = (*SPEECH, *OPEN, *_dialog(address, prompt))
        async with AsideServer("llm", command) as port:
            for numbers in _groups(plan.questions):
                placed = await place(port, [_question(number) for number in numbers])
                _take_answers(placed, proxy, found)
                on_done()
            for by_speech, count in ((False, plan.by_key), (True, plan.by_speech)):
                for numbers in _groups(count):
                    placed = await place(port, _cut_script(numbers, by_speech))
                    _take_cuts(placed, proxy, by_speech, found)
                    on_done()
    return found


def calls(is_quick: bool) -> int:
    """Return how many calls are placed."""
    plan = _plan(is_quick)
    return sum(len(_groups(count)) for count in (plan.questions, plan.by_key, plan.by_speech))


class AsideServer:
    """A server that starts and ends in a thread, so that this loop goes on."""

    def __init__(self, name: str, command: tuple[str, ...]) -> None:
        self._serving = serving(name, command)

    async def __aenter__(self) -> int:
        server = await asyncio.to_thread(self._serving.__enter__)
        return server.port

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self._serving.__exit__, None, None, None)


def _dialog(address: str, prompt: Path) -> tuple[str, ...]:
    settings = {
        "dialog.greeting": "Museum, good morning.",
        "dialog.llm.base_url": address,
        "dialog.llm.model": MODEL,
        "dialog.llm.prompt_file": str(prompt),
        "dialog.llm.temperature": "0",
        "dialog.llm.maximum_tokens": "90",
        "dialog.llm.may_end_call": "false",
        # A filler would be the first sound in place of the answer.
        "dialog.llm.filler_after_s": "0",
    }
    pairs = (f"{name}={value}" for name, value in settings.items())
    return ("--dialog", "llm", *(part for pair in pairs for part in ("--set", pair)))


def _take_answers(placed: Placed, proxy: ModelProxy, found: ModelFindings) -> None:
    for turn in placed.result.turns:
        if (answer := streamed(turn, placed.result.started_s, proxy.answers)) is not None:
            found.answers.append(answer)


def _take_cuts(placed: Placed, proxy: ModelProxy, by_speech: bool, found: ModelFindings) -> None:
    result = placed.result
    for turn in result.turns:
        if turn.step % 2 == 0:
            continue  # the question
        if by_speech:
            found.cuts.append(cut_by_speech(turn, result.started_s, result.received, proxy.answers))
        else:
            found.cuts.append(cut_by_key(turn, result.started_s, proxy.answers))
