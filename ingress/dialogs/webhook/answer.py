"""What a receiver answers: actions, and what it stores for the call. Pure.

| Content-Type | is |
|---|---|
| `application/json` | `{"actions": [{"action": "say", "text": "Hello."}, …], "state": {…}}` |
| `application/x-ndjson`, `application/jsonl` | lines, each an action or `{"state": {…}}`; done as they come |

The models of the actions are made from the actions themselves (`ingress.dialogs.base`), so that every action
and every field of one can be had. An error names the place and the rule, and quotes nothing.
"""

from __future__ import annotations

import json
import re
from dataclasses import MISSING, fields
from typing import Any, TypeVar, get_args, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, create_model

from actors.errors import DialogError
from ingress.dialogs.actions import checked_action
from ingress.dialogs.base import DialogAction
from ingress.dialogs.json_form import json_name
from ingress.link.messages import DialogState

JSON = "application/json"
JSON_LINES = ("application/x-ndjson", "application/jsonl", "application/json-lines")
MAXIMUM_ACTIONS = 64
Model = TypeVar("Model", bound=BaseModel)

SHOWN_NAME = re.compile(r"[A-Za-z_]{1,40}")
"""A name that an error may repeat: without line breaks, figures or what else somebody may have said."""
SHOWN_PLACE = re.compile(rf"{SHOWN_NAME.pattern}|actions\.[0-9]+|line [0-9]+")


class WebhookError(Exception):
    """The receiver did not answer in order. The message quotes nothing that was said."""


def _model_of(action: type) -> type[BaseModel]:
    """Return the model of an action's JSON: its fields, and no others."""
    hints = get_type_hints(action)
    members: dict[str, Any] = {
        field.name: (hints[field.name], ... if field.default is MISSING else field.default)
        for field in fields(action)
    }
    config = ConfigDict(extra="forbid", strict=True)
    return create_model(action.__name__, __config__=config, **members)


ACTIONS: dict[str, type[DialogAction]] = {json_name(action): action for action in get_args(DialogAction)}
MODELS = {name: _model_of(action) for name, action in ACTIONS.items()}


class WholeAnswer(BaseModel):
    """An answer in one piece."""

    model_config = ConfigDict(extra="forbid", strict=True)

    actions: list[JsonValue] = Field(default=[], max_length=MAXIMUM_ACTIONS)
    state: DialogState | None = None
    """What is to come back with the next event; None: as it was."""


def whole_answer(body: bytes) -> tuple[list[DialogAction], DialogState | None]:
    """Return the actions and the new state of an answer in one piece; an empty one, or null, has neither.

    Raises WebhookError: then nothing of it is to be done.
    """
    if not body.strip():
        return [], None
    value = _json(body)
    if value is None:
        return [], None
    if not isinstance(value, dict):
        raise WebhookError("the answer is no object with `actions` and `state`")
    answer = _validated(WholeAnswer, value, "")
    return [_action(each, f"actions.{number}") for number, each in enumerate(answer.actions)], answer.state


def line_of_answer(line: bytes, number: int) -> DialogAction | DialogState:
    """Return the action of a line, or the new state. Raises WebhookError."""
    where = f"line {number}"
    if number > MAXIMUM_ACTIONS:
        raise WebhookError(f"{where}: {MAXIMUM_ACTIONS} at most")
    value = _json(line, where)
    if isinstance(value, dict) and value.keys() == {"state"}:
        state = _validated(WholeAnswer, value, where).state
        return {} if state is None else state
    return _action(value, where)


def _action(value: JsonValue, where: str) -> DialogAction:
    if not isinstance(value, dict) or "action" not in value:
        raise WebhookError(f'{where}: an action is an object with its name: {{"action": "say", …}}')
    name, given = value["action"], {key: each for key, each in value.items() if key != "action"}
    if not isinstance(name, str) or name not in MODELS:
        shown = f" {name!r}" if isinstance(name, str) and SHOWN_NAME.fullmatch(name) else ""
        raise WebhookError(f"{where}: there is no action{shown}; choose one of {', '.join(MODELS)}")
    model = _validated(MODELS[name], given, where)
    try:
        return checked_action(ACTIONS[name](**{key: getattr(model, key) for key in type(model).model_fields}))
    except DialogError as error:
        raise WebhookError(f"{where}: {error}") from None


def _json(body: bytes, where: str = "the answer") -> JsonValue:
    try:
        value: JsonValue = json.loads(body)
    except (ValueError, RecursionError):
        raise WebhookError(f"{where} is no JSON") from None
    return value


def _shown(part: str | int) -> str:
    """Return a part of a place as the log may have it: keys of the receiver may be what was said."""
    if isinstance(part, int) or SHOWN_PLACE.fullmatch(part):
        return str(part)
    return "…"


def _validated(model: type[Model], value: JsonValue, where: str) -> Model:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        detail = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(_shown(part) for part in (where, *detail["loc"][:4]) if part != "")
        raise WebhookError(f"{place or 'the answer'}: {detail['msg']}") from None
