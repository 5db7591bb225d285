"""Events and actions in JSON: named as their classes in lower case with `_`; the keys are their fields."""

from __future__ import annotations

import re
from dataclasses import MISSING, asdict, fields
from typing import Any

from ingress.dialogs.base import DialogAction, DialogEvent


def json_name(kind: type) -> str:
    """Return the name of an event or an action: `caller_said` of `CallerSaid`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


def fields_of(event: DialogEvent) -> dict[str, Any]:
    """Return all fields of an event."""
    return asdict(event)


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
