"""What `raymal call` prints."""

from __future__ import annotations

import io

from rich.console import Console

from ingress.caller.outcome import call_problems
from ingress.commands.call import PlacedCall, show
from ingress.commands.call_tables import stage_tables
from ingress.link.records import StageTimes
from tests.ingress.caller.test_outcome import ANSWERED, record, result, script, turn


def test_a_failed_turn_is_named_once_and_on_one_line() -> None:
    """Also on a narrow terminal's tables, whose captions are broken into lines as wide as they are."""
    heard, written = result(ANSWERED), record(turn(failure="the dialog did nothing for 3 s"))
    output = io.StringIO()
    show(PlacedCall(heard, written, call_problems(script(), heard, written)), Console(file=output, width=80))
    lines = output.getvalue().splitlines()
    assert [line for line in lines if "fail" in line] == [
        "turn 2 (utterance) failed: the dialog did nothing for 3 s"
    ]


def test_the_stages_of_a_long_call_fit_on_a_terminal() -> None:
    """In more than one table; no word is cut."""
    stages = StageTimes(transcription_ms=12_345.0)
    one = turn(kind="silence", leg="return", first_answer_ms=12_345.0, stages=stages)
    long = record(*[one.model_copy(update={"turn": number}) for number in range(2, 20)])
    output = io.StringIO()
    Console(file=output, width=80).print(*stage_tables(long))
    lines = output.getvalue().splitlines()
    assert [line.split()[:2] for line in lines if "answer" in line] == [["first", "answer"]] * 3
    assert "\u2026" not in output.getvalue()
