"""Settings checked whole, before a port opens."""

from __future__ import annotations

from typing import Any

import pytest

from actors.errors import ConfigurationError
from ingress.configuration.settings import Settings
from ingress.server.checking import check


def settings(**dialogs: str) -> dict[str, Any]:
    """Return a server with a Portuguese extension and these dialogs, and an engine that speaks English."""
    return {
        "fleet": {"backend": "local"},
        "speech": {"stt": "scripted"},
        "dialog": {"name": dialogs.get("default", "echo")},
        "extensions": {"sales": {"port": 9100, "language": "pt", "dialog": {"name": dialogs["sales"]}}},
    }


def test_the_language_of_each_extension_is_checked_where_the_engines_run() -> None:
    """With the extension's name; on another machine's engines nothing is known here."""
    with pytest.raises(ConfigurationError, match=r"^extensions\.sales\.language: the hibari engine"):
        check(Settings.model_validate(settings(sales="echo")))
    check(Settings.model_validate(settings(sales="tone")))
    check(Settings.model_validate(settings(sales="echo") | {"fleet": {"ray_address": "10.0.0.1:6379"}}))


def test_engines_are_checked_if_any_extension_speaks() -> None:
    """The server's own dialog is one of several."""
    wrong = {"speech": {"stt": "wisper"}}
    assert not check(
        Settings.model_validate(settings(default="tone", sales="tone") | wrong)
    ).has_speech_workers
    with pytest.raises(ConfigurationError, match="unknown engine 'wisper'"):
        check(Settings.model_validate(settings(default="tone", sales="echo") | wrong))
