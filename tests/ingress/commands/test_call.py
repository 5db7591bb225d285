"""What `raymal call` prints."""

from __future__ import annotations

import io

from rich.console import Console

from ingress.caller.outcome import call_problems
from ingress.commands.call import PlacedCall, show
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
