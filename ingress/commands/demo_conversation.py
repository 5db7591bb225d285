"""A demo with a whole conversation: a scripted caller against a flow, with keys, an interruption, two legs.

| language | flow | voice |
|---|---|---|
| en | a table reservation (`examples/flows`) | hibari |
| pt | a doorman, who asks the resident on the call's other leg (`examples/doorman`) | kokoro |
"""

from __future__ import annotations

import argparse
import json
import uuid
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from ingress.caller.ports import free_port
from ingress.caller.ring import ringing
from ingress.caller.script_file import read_script
from ingress.caller.wave_files import write_wave
from ingress.commands import script_call
from ingress.commands.demo_server import phrases, server
from ingress.commands.script_call import ScriptCall, Where, place_script, prepare_script
from ingress.server.exit_codes import ExitCode

FILES = Path(__file__).parent.parent / "demo"
TIME_LIMIT_S = 120.0


@dataclass(frozen=True, slots=True)
class Demo:
    """One conversation."""

    flow: str
    script: str
    tts: str
    has_return_leg: bool = False


DEMOS = {
    "en": Demo("reservation.yaml", "reservation-call.yaml", "hibari"),
    "pt": Demo("doorman.yaml", "visit-pt.yaml", "kokoro", has_return_leg=True),
}


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Run the demo and print the conversation, the stages, and what the dialplan gets."""
    demo = DEMOS[arguments.language]
    script = read_script(FILES / demo.script)
    log, answer = arguments.folder / "server.log", arguments.folder / "answer.wav"
    port, return_port = free_port(), free_port() if demo.has_return_leg else None
    with ringing() as ring:
        configuration = arguments.folder / "raymal.toml"
        configuration.write_text(_configuration(demo, arguments.language, port, return_port, ring))
        flags = ["--config", str(configuration), *(["--no-ray"] if arguments.no_ray else [])]
        where = Where("127.0.0.1", port, return_port, uuid.uuid4(), TIME_LIMIT_S)
        with phrases(configuration, arguments.folder / "phrases.log", console):
            prepared = prepare_script(script, FILES, where, console)
        with server(log, flags, console) as server_port:
            placed = place_script(prepared, server_port, console)
    write_wave(answer, placed.caller.received)
    return report(placed, (answer, configuration, log), arguments.json, console)


def report(placed: ScriptCall, files: tuple[Path, ...], as_json: bool, console: Console) -> int:
    """Print the finished call and whether it was as the script expects; return the exit code."""
    if as_json:
        summary = script_call.as_json(placed) | {"wav": str(files[0]), "succeeded": not placed.problems}
        print(json.dumps(summary, indent=2))
    else:
        script_call.show(placed, console)
        console.print(f"files: {', '.join(map(str, files))}", markup=False)
        if placed.problems:
            console.print("the demo FAILED", style="bold red")
        else:
            console.print("the demo succeeded")
    return ExitCode.FAILED if placed.problems else ExitCode.OK


def _configuration(demo: Demo, language: str, port: int, return_port: int | None, ring: str) -> str:
    lines = [
        f"[speech]\nlanguage = {json.dumps(language)}\ntts = {json.dumps(demo.tts)}\n",
        f"[extensions.demo]\nport = {port}",
        *([f"return_port = {return_port}"] if return_port is not None else []),
        f'dialog.name = "flow"\ndialog.flow.file = {json.dumps(str(FILES / demo.flow))}',
    ]
    if demo.has_return_leg:
        lines.append(f"[extensions.demo.dialog.flow.lookups.ring]\nurl = {json.dumps(ring)}")
    return "\n".join(lines) + "\n"
