"""Whether a call did what its script expects: both ends' knowledge of each turn, side by side."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ingress.caller.caller import CallResult
from ingress.caller.conversation import CallTurn
from ingress.caller.script_file import ScriptExpectation, ScriptFile, ScriptStep
from ingress.link.messages import LegName
from ingress.link.records import CallOutcome, CallRecord, TurnRecord


@dataclass(frozen=True)
class ScriptTurn:
    """One step that was answered, from both ends."""

    leg: LegName
    step: ScriptStep
    number: int
    """Of the step, 1 is the first of its leg."""
    turn: CallTurn
    record: TurnRecord | None
    """The server's; None: it has none of it."""


def script_turns(
    script: ScriptFile, caller: CallResult, returned: CallResult | None, record: CallRecord | None
) -> list[ScriptTurn]:
    """Return the turns of both legs, those of each in order.

    An utterance that the caller went on after is no turn of its own: the next one answers both.
    """
    turns = list(_turns_of("caller", script.caller, caller, record))
    if script.return_leg is not None and returned is not None:
        turns += _turns_of("return", script.return_leg.steps, returned, record)
    return turns


def _turns_of(
    leg: LegName, steps: Sequence[ScriptStep], result: CallResult, record: CallRecord | None
) -> Iterator[ScriptTurn]:
    records = (
        [
            turn
            for turn in (*record.turns, *([record.unfinished] if record.unfinished else ()))
            if turn.leg == leg and turn.kind in ("utterance", "digit") and not turn.was_overtaken
        ]
        if record
        else []
    )
    for index, turn in enumerate(result.turns):
        known = records[index] if index < len(records) else None
        yield ScriptTurn(leg, steps[turn.step], turn.step + 1, turn, known)


def script_problems(
    script: ScriptFile,
    turns: Sequence[ScriptTurn],
    returned: CallResult | None,
    outcome: CallOutcome | None,
) -> list[str]:
    """Return a line for each thing that is not as the script expects; `outcome`: what the dialplan gets."""
    problems = list(_answers(turns))
    if script.return_leg is not None and returned is None:
        problems.append("the return leg has not joined: the call was over before")
    expected = script.expect
    if expected != ScriptExpectation():
        if outcome is None:
            problems.append("what the dialplan gets is not known: the server's record cannot be had")
        else:
            problems += _outcome(expected, outcome)
    return problems


def _answers(turns: Sequence[ScriptTurn]) -> Iterator[str]:
    for turn in turns:
        if turn.step.expect is None:
            continue
        where = f"{turn.leg}, step {turn.number}"
        if turn.record is None or turn.record.answered is None:
            yield f"{where}: the answer's words are not known: the server has to run with --keep-transcripts"
        elif missing := _words(turn.step.expect) - _words(turn.record.answered):
            words = ", ".join(sorted(missing))
            answer = turn.record.answered
            yield f"{where}: expected {turn.step.expect!r}, and heard {answer!r} without {words}"


def _outcome(expected: ScriptExpectation, outcome: CallOutcome) -> Iterator[str]:
    for name in ("result", "target", "reason"):
        wanted, got = getattr(expected, name), getattr(outcome, name)
        if wanted is not None and wanted != got:
            yield f"{name}: expected {wanted}, and got {got or 'none'}"
    for name, value in expected.variables.items():
        if outcome.variables.get(name) != value:
            yield f"RAYMAL_VAR_{name}: expected {value}, and got {outcome.variables.get(name, 'none')}"


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.casefold()))
