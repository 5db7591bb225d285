"""The HTTP look-ups that a flow asks: those that all dialogs share, by the names in the settings."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Protocol

from pydantic import BaseModel, JsonValue, ValidationError

from actors.plugins.mistakes import mistakes

Tables = Mapping[str, Mapping[str, JsonValue]]
MODULE = "..lookups"


class LookupService(Protocol):
    """What a flow needs of it."""

    async def fetch(self, name: str, values: Mapping[str, JsonValue]) -> JsonValue:
        """Ask one address and return its answer. Raises RaymalError."""
        ...


def lookup_service(tables: Tables) -> LookupService | None:
    """Return what asks the addresses; None if there are none. Raises ConfigurationError, ValueError."""
    if not tables:
        return None
    module = import_module(MODULE, __package__)
    service: LookupService = module.Lookups(_checked(tables), "dialog.flow.lookups")
    return service


def check_lookups(tables: Tables) -> None:
    """Raise ValueError for what is wrong with the addresses."""
    if tables:
        _checked(tables)


def _checked(tables: Tables) -> dict[str, BaseModel]:
    model: type[BaseModel] = import_module(MODULE, __package__).LookupSettings
    checked: dict[str, BaseModel] = {}
    lines: list[str] = []
    for name, table in tables.items():
        try:
            checked[name] = model.model_validate(table)
        except ValidationError as error:
            lines += [f"lookups.{name}: {line}" for _, line in mistakes(error, model)]
    if lines:
        raise ValueError("\n".join(lines))
    return checked
