"""A demo with one question: the echo repeats it, or a small language model answers it, in this process."""

from __future__ import annotations

import argparse
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from ingress.caller.script import CallScript, Speak
from ingress.caller.wave_files import read_wave, write_wave
from ingress.caller.word_errors import word_errors
from ingress.commands import call
from ingress.commands.demo_server import server
from ingress.dialogs.llm.local_model import flags, local_model
from ingress.server.exit_codes import ExitCode

QUESTION = "Could you please tell me what time it is?"
MODEL_GREETING = "Hello. What would you like to know?"
WORD_ERROR_LIMIT = 0.2


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Run the demo and print what was heard and answered."""
    question, answer = arguments.folder / "question.wav", arguments.folder / "answer.wav"
    text = arguments.say or QUESTION
    expected = arguments.expect if arguments.wav else text
    with console.status("preparing the question"):
        audio = read_wave(arguments.wav) if arguments.wav else call.speak(text)
    write_wave(question, audio)
    log = arguments.folder / "server.log"
    no_ray = ["--no-ray"] if arguments.no_ray else []
    with dialog_flags(arguments.dialog) as more, server(log, [*no_ray, *more], console) as port:
        script = CallScript(host="127.0.0.1", port=port, call_id=uuid.uuid4(), steps=(Speak(audio),))
        placed = call.place(script, console)
    write_wave(answer, placed.result.received)
    heard, answered = _words(placed)
    errors = word_errors([expected], [heard]) if expected else None
    understood = bool(heard) and (errors is None or errors.rate <= WORD_ERROR_LIMIT)
    succeeded = understood and placed.was_answered
    if arguments.json:
        summary = call.as_json(placed, answer)
        summary |= {"asked": expected, "heard": heard, "answered_text": answered, "succeeded": succeeded}
        summary["word_error_rate"] = errors.rate if errors else None
        print(json.dumps(summary, indent=2))
    else:
        call.show(placed, console)
        rows = [("asked", expected or str(arguments.wav)), ("heard", heard), ("answered", answered)]
        for name, text in rows:
            console.print(f"{name + ':':10}{text or '(nothing)'}", markup=False)
        if errors:
            console.print(f"word error rate {errors.rate:.0%} (limit {WORD_ERROR_LIMIT:.0%})")
        console.print(f"files: {question}, {answer}, {log}", markup=False)
        if succeeded:
            console.print("the demo succeeded")
        else:
            console.print("the demo FAILED", style="bold red")
    return ExitCode.OK if succeeded else ExitCode.FAILED


@contextmanager
def dialog_flags(name: str) -> Iterator[list[str]]:
    """Yield the flags of a dialog, and run what it needs until then. Raises ConfigurationError."""
    if name != "llm":
        yield []
        return
    with local_model() as base_url:
        yield ["--greeting", MODEL_GREETING, *flags(base_url)]


def _words(placed: call.PlacedCall) -> tuple[str, str]:
    """Return what the server heard and what it said to that."""
    turns = placed.record.turns if placed.record else ()
    spoken = [turn for turn in turns if turn.kind == "utterance"]
    heard = " ".join(turn.heard or "" for turn in spoken).strip()
    return heard, " ".join(turn.answered or "" for turn in spoken).strip()
