"""What the model may do besides speaking. The lists in the settings hold, whatever it says.

| tool | offered | effect |
|---|---|---|
| `end_call` | `may_end_call` | the call ends once all is said |
| `transfer(to)` | with `transfer_targets`: `to` is one of their names | the call goes to that name's target |
| `set_variable(name, value)` | with `variables`: `name` is one of them | the dialplan gets it at the end |
| a look-up's name | for each of `lookups` | its address is asked; the answer goes to the model |

A call with wrong arguments does nothing, and the model gets the reason.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from actors.errors import LookupFailedError
from ingress.dialogs.base import EndCall, SetVariable, Transfer
from ingress.dialogs.llm.settings import LlmSettings
from ingress.dialogs.lookups import Lookups, mistake, validator_of
from ingress.dialogs.plain_json import plain_json

MODEL_ENDED = "the model ended the call"
"""RAYMAL_REASON: never the model's own words, which may be the caller's."""
MODEL_TRANSFERRED = "the model transferred the call"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """What the model asks for."""

    id: str
    name: str
    arguments: str
    """JSON, as the model wrote it."""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What came of a call."""

    reply: str
    """For the model, as JSON."""
    action: SetVariable | EndCall | Transfer | None = None
    found: dict[str, JsonValue] | None = None
    """What a look-up found and for which values; None: it was none, or failed."""


class Tools:
    """The tools of one dialog."""

    def __init__(self, settings: LlmSettings, lookups: Lookups) -> None:
        self._settings = settings
        self._lookups = lookups
        self._own = _own_tools(settings)
        self._validators = {name: validator_of(schema) for name, (_, schema) in self._own.items()}

    @property
    def definitions(self) -> list[dict[str, Any]]:
        """Return them as OpenAI's API takes them."""
        described = dict(self._own)
        for name, lookup in self._settings.lookups.items():
            described[name] = (lookup.description or f"Look up {name}.", lookup.schema_of_values())
        return [
            {"type": "function", "function": {"name": name, "description": text, "parameters": schema}}
            for name, (text, schema) in described.items()
        ]

    async def run(self, call: ToolCall, call_id: str) -> ToolResult:
        """Do what the model asks for, if it may; `call_id` is for the log."""
        try:
            values = plain_json(call.arguments or "{}")
        except ValueError:
            return _refused("the arguments are no JSON")
        if not isinstance(values, dict):
            return _refused("the arguments are no JSON object")
        if call.name in self._own:
            return self._run_own(call.name, values)
        if call.name not in self._settings.lookups:
            return _refused("there is no such tool")
        problem = self._lookups.problem(call.name, values)
        if problem is not None:
            return _refused(problem)
        try:
            answer = await self._lookups.fetch(call.name, values)
        except LookupFailedError as error:  # quotes no value
            log.warning("call %s: %s", call_id, error)
            return _refused(str(error))
        return ToolResult(_json(answer), found={"tool": call.name, "values": values, "found": answer})

    def _run_own(self, name: str, values: Mapping[str, Any]) -> ToolResult:
        error = next(self._validators[name].iter_errors(values), None)
        if error is not None:
            return _refused(mistake(error))
        done = _json({"done": True})
        match name:
            case "end_call":
                return ToolResult(done, EndCall(MODEL_ENDED))
            case "transfer":
                return ToolResult(
                    done, Transfer(self._settings.transfer_targets[values["to"]], MODEL_TRANSFERRED)
                )
            case _:
                value: str = values["value"]
                if not value.isprintable():
                    return _refused("value: write one line of text")
                return ToolResult(done, SetVariable(values["name"], value))


def _own_tools(settings: LlmSettings) -> dict[str, tuple[str, dict[str, JsonValue]]]:
    """Return description and schema of the tools that are offered, but the look-ups."""
    tools: dict[str, tuple[str, dict[str, JsonValue]]] = {}
    if settings.may_end_call:
        tools["end_call"] = "Hang up, when the caller says goodbye or needs nothing more.", _object({})
    if settings.transfer_targets:
        where: JsonValue = {"type": "string", "enum": [*settings.transfer_targets]}
        tools["transfer"] = (
            "Connect the caller to somebody else; your part then ends.",
            _object({"to": where}),
        )
    if settings.variables:
        meanings = "; ".join(f"{name}: {text}" for name, text in settings.variables.items())
        name: JsonValue = {"type": "string", "enum": [*settings.variables]}
        value: JsonValue = {"type": "string", "maxLength": 256}
        tools["set_variable"] = f"Note a value. {meanings}", _object({"name": name, "value": value})
    return tools


def _object(properties: dict[str, JsonValue]) -> dict[str, JsonValue]:
    required: list[JsonValue] = [*properties]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _refused(problem: str) -> ToolResult:
    return ToolResult(_json({"error": problem}))


def _json(value: JsonValue) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
