"""Whether a call went well, from both of its ends.

An apology, a waiting phrase and "I did not understand" are sounds like any answer. The server's record of the
call tells them apart; without one there is only what was heard.

| end | what is wrong |
|---|---|
| the caller's | an utterance was not spoken to its end; nothing was heard after it; the time limit came |
| the server's | the call was refused; a turn failed; no words were found; a turn was not answered |

After the last utterance a dialog may end the call without a word.
"""

from __future__ import annotations

from collections.abc import Iterator

from ingress.caller.caller import CallResult
from ingress.caller.script import CallScript
from ingress.link import records as link
from ingress.link.records import CallRecord, TurnRecord


def call_problems(
    script: CallScript, result: CallResult, record: CallRecord | None, may_be_unclear: bool = False
) -> list[str]:
    """Return a line for each thing that went wrong; none: every utterance was understood and answered.

    `may_be_unclear`: what was said may be noise, or nothing that has words.
    """
    if record is not None and record.was_refused:
        return [record.end_reason]
    problems = list(_heard(script, result, record))
    if record is not None:
        problems += _recorded(result, record, may_be_unclear)
    return problems


def _heard(script: CallScript, result: CallResult, record: CallRecord | None) -> Iterator[str]:
    wanted, spoken = script.turns, len(result.turns)
    if result.reached_limit:
        yield f"the call reached its time limit of {script.max_call_s:g} s"
    if spoken < wanted:
        missing = f"utterance {wanted}" if spoken + 1 == wanted else f"utterances {spoken + 1} to {wanted}"
        who = "the server hung up" if result.ended_by == "peer" else "the call was over"
        yield f"{missing} of {wanted} could not be spoken to the end: {who}"
    for number, turn in enumerate(result.turns, 1):
        was_last = number == wanted and _was_ended_there(result, record)
        if turn.first_answer_ms is None and not was_last:
            yield f"utterance {number}: no answer was heard"


def _was_ended_there(result: CallResult, record: CallRecord | None) -> bool:
    """Whether the server ended the call as its dialog wanted."""
    if record is None or result.ended_by != "peer":
        return False
    return record.outcome.result in (link.CallResult.ENDED, link.CallResult.TRANSFER)


def _recorded(result: CallResult, record: CallRecord, may_be_unclear: bool) -> Iterator[str]:
    turns = [*record.turns, *([record.unfinished] if record.unfinished is not None else [])]
    for turn in turns:
        if turn.problem is not None:
            yield f"turn {turn.turn} ({turn.kind}) failed: {turn.problem}"
        elif not turn.was_understood and not turn.was_overtaken and not may_be_unclear:
            yield f"turn {turn.turn} ({turn.kind}): no words were found in what was said"
    answered = sum(_was_answered(turn, record) for turn in turns)
    if len(turns) == record.turns_taken + (record.unfinished is not None):  # a long call keeps the newest
        heard = sum(turn.first_answer_ms is not None for turn in result.turns)
        if answered < heard:
            yield f"the server answered {answered} of the {heard} utterances after which something was heard"


def _was_answered(turn: TurnRecord, record: CallRecord) -> bool:
    """Whether an utterance's turn was served to its end, or its answer had begun when the call ended."""
    if turn.kind not in ("utterance", "digit") or turn.leg != "caller" or turn.was_overtaken:
        return False
    return turn is not record.unfinished or turn.first_answer_ms is not None
