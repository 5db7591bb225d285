"""Answers of a receiver: what is refused, and in which words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ingress.dialogs import EndCall
from ingress.dialogs.webhook.answer import MAXIMUM_ACTIONS, WebhookError, line_of_answer, whole_answer


def acts(*actions: Any) -> bytes:
    """Return an answer with these actions."""
    return json.dumps({"actions": actions}).encode()


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"[" * 100_000, "the answer is no JSON"),
        (b"9" * 5_000, "the answer is no JSON"),
        (b"[]", "the answer is no object with `actions` and `state`"),
        (b'{"action": []}', "action: Extra inputs are not permitted"),
        (b'{"0170123456": 1}', "…: Extra inputs are not permitted"),
        (b'{"actions": {}}', "actions: Input should be a valid list"),
        (b'{"actions": [%s%s]}' % (b"[" * 500, b"]" * 500), "actions.0.list.0: Recursion error"),
        (acts("say"), "actions.0: an action is an object with its name"),
        (acts({"action": "saay"}), "actions.0: there is no action 'saay'; choose one of say, "),
        (acts({"action": "Secret!"}), "actions.0: there is no action; choose one of say, "),
        (acts({"action": "say"}), "actions.0.text: Field required"),
        (acts({"action": "say", "text": 5}), "actions.0.text: Input should be a valid string"),
        (acts({"action": "say", "text": "x" * 5_001}), "actions.0: the dialog yielded Say with 5001"),
        (acts({"action": "say", "text": "x", "isFixed": 1}), "actions.0.isFixed: Extra inputs are not"),
        (acts({"action": "say", "text": "x", "Secret\n\x1b": 1}), "actions.0.…: Extra inputs are not"),
        (acts({"action": "listen", "no_input_s": float("nan")}), "actions.0: the dialog yielded a Listen"),
        (acts({"action": "end_call", "leg": "secret"}), "actions.0.leg: Input should be 'caller' or"),
        (acts({"action": "transfer", "target": "secret x"}), "actions.0: the dialog transfers to what is no"),
        (acts({"action": "collect_keys", "count": 0.5}), "actions.0.count: Input should be a valid int"),
        (acts({"action": "collect_keys", "count": 0}), "actions.0: the dialog yielded a CollectKeys that"),
        (acts({"action": "collect_keys", "gap_s": 10**400}), "actions.0.gap_s: Input should be a valid num"),
        (acts(*[{"action": "end_call"}] * 65), "actions: List should have at most 64 items"),
    ],
)  # fmt: skip
def test_what_is_no_answer(body: bytes, error: str) -> None:
    """The place and the rule; nothing that may have been said."""
    with pytest.raises(WebhookError) as raised:
        whole_answer(body)
    assert str(raised.value).startswith(error)
    assert "secret" not in str(raised.value).lower()


@pytest.mark.parametrize(
    ("line", "number", "error"),
    [
        (b"secret", 3, "line 3 is no JSON"),
        (b"[]", 1, "line 1: an action is an object with its name"),
        (b'{"state": 1}', 1, "line 1.state: Input should be"),
        (b'{"action": "end_call"}', MAXIMUM_ACTIONS + 1, "line 65: 64 at most"),
    ],
)
def test_what_is_no_line_of_an_answer(line: bytes, number: int, error: str) -> None:
    """Lines are counted from 1."""
    with pytest.raises(WebhookError) as raised:
        line_of_answer(line, number)
    assert str(raised.value).startswith(error)


def test_the_last_line_that_is_allowed() -> None:
    """It is done as any other."""
    assert line_of_answer(b'{"action": "end_call"}', MAXIMUM_ACTIONS) == EndCall()
