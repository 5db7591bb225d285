"""A call by a script file: both legs, what was said and heard and when, and whether it is as expected."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from actors.engines.registry import tts_engine
from actors.errors import ConfigurationError, LinkError
from actors.messages import Synthesize
from actors.settings import SpeechSettings
from ingress.caller.both_legs import ReturnLeg, place_both
from ingress.caller.caller import CallResult
from ingress.caller.expectations import script_problems, script_turns
from ingress.caller.outcome import call_problems
from ingress.caller.script import CallScript, Pause, Press, Speak, Step
from ingress.caller.script_file import ScriptFile, ScriptSpeech, ScriptStep
from ingress.caller.transcript import SpokenLine, transcript
from ingress.caller.wave_files import read_wave
from ingress.commands.call_tables import quality_table, stage_tables
from ingress.link.messages import LegName
from ingress.link.records import CallOutcome, CallRecord
from ingress.server import observer

WHO = {
    ("person", "caller"): "caller",
    ("raymal", "caller"): "raymal",
    ("person", "return"): "return leg",
    ("raymal", "return"): "raymal to return leg",
}
RECORD_WAIT_S = 2.0
"""The server writes a call's record when it notices the end; on one machine that is at once."""


@dataclass(frozen=True, slots=True)
class ScriptCall:
    """A finished call by a script."""

    caller: CallResult
    record: CallRecord | None
    transcript: list[SpokenLine]
    problems: list[str]
    """Empty: everything is as the script expects."""


class Voice:
    """The callers' voice: an engine, loaded at the first text."""

    def __init__(self, speech: ScriptSpeech) -> None:
        self._speech = speech
        settings = SpeechSettings(tts=speech.tts, language=speech.language)
        self._engine = tts_engine(settings)
        self._engine.check(settings)
        self._is_loaded = False

    def say(self, text: str) -> bytes:
        """Return a text as 8 kHz int16. Raises EngineError."""
        if not self._is_loaded:
            self._engine.load()
            self._is_loaded = True
        request = Synthesize("caller", text, self._speech.language, self._speech.voice)
        return b"".join(self._engine.synthesize(request))


def steps_of(steps: tuple[ScriptStep, ...], voice: Voice, folder: Path) -> tuple[Step, ...]:
    """Return what a leg does, spoken. Raises ConfigurationError, EngineError."""
    return tuple(_step(step, voice, folder) for step in steps)


def _step(step: ScriptStep, voice: Voice, folder: Path) -> Step:
    if step.say is not None:
        return Speak(voice.say(step.say), step.into_answer_s)
    if step.play is not None:
        return Speak(read_wave(folder / step.play), step.into_answer_s)
    if step.press is not None:
        return Press(step.press, step.into_answer_s)
    return Pause(step.pause_s or 0.0)


@dataclass(frozen=True, slots=True)
class Where:
    """Where both legs connect to."""

    host: str
    port: int
    return_port: int | None
    call_id: UUID
    time_limit_s: float


@dataclass(frozen=True, slots=True)
class PreparedCall:
    """A call by a script, with all that is to be said as audio."""

    script: ScriptFile
    caller: CallScript
    return_leg: ReturnLeg | None


def prepare_script(script: ScriptFile, folder: Path, where: Where, console: Console) -> PreparedCall:
    """Speak what is to be said; `folder`: of the recordings that the script names.

    Raises ConfigurationError, EngineError.
    """
    returning = script.return_leg
    if returning is not None and where.return_port is None:
        raise ConfigurationError("the script has a return leg: say where by --return-port")
    with console.status("preparing what to say"):
        voice = Voice(script.speech)
        caller = _call_script(script, where, where.port, steps_of(script.caller, voice, folder))
        if returning is None or where.return_port is None:
            return PreparedCall(script, caller, None)
        steps = steps_of(returning.steps, voice, folder)
        leg = ReturnLeg(_call_script(script, where, where.return_port, steps), returning.joins_after)
        return PreparedCall(script, caller, leg)


def place_script(prepared: PreparedCall, server_port: int, console: Console) -> ScriptCall:
    """Place the call, ask the server on this machine for its record, and compare. Raises as `place_call`."""

    async def both_ends() -> ScriptCall:
        script, caller = prepared.script, prepared.caller
        with console.status("dialling") as progress:
            first, second = await place_both(caller, prepared.return_leg, progress.update)
        record = await server_record(server_port, caller.call_id)
        legs: dict[LegName, CallResult] = {"caller": first}
        if second is not None:
            legs["return"] = second
        turns = script_turns(script, first, second, record)
        problems = call_problems(caller, first, record, may_be_unclear=True)
        problems += script_problems(script, turns, second, record.outcome if record else None)
        return ScriptCall(first, record, transcript(turns, legs, record), problems)

    return asyncio.run(both_ends())


async def server_record(server_port: int, call_id: UUID) -> CallRecord | None:
    """Return the server's record of a call; None: it is on another machine, or its gateway is down."""
    try:
        return await observer.call_record(server_port, str(call_id), RECORD_WAIT_S)
    except LinkError:
        return None


def _call_script(script: ScriptFile, where: Where, port: int, steps: tuple[Step, ...]) -> CallScript:
    return CallScript(
        where.host, port, where.call_id, steps, script.greeting_wait_s, max_call_s=where.time_limit_s
    )


def transcript_table(call: ScriptCall) -> Table:
    """Return who said what and when, on both legs, by the caller's clock."""
    table = Table("s", "who", "said", "heard as", title="the conversation")
    for line in call.transcript:
        said = f"{line.said} (interrupted)".strip() if line.was_interrupted else line.said
        table.add_row(f"{line.at_s:.1f}", WHO[line.who, line.leg], escape(said), escape(line.heard))
    return table


def show(call: ScriptCall, console: Console) -> None:
    """Print the conversation, the stages, the audio quality, what the dialplan gets, and what is wrong."""
    console.print(transcript_table(call))
    if call.record is not None:
        console.print(*stage_tables(call.record))
    console.print(quality_table(call.caller))
    console.print(outcome_line(call.record.outcome if call.record is not None else None), markup=False)
    for problem in call.problems:
        console.print(problem, markup=False, style="bold red")


def outcome_line(outcome: CallOutcome | None) -> str:
    """Return what the dialplan gets."""
    if outcome is None:
        return "the dialplan gets: not known"
    parts = [f"RAYMAL_RESULT={outcome.result.value}"]
    parts += [f"RAYMAL_TARGET={outcome.target}"] if outcome.target else []
    parts += [f"RAYMAL_REASON={outcome.reason}"] if outcome.reason else []
    parts += [f"RAYMAL_VAR_{name}={value}" for name, value in outcome.variables.items()]
    return f"the dialplan gets: {', '.join(parts)}"


def as_json(call: ScriptCall) -> dict[str, Any]:
    """Return everything but the audio, for `--json`."""
    return {
        "call_id": str(call.caller.call_id),
        "as_expected": not call.problems,
        "problems": call.problems,
        "ended_by": call.caller.ended_by,
        "conversation": [asdict(line) for line in call.transcript],
        "quality": asdict(call.caller.quality),
        "record": call.record.model_dump() if call.record else None,
    }
