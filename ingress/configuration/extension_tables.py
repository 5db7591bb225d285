"""Extensions from elsewhere than the configuration: each is a table with the keys of `[extensions.NAME]`.

| column of a row | is |
|---|---|
| `name` | the extension's name |
| `enabled` | false: the rest of the row is not read |
| `note` | for people |
| `settings` | a JSON object: keys of `[extensions.NAME]` |
| any other | the key of that name; null: not set |
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic import JsonValue, ValidationError
from pydantic_core import from_json

from actors.errors import ConfigurationError
from actors.plugins.mistakes import mistakes
from actors.settings import Table
from ingress.configuration.contradictions import contradictions
from ingress.configuration.settings import Settings

Tables = Mapping[str, Table]
"""By the extensions' names."""


def tables_of(rows: Iterable[str]) -> dict[str, Table]:
    """Return the extensions of these rows, each a JSON object by column. Raises ConfigurationError."""
    tables: dict[str, Table] = {}
    settings: JsonValue
    problems: list[str] = []
    for row in rows:
        try:
            columns: Table = from_json(row)
        except ValueError as error:  # nested too deeply, or a number too long
            problems.append(f"row {row[:80]!r}: {error}")
            continue
        name = columns.pop("name", None)
        if not isinstance(name, str) or not name:
            problems.append("a row without a name: the column `name` has to hold the extension's name")
            continue
        enabled = columns.pop("enabled", True)
        if enabled is False:
            continue
        if enabled is not True:
            problems.append(f"row {name!r}, column enabled: true or false is needed")
        columns.pop("note", None)
        settings = columns.pop("settings", None)
        if settings is None:
            settings = {}
        if name in tables:
            problems.append(f"row {name!r}: there are several of this name; keep one")
        if not isinstance(settings, dict):
            problems.append(
                f"row {name!r}, column settings: a JSON object with keys of [extensions.NAME] is needed"
            )
            continue
        chosen: Table = {column: value for column, value in columns.items() if value is not None}
        problems += (
            f"row {name!r}: {key!r} is set in its column and in the column settings; set it in one of them"
            for key in sorted(chosen.keys() & settings.keys())
        )
        tables[name] = settings | chosen
    if problems:
        raise ConfigurationError("\n".join(problems))
    return tables


def with_extensions(settings: Settings, tables: Tables) -> Settings:
    """Return the settings with these extensions beside their own. Raises ConfigurationError."""
    if not tables:
        return settings
    try:
        extensions = Settings.model_validate({"extensions": tables}).extensions
    except ValidationError as error:
        raise ConfigurationError("\n".join(line for _, line in mistakes(error, Settings))) from None
    joined = settings.model_copy(update={"extensions": settings.extensions | extensions})
    problems = [
        f"extensions.{name}: it is in the configuration, too; keep it in one place"
        for name in sorted(extensions.keys() & settings.extensions.keys())
    ]
    problems += contradictions(joined)
    if problems:
        raise ConfigurationError("\n".join(problems))
    return joined
