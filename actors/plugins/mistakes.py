"""Say what is wrong with settings: one line for each mistake, with the setting's name and the remedy."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from actors.errors import ConfigurationError
from actors.plugins.lookup import place

Model = TypeVar("Model", bound=BaseModel)
PASSWORD = re.compile(r"(://[^\s/:@'\"]*:)[^\s'\"]+(?=@)|(?<=password=)[^\s&'\"]+")
"""In a URL: `scheme://user:password@host`, or among its parameters."""
SHOWN_CHARACTERS = 500


def own_settings(model: type[Model], table: Mapping[str, Any], where: str) -> Model:
    """Return a dialog's or an engine's own settings, `[where]`, checked by its model.

    Unknown keys are mistakes unless the model itself says otherwise. Raises ConfigurationError.
    """
    if not isinstance(model, type) or not issubclass(model, BaseModel):
        raise ConfigurationError(f"{where}: its `Settings` is no pydantic model: derive it from BaseModel")
    try:
        return model.model_validate(table, extra=None if "extra" in model.model_config else "forbid")
    except ValidationError as error:
        lines = [f"{where}: {line}" for _, line in mistakes(error, model)]
        raise ConfigurationError("\n".join(lines)) from None
    except Exception as error:  # a validator may be anyone's code; a message may quote anything
        raise ConfigurationError(
            f"{where}: checking it failed with {type(error).__name__} at {place(error, __file__)}: "
            "correct it there, or raise ValueError for a wrong value"
        ) from None


def mistakes(error: ValidationError, model: type[BaseModel]) -> Iterator[tuple[str, str]]:
    """Yield for each mistake the setting, as a dotted path inside `model`, and the line."""
    for detail in error.errors():
        path = [str(part) for part in detail["loc"]]
        setting = ".".join(path)
        if detail["type"] == "extra_forbidden":
            yield setting, unknown(setting, _keys(model, path[:-1]))
        elif detail["type"] == "missing":
            yield setting, f"{setting} is missing"
        else:
            message = detail["msg"].removeprefix("Value error, ")  # pydantic's words before our own
            yield setting, f"{setting} = {_shown(detail['input'])}: {message}"


def _shown(value: object) -> str:
    """Return a wrong value as it is written, cut to one line's length and without the password of a URL."""
    text = PASSWORD.sub(r"\1***", repr(value))
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"


def unknown(setting: str, known: Iterable[str]) -> str:
    """Return the line about a setting that does not exist; `known` are the keys that do in its place."""
    names = sorted(known)
    close = get_close_matches(setting.rpartition(".")[2], names, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(names) or 'none'}"
    return f"unknown setting {setting!r}; {hint}"


def section_of(annotation: Any) -> type[BaseModel] | None:
    """Return the section that a setting of this annotation is, or may be; None for plain values."""
    kinds = get_args(annotation) if get_origin(annotation) in (UnionType, Union) else (annotation,)
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def named_section(annotation: Any) -> type[BaseModel] | None:
    """Return the section of which a setting of this annotation holds several, by name; None for others."""
    return section_of(get_args(annotation)[1]) if get_origin(annotation) is dict else None


def _keys(model: type[BaseModel], path: Sequence[str]) -> Iterable[str]:
    """Return the keys of the section at `path`; none where the path leads through other kinds of values."""
    parts = iter(path)
    for part in parts:
        field = model.model_fields.get(part)
        section = section_of(field.annotation) if field else None
        if field is not None and section is None:
            section = named_section(field.annotation)
            next(parts, None)  # the name, which is the user's choice
        if section is None:
            return ()
        model = section
    return [field.alias or name for name, field in model.model_fields.items()]
