"""AGI lines: what Asterisk sends, and what it is sent."""

from __future__ import annotations

import re

import pytest
from agi_peer import COMMAND
from hypothesis import given
from hypothesis import strategies as st

from ingress.web.agi.protocol import AgiError, AgiRequest, is_answered, set_variable


def test_a_request_is_read() -> None:
    """Options of the address, then those of `AGI()`'s further arguments; a caller ID that is not there."""
    request = AgiRequest.of(
        [
            "agi_request: agi://10.0.0.1:4573/begin?extension=sales&priority=high",
            "agi_callerid: 1001",
            "agi_calleridname: unknown",
            "agi_arg_1: language=pt-BR",
            "agi_arg_2: no option",
        ]
    )
    assert request == AgiRequest(
        "begin", {"extension": "sales", "priority": "high", "language": "pt-BR"}, "1001", None
    )


@pytest.mark.parametrize(
    "lines", [[], ["agi_channel: x"], ["GET / HTTP/1.1"], ["agi_request: http://[x/"], ["agi_request"]]
)
def test_what_is_no_request_is_refused(lines: list[str]) -> None:
    """Whatever program it is."""
    with pytest.raises(AgiError):
        AgiRequest.of(lines)


@pytest.mark.parametrize(
    ("line", "answered"),
    [("200 result=1", True), ("HANGUP", False), ("520-Invalid command syntax.", False), ("Usage: x", False)],
)
def test_an_answer_ends_with_its_200(line: str, answered: bool) -> None:
    """What stands before it is passed over."""
    assert is_answered(line) is answered


@pytest.mark.parametrize("line", ["511 Command Not Permitted", "510 Invalid", "520 End of proper usage."])
def test_an_error_ends_the_session(line: str) -> None:
    """The channel takes nothing more."""
    with pytest.raises(AgiError, match=line[:3]):
        is_answered(line)


@given(st.text())
def test_no_value_leaves_its_quotes(value: str) -> None:
    """A caller's name is one variable's value, and never a second command."""
    line = set_variable("RAYMAL_REASON", value).decode()
    match = COMMAND.fullmatch(line.removesuffix("\n"))
    assert match is not None
    plain = "".join(char if char.isprintable() else " " for char in value)
    assert re.sub(r"\\(.)", r"\1", match[2]) == plain


def test_a_callers_name_is_never_a_mistake() -> None:
    """The caller chose it: what cannot be printed becomes a space, and what is too long is cut off."""
    request = AgiRequest.of(
        [
            "agi_request: agi://h/begin",
            "agi_callerid: " + "1" * 300,
            "agi_calleridname: \u200eJo\u00e3o\u00a0\tSilva\0",
        ]
    )
    assert (request.caller_number, request.caller_name) == ("1" * 128, "Jo\u00e3o Silva")


def test_a_callers_name_changes_no_other_variable() -> None:
    """Asterisk sends a name's line ends as they are."""
    lines = [
        "agi_request: agi://h/begin?extension=sales",
        "agi_calleridname: x",
        "agi_request: agi://h/begin",
    ]
    with pytest.raises(AgiError, match="agi_request twice"):
        AgiRequest.of(lines)
