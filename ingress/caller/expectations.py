"""Whether a call did what its script expects: both ends' knowledge of each turn, side by side."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ingress.caller.caller import CallResult
from ingress.caller.conversation import CallTurn
from ingress.caller.script_file import ScriptExpectation, ScriptFile, ScriptReturn, ScriptStep
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
    before: tuple[TurnRecord, ...] = ()
    """The server's turns on this leg from the step before on: what this step may have interrupted."""


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
    known = [turn for turn in all_turns(record) if turn.leg == leg]
    own = [place for place, turn in enumerate(known) if _answers_a_step(turn)]
    begin = 0
    for turn in result.turns:
        step = steps[turn.step]
        kind = "digit" if step.press is not None else "utterance"
        if own and known[own[0]].kind == kind:
            place = own.pop(0)
            yield ScriptTurn(leg, step, turn.step + 1, turn, known[place], tuple(known[begin:place]))
            begin = place
        else:  # it was overtaken, by a key for one
            yield ScriptTurn(leg, step, turn.step + 1, turn, None)


def all_turns(record: CallRecord | None) -> tuple[TurnRecord, ...]:
    """Return the turns of a record, the one under way when the call ended too; none without a record."""
    if record is None:
        return ()
    return (*record.turns, *([record.unfinished] if record.unfinished is not None else []))


def _answers_a_step(turn: TurnRecord) -> bool:
    return turn.kind in ("utterance", "digit") and not turn.was_overtaken


def script_problems(
    script: ScriptFile,
    turns: Sequence[ScriptTurn],
    returned: CallResult | None,
    outcome: CallOutcome | None,
) -> list[str]:
    """Return a line for each thing that is not as the script expects; `outcome`: what the dialplan gets."""
    problems = [*_answers(turns), *_interruptions(turns)]
    if script.return_leg is not None:
        problems += _return_leg(script.return_leg, returned)
    expected = script.expect
    if expected != ScriptExpectation():
        if outcome is None:
            problems.append("what the dialplan gets is not known: the server's record cannot be had")
        else:
            problems += _outcome(expected, outcome)
    return problems


def _return_leg(script: ScriptReturn, returned: CallResult | None) -> Iterator[str]:
    if returned is None:
        yield "the return leg has not joined: the call was over before"
        return
    wanted, done = sum(step.pause_s is None for step in script.steps), len(returned.turns)
    if done < wanted:
        yield f"the return leg did {done} of its {wanted} steps: it was over before"


def _answers(turns: Sequence[ScriptTurn]) -> Iterator[str]:
    for turn in turns:
        if turn.step.expect is None:
            continue
        where = f"{turn.leg}, step {turn.number}"
        if turn.record is None:
            yield f"{where}: the server has no record of an answer to it"
        elif turn.record.answered is None:
            yield f"{where}: the answer's words are not known: the server has to run with --keep-transcripts"
        elif missing := _words(turn.step.expect) - _words(turn.record.answered):
            words = ", ".join(sorted(missing))
            answer = turn.record.answered
            yield f"{where}: expected {turn.step.expect!r}, and heard {answer!r} without {words}"


def _interruptions(turns: Sequence[ScriptTurn]) -> Iterator[str]:
    for turn in turns:
        wanted, has = turn.step.interrupts, any(before.was_interrupted for before in turn.before)
        where = f"{turn.leg}, step {turn.number}"
        if wanted is not None and turn.record is None:
            yield f"{where}: whether it interrupted anything is not known: no record of it"
        elif wanted is not None and wanted != has:
            yield f"{where}: {'nothing was' if wanted else 'something was'} interrupted by it"


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
