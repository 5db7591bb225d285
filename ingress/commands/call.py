"""`raymal call`: dial in like Asterisk, speak, listen, and show where the time went."""

from __future__ import annotations

import argparse
import asyncio
import json
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from actors.checks.folders import file_obstacle
from actors.errors import ConfigurationError
from actors.telephone import audio_duration_ms
from ingress.caller.caller import CallResult, place_call
from ingress.caller.outcome import call_problems
from ingress.caller.script import CallScript, Speak
from ingress.caller.script_file import ScriptSpeech, read_script
from ingress.caller.wave_files import read_wave, write_wave
from ingress.commands import script_call
from ingress.commands.arguments import port, seconds
from ingress.commands.call_tables import quality_table, stage_tables
from ingress.commands.script_call import Voice, Where, place_script, prepare_script, server_record
from ingress.link.records import CallRecord
from ingress.server.exit_codes import ExitCode

LONGEST_CALL_S = 3_600.0
"""What is heard is kept in memory, 58 MB in that time."""


@dataclass(frozen=True, slots=True)
class PlacedCall:
    """A finished call, from both ends."""

    result: CallResult
    record: CallRecord | None
    """The server's own record; None if the server cannot be asked from here."""
    problems: Sequence[str]
    """What went wrong, as far as both ends know (`ingress.caller.outcome`)."""

    @property
    def was_answered(self) -> bool:
        """Whether every utterance was understood and answered."""
        return not self.problems


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "call",
        description="Place one call as Asterisk would: identify, wait for the greeting to end, speak, "
        "record the answer. Exit code 0 if every utterance was understood and answered, 1 if not, 3 if there "
        "is no connection. An apology is no answer: the server on this machine is asked how it went.",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--say",
        metavar="TEXT",
        action="append",
        help="speak this text; may be repeated (Hello. What time is it?)",
    )
    what.add_argument(
        "--wav", metavar="FILE", type=Path, action="append", help="play this recording; may be repeated"
    )
    what.add_argument(
        "--script", metavar="FILE", type=Path, help="do what this file says, on both legs (YAML)"
    )
    parser.add_argument("--host", default="127.0.0.1", help="the server's address (127.0.0.1)")
    parser.add_argument("--port", type=port, default=9092, help="the server's port, or an extension's (9092)")
    parser.add_argument(
        "--save", metavar="FILE", type=Path, default=Path("answer.wav"), help="record here (answer.wav)"
    )
    parser.add_argument(
        "--time-limit",
        metavar="SECONDS",
        type=seconds(LONGEST_CALL_S),
        default=120.0,
        help="hang up after this (120)",
    )
    parser.add_argument("--return-port", type=port, help="of the extension, for the script's return leg")
    parser.add_argument("--uuid", type=uuid.UUID, help="of the call (a random one)")
    parser.add_argument(
        "--tts",
        default="hibari",
        metavar="ENGINE",
        help="the caller's voice; a script names its own (hibari)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Place the call and print its tables."""
    console = Console(stderr=arguments.json)
    problem = file_obstacle(arguments.save)
    if problem is not None:
        raise ConfigurationError(f"--save {arguments.save}: {problem}")
    if arguments.script is not None:
        return _run_script(arguments, console)
    if arguments.return_port is not None:
        raise ConfigurationError("--return-port is for --script, which says what the return leg does")
    texts = arguments.say or ([] if arguments.wav else ["Hello. What time is it?"])
    with console.status("preparing what to say"):
        utterances = [speak(text, arguments.tts) for text in texts]
        utterances += [read_wave(file) for file in arguments.wav or []]
    script = CallScript(
        host=arguments.host,
        port=arguments.port,
        call_id=arguments.uuid or uuid.uuid4(),
        steps=tuple(Speak(utterance) for utterance in utterances),
        max_call_s=arguments.time_limit,
    )
    placed = place(script, console)
    write_wave(arguments.save, placed.result.received)
    if arguments.json:
        print(json.dumps(as_json(placed, arguments.save), indent=2))
    else:
        show(placed, console)
        console.print(f"what the caller heard: {arguments.save}", markup=False)
    return ExitCode.OK if placed.was_answered else ExitCode.FAILED


def _run_script(arguments: argparse.Namespace, console: Console) -> int:
    where = Where(
        arguments.host,
        arguments.port,
        arguments.return_port,
        arguments.uuid or uuid.uuid4(),
        arguments.time_limit,
    )
    script = read_script(arguments.script)
    prepared = prepare_script(script, arguments.script.parent, where, console)
    placed = place_script(prepared, arguments.port, console)
    write_wave(arguments.save, placed.caller.received)
    if arguments.json:
        print(json.dumps(script_call.as_json(placed) | {"wav": str(arguments.save)}, indent=2))
    else:
        script_call.show(placed, console)
        console.print(f"what the caller heard: {arguments.save}", markup=False)
    return ExitCode.FAILED if placed.problems else ExitCode.OK


def speak(text: str, tts: str = "hibari") -> bytes:
    """Return `text` spoken by one of the engines, 8 kHz int16. Raises ConfigurationError, EngineError."""
    audio = Voice(ScriptSpeech(tts=tts)).say(text)
    if not audio:
        raise ConfigurationError("--say: there is nothing to speak in that text")
    return audio


def place(script: CallScript, console: Console) -> PlacedCall:
    """Place the call, show its progress, and ask the server for its side of it."""

    async def both_ends() -> PlacedCall:
        with console.status("dialling") as progress:
            result = await place_call(script, on_progress=progress.update)
        record = await server_record(script.port, script.call_id)
        return PlacedCall(result, record, call_problems(script, result, record))

    return asyncio.run(both_ends())


def show(placed: PlacedCall, console: Console) -> None:
    """Print the turns, the stages and the audio quality."""
    answers = Table("utterance", "spoken s", "first answer ms", "answer s", title="heard by the caller")
    for number, turn in enumerate(placed.result.turns, start=1):
        spoken_s = turn.spoke_until_s - turn.spoke_from_s
        length = f"{audio_duration_ms(turn.answer) / 1000:.1f}" if turn.answer else ""
        first = "no answer" if turn.first_answer_ms is None else f"{turn.first_answer_ms:.0f}"
        if turn.first_answer_ms is not None and turn.first_answer_ms < 0:
            first = "before the end"  # the server took a pause in the utterance for its end
        answers.add_row(str(number), f"{spoken_s:.1f}", first, length)
    console.print(answers)
    if placed.result.ended_by == "peer":
        console.print("the server hung up")
    if placed.record is None:
        console.print(
            "stages: not known, nor whether an answer was an apology: the server's record of the call cannot "
            "be had from here; call on its machine, as its user or root, with RAYMAL_RUNTIME as it has it"
        )
    else:
        console.print(*stage_tables(placed.record))
    console.print(quality_table(placed.result))
    for problem in placed.problems:
        console.print(problem, markup=False, style="bold red")


def as_json(placed: PlacedCall, saved: Path) -> dict[str, Any]:
    """Return everything but the audio, for `--json`."""
    result = placed.result
    return {
        "call_id": str(result.call_id),
        "answered": placed.was_answered,
        "problems": list(placed.problems),
        "ended_by": result.ended_by,
        "turns": [
            {name: value for name, value in asdict(turn).items() if name != "answer"}
            | {"first_answer_ms": turn.first_answer_ms}
            for turn in result.turns
        ],
        "quality": asdict(result.quality),
        "record": placed.record.model_dump() if placed.record else None,
        "wav": str(saved),
    }
