"""`raymal demo`: the whole thing once, on this machine: a server, a call, a question, its answer.

With `--dialog llm` a small language model answers, which runs in this process.

Starts `raymal serve` as a process of its own, waits until it can serve a turn, dials in, speaks, and
shows what was heard and answered. It succeeds only if the words were understood and speech came back.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rich.console import Console

from actors.errors import ConfigurationError, LinkError, RaymalError
from ingress.caller.script import CallScript, Speak
from ingress.caller.wave_files import read_wave, write_wave
from ingress.caller.word_errors import word_errors
from ingress.commands import call
from ingress.dialogs.llm.local_model import MODEL, local_model
from ingress.server import observer
from ingress.server.exit_codes import ExitCode

QUESTION = "Could you please tell me what time it is?"
MODEL_GREETING = "Hello. What would you like to know?"
MODEL_SETTINGS = {
    "may_end_call": "false",
    "temperature": 0,
    "maximum_tokens": 60,
    "first_token_deadline_s": 15,
}
"""For a model that knows no tools and shares the cores with everything else."""
WORD_ERROR_LIMIT = 0.2
START_DEADLINE_S = 120.0
CALM_DEADLINE_S = 15.0
CALM_POLL_S = 0.5
STOP_DEADLINE_S = 45.0


class DemoError(RaymalError):
    """The server did not start."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "demo",
        description="Start Ray and raymal on this machine, dial in, speak a question and show what was "
        "heard, what was answered, where the time went and where the answer's WAV lies. Exit code 0 only "
        f"if at most {WORD_ERROR_LIMIT:.0%} of the words were misheard and speech was heard back.",
    )
    parser.add_argument("--say", metavar="TEXT", default=QUESTION, help=f"the question ({QUESTION!r})")
    parser.add_argument("--wav", metavar="FILE", type=Path, help="a recording to play instead")
    parser.add_argument("--expect", metavar="TEXT", help="the recording's words, to check what was heard")
    parser.add_argument("--folder", metavar="DIR", type=Path, default=Path("demo"), help="for files (demo)")
    parser.add_argument("--no-ray", action="store_true", help="run the speech workers without Ray")
    parser.add_argument(
        "--dialog",
        choices=["echo", "llm"],
        default="echo",
        help="who answers: the echo, or a small language model, offline (extra local-llm) (echo)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the demo."""
    console = Console(stderr=arguments.json)
    try:
        arguments.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigurationError(f"--folder {arguments.folder}: cannot be made: {reason}") from error
    question, answer = arguments.folder / "question.wav", arguments.folder / "answer.wav"
    expected = arguments.expect if arguments.wav else arguments.say
    with console.status("preparing the question"):
        audio = read_wave(arguments.wav) if arguments.wav else call.speak(arguments.say)
    write_wave(question, audio)
    log = arguments.folder / "server.log"
    flags = ["--no-ray"] if arguments.no_ray else []
    with dialog_flags(arguments.dialog) as more, server(log, [*flags, *more], console) as port:
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
        settings = {"model": MODEL, "base_url": base_url, **MODEL_SETTINGS}
        flags = [part for key, value in settings.items() for part in ("--set", f"dialog.llm.{key}={value}")]
        yield ["--dialog", "llm", "--greeting", MODEL_GREETING, *flags]


@contextmanager
def server(log: Path, flags: list[str], console: Console) -> Iterator[int]:
    """Run `raymal serve` on a free port until the block ends; yield the port once it is ready."""
    port = _free_port()
    command = [sys.executable, "-m", "ingress", "serve", "--port", str(port), "--keep-transcripts"]
    command += ["--set", "web.port=0", "--set", "agi.port=0", *flags]
    # A configuration of the user's own Ray must not move the demo somewhere else.
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=stream, env=environment)
        try:
            with console.status("starting the server") as progress:
                asyncio.run(_until_ready(process, port, log, progress.update))
                asyncio.run(_until_calm(port, progress.update))
            yield port
        finally:
            with console.status("stopping the server"):
                _stop(process)


async def _until_ready(
    process: subprocess.Popen[bytes], port: int, log: Path, update: Callable[[str], None]
) -> None:
    def on_detail(detail: str) -> None:
        if process.poll() is not None:
            raise DemoError(f"the server ended with exit code {process.returncode}; {_last_line(log)}")
        update(f"starting the server: {detail}")

    try:
        await observer.wait_until_ready(port, START_DEADLINE_S, on_detail)
    except TimeoutError as error:
        raise DemoError(f"the server is {error}; its log is {log}") from None


async def _until_calm(port: int, update: Callable[[str], None]) -> None:
    """Let the load of the start pass, for a while: a server that is busy with it does less for each call."""
    with suppress(TimeoutError, LinkError):
        async with asyncio.timeout(CALM_DEADLINE_S):
            while (await observer.status(port)).level:
                update("starting the server: the load of its start passes")
                await asyncio.sleep(CALM_POLL_S)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_DEADLINE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _words(placed: call.PlacedCall) -> tuple[str, str]:
    """Return what the server heard and what it said to that."""
    turns = placed.record.turns if placed.record else ()
    spoken = [turn for turn in turns if turn.kind == "utterance"]
    heard = " ".join(turn.heard or "" for turn in spoken).strip()
    return heard, " ".join(turn.answered or "" for turn in spoken).strip()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"its log {log} is empty"
