"""docs/dialogs.md and docs/webhook.md name what there is."""

from __future__ import annotations

import json
import re
from dataclasses import MISSING, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest

from ingress.dialogs import CallerSaid, DialogCall
from ingress.dialogs.base import DialogAction, DialogEvent
from ingress.dialogs.webhook.answer import ACTIONS, line_of_answer, whole_answer
from ingress.dialogs.webhook.dialog import request_of
from ingress.dialogs.webhook.settings import WebhookSettings

DOCS = Path(__file__).parents[2] / "docs"
DIALOGS, WEBHOOK = (DOCS / "dialogs.md").read_text(), (DOCS / "webhook.md").read_text()


def signature(kind: type) -> str:
    """Return an event or an action as the page writes it."""
    written = [
        field.name if field.default is MISSING or kind not in get_args(DialogAction)
        else f"{field.name}={json.dumps(field.default)}" if isinstance(field.default, str)
        else f"{field.name}={field.default}"
        for field in fields(kind)
    ]  # fmt: skip
    return f"`{kind.__name__}({', '.join(written)})`"


@pytest.mark.parametrize(
    "kind", get_args(DialogEvent) + get_args(DialogAction), ids=lambda kind: kind.__name__
)
def test_every_event_and_action_is_listed(kind: type) -> None:
    """With its fields, and what they are if nothing is said."""
    assert signature(kind) in DIALOGS


def test_the_settings_of_the_webhook_are_listed() -> None:
    """Each key with its default and its meaning."""
    for name, field in WebhookSettings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        shown = (
            "required"
            if field.is_required()
            else "`unset`"
            if default is None
            else f"`{json.dumps(default)}`"
        )
        assert f"| `{name}` | {shown} | {' '.join(str(field.description).split())} |" in WEBHOOK


def blocks() -> list[str]:
    """Return the blocks of JSON."""
    return re.findall(r"^```json\n(.*?)^```", WEBHOOK, re.MULTILINE | re.DOTALL)


def test_the_request_is_as_it_is_sent() -> None:
    """The same keys, whatever their values."""

    def keys(value: Any) -> Any:
        return {key: keys(each) for key, each in value.items()} if isinstance(value, dict) else None

    shown, now = json.loads(blocks()[0]), datetime.now(UTC)
    call = DialogCall("c", "sales", "en", None, None, now, [], {"receiver": {"tries": 1}})
    assert keys(shown) == keys(request_of(CallerSaid("x"), call))


def test_the_answers_can_be_done() -> None:
    """The one in one piece, and the one in lines; all actions are named."""
    actions, state = whole_answer(blocks()[1].encode())
    assert (len(actions), state) == (2, {"asked": "people"})
    assert [line_of_answer(line.encode(), 1) for line in blocks()[2].splitlines()][1] == {"asked": "people"}
    assert all(f"`{name}`" in WEBHOOK for name in ACTIONS)
