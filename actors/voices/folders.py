"""Where voices are kept on this machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from actors.checks.folders import expanded
from actors.errors import ConfigurationError


def voice_folder(engine: str, configured: str | None, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of an engine's voices: the setting `speech.ENGINE.folder`, else one of the user's.

    The latter is below $XDG_DATA_HOME, if that is an absolute path, else below `~/.local/share` (XDG Base
    Directory Specification). It need not exist. Raises ConfigurationError if this user has no home.
    """
    setting = f"speech.{engine}.folder"
    if configured is not None:
        return expanded(configured, setting).absolute()
    base = Path(environment.get("XDG_DATA_HOME", ""))
    try:
        home = base if base.is_absolute() else Path.home() / ".local" / "share"
    except RuntimeError as error:
        raise ConfigurationError(f"no place for voices: this user has no home; set {setting}") from error
    return home / "raymal" / "voices" / engine
