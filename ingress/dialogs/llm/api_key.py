"""The endpoint's key: from the environment or a private file, never in settings, logs or errors.

An extension may set `base_url`, and other people than the server's owner may write extensions: the key of the
environment goes to OpenAI and to this machine alone, wherever `base_url` leads.
"""

from __future__ import annotations

from collections.abc import Mapping

from actors.checks.hosts import is_loopback
from actors.errors import ConfigurationError
from ingress.access.private_files import header_secret
from ingress.dialogs.llm.settings import OPENAI_HOST, LlmSettings

KEY_VARIABLE = "OPENAI_API_KEY"


def api_key(settings: LlmSettings, environment: Mapping[str, str], where: str) -> str | None:
    """Return the key; None: none is configured, and the endpoint may need none. Raises ConfigurationError."""
    import httpx2

    address = httpx2.URL(settings.base_url)  # as the client reads it
    is_openai = (address.scheme, address.host) == ("https", OPENAI_HOST)
    given = environment.get(KEY_VARIABLE, "").strip()
    if given and (is_openai or is_loopback(address.host)):
        if not (given.isascii() and given.isprintable()):
            raise ConfigurationError(f"environment variable {KEY_VARIABLE}: a key is one line of ASCII")
        return given
    if settings.api_key_file is not None:
        return header_secret(
            settings.api_key_file, f"{where}.api_key_file = {settings.api_key_file!r}", "key"
        )
    if is_openai:
        raise ConfigurationError(
            f"{where}: {OPENAI_HOST} needs a key: name its file as api_key_file, or set {KEY_VARIABLE}; for "
            "another endpoint set base_url"
        )
    return None
