"""A call by a script file: both legs, what was said and heard and when, and whether it is as expected."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from rich.console import Console
from rich.table import Table

from actors.engines.registry import tts_engine
from actors.errors import ConfigurationError, LinkError
from actors.messages import Synthesize
from actors.settings import SpeechSettings
from ingress.caller.both_legs import ReturnLeg, place_both
from ingress.caller.caller import CallResult
from ingress.caller.expectations import ScriptTurn, script_problems, script_turns
from ingress.caller.outcome import call_problems
from ingress.caller.script import CallScript, Pause, Press, Speak, Step
from ingress.caller.script_file import ScriptFile, ScriptSpeech, ScriptStep
from ingress.caller.wave_files import read_wave
from ingress.link.records import CallOutcome, CallRecord
from ingress.server import observer

RECORD_WAIT_S = 2.0
"""The server writes a call's record when it notices the end; on one machine that is at once."""


@dataclass(frozen=True, slots=True)
class ScriptCall:
    """A finished call by a script."""

    caller: CallResult
    returned: CallResult | None
    record: CallRecord | None
    turns: list[ScriptTurn]
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
    server_port: int | None = None
    """By which the server is known, if not by `port`."""


def place_script(script: ScriptFile, folder: Path, where: Where, console: Console) -> ScriptCall:
    """Speak what is to be said, place the call, ask the server for its record, and compare.

    `folder`: of the recordings that the script names. Raises as `place_call` does, ConfigurationError,
    EngineError.
    """
    if script.return_leg is not None and where.return_port is None:
        raise ConfigurationError("the script has a return leg: say where by --return-port")
    with console.status("preparing what to say"):
        voice = Voice(script.speech)
        caller = _call_script(where, where.port, steps_of(script.caller, voice, folder))
        returned = None
        if script.return_leg is not None and where.return_port is not None:
            steps = steps_of(script.return_leg.steps, voice, folder)
            returned = ReturnLeg(_call_script(where, where.return_port, steps), script.return_leg.joins_after)

    async def both_ends() -> ScriptCall:
        with console.status("dialling") as progress:
            first, second = await place_both(caller, returned, progress.update)
        try:
            record = await observer.call_record(
                where.server_port or where.port, str(where.call_id), RECORD_WAIT_S
            )
        except LinkError:
            record = None  # the server is on another machine, or its gateway is down
        turns = script_turns(script, first, second, record)
        problems = call_problems(caller, first, record, may_be_unclear=True)
        problems += script_problems(script, turns, second, record.outcome if record else None)
        return ScriptCall(first, second, record, turns, problems)

    return asyncio.run(both_ends())


def _call_script(where: Where, port: int, steps: tuple[Step, ...]) -> CallScript:
    return CallScript(where.host, port, where.call_id, steps, max_call_s=where.time_limit_s)


def transcript_table(call: ScriptCall) -> Table:
    """Return who said what and when, on both legs, by the caller's clock."""
    table = Table("s", "leg", "who", "said", "heard as", title="the conversation")
    for row in sorted(_rows(call), key=lambda row: row[0]):
        table.add_row(f"{row[0]:.1f}", *row[1:])
    return table


def _rows(call: ScriptCall) -> list[tuple[float, str, str, str, str]]:
    """Return seconds, leg, who, what was said, what the server heard of it."""
    rows: list[tuple[float, str, str, str, str]] = []
    started_s = {"caller": call.caller.started_s}
    if call.returned is not None:
        started_s["return"] = call.returned.started_s
    for one in call.turns:
        offset_s = started_s[one.leg] - call.caller.started_s
        said = one.step.say or one.step.play or f"keys {one.step.press}"
        heard = (one.record.heard or "") if one.record else ""
        rows.append((offset_s + one.turn.spoke_from_s, one.leg, "caller", said, heard))
        if one.turn.answer_from_s is not None:
            words = (one.record.answered or "") if one.record else ""
            rows.append((offset_s + one.turn.answer_from_s, one.leg, "raymal", words, ""))
    return rows


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
        "conversation": [
            dict(zip(("at_s", "leg", "who", "said", "heard"), row, strict=True))
            for row in sorted(_rows(call), key=lambda row: row[0])
        ],
        "record": call.record.model_dump() if call.record else None,
    }
