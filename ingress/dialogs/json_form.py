"""Events and actions as JSON objects: `{"event": "caller_said", "text": …}`, `{"action": "say", "text": …}`.

The name is the class's in lower case with `_`, the keys are its fields.
"""

from __future__ import annotations

import re
from dataclasses import MISSING, asdict, fields
from typing import Any

from ingress.dialogs.base import DialogAction, DialogEvent


def json_name(kind: type) -> str:
    """Return the name of an event or an action: `caller_said` of `CallerSaid`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


def event_as_json(event: DialogEvent) -> dict[str, Any]:
    """Return an event with all its fields."""
    return {"event": json_name(type(event)), **asdict(event)}


def action_as_json(action: DialogAction) -> dict[str, Any]:
    """Return an action with those fields that are not as they are by default."""
    return {"action": json_name(type(action)), **changed_fields(action)}


def changed_fields(action: DialogAction) -> dict[str, Any]:
    """Return the fields of an action that are not as they are by default."""
    values = asdict(action)
    return {
        field.name: values[field.name]
        for field in fields(action)
        if field.default is MISSING or values[field.name] != field.default
    }
