"""The endpoint's key: from the environment or a private file, never in settings, logs or errors."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from actors.errors import ConfigurationError
from ingress.access.private_files import header_secret
from ingress.dialogs.llm.settings import OPENAI_HOST, LlmSettings

KEY_VARIABLE = "OPENAI_API_KEY"


def api_key(settings: LlmSettings, environment: Mapping[str, str], where: str) -> str | None:
    """Return the key; None: none is configured, and the endpoint may want none. Raises ConfigurationError."""
    given = environment.get(KEY_VARIABLE, "").strip()
    if given:
        if not (given.isascii() and given.isprintable()):
            raise ConfigurationError(f"environment variable {KEY_VARIABLE}: a key is one line of ASCII")
        return given
    if settings.api_key_file is not None:
        return header_secret(
            settings.api_key_file, f"{where}.api_key_file = {settings.api_key_file!r}", "key"
        )
    if urlsplit(settings.base_url).hostname == OPENAI_HOST:
        raise ConfigurationError(
            f"{where}: {OPENAI_HOST} wants a key: name its file as api_key_file, or set {KEY_VARIABLE}; for "
            "another endpoint set base_url"
        )
    return None
