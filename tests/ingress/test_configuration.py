"""Settings from file, environment and flags: each mistake is one line that helps."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.errors import ConfigurationError
from ingress.configuration import load_settings
from ingress.dialogs.registry import dialog
from ingress.settings import DialogSettings, Settings


def test_without_anything_the_defaults_hold() -> None:
    """The default server listens on loopback only."""
    settings = load_settings(None, {}, {})
    assert settings == Settings()
    assert (settings.server.host, settings.server.port) == ("127.0.0.1", 9092)


def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    """The order that operators expect."""
    file = tmp_path / "raymal.toml"
    file.write_text(
        "[fleet]\nmax_concurrent_transcriptions = 1\nmax_concurrent_synthesis = 1\n[server]\nport = 1\n"
    )
    environment = {"MAX_CONCURRENT_TRANSCRIPTIONS": "2", "MAX_CONCURRENT_SYNTHESIS": "2"}
    flags = {"fleet.max_concurrent_synthesis": ("--max-syntheses", 3)}
    settings = load_settings(file, environment, flags)
    assert settings.server.port == 1
    assert settings.fleet.max_concurrent_transcriptions == 2
    assert settings.fleet.max_concurrent_synthesis == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[server]\nprot = 1\n", r"raymal\.toml: unknown setting 'server\.prot'; did you mean 'port'\?"),
        ("[sever]\nport = 1\n", r"unknown setting 'sever'; did you mean 'server'\?"),
        ("[speech.whisper]\nzzz = 1\n", r"unknown setting 'speech\.whisper\.zzz'; known here: .*beam_size"),
        ("[server]\nport = 99999\n", r"server\.port = 99999: .*less than or equal to 65535"),
        ("server = 3\n", r"server = 3"),
        ("[server\n", r"cannot be read as TOML"),
    ],
)
def test_a_mistake_in_the_file_names_the_file_the_key_and_the_remedy(
    tmp_path: Path, text: str, expected: str
) -> None:
    """What, where, what to do."""
    file = tmp_path / "raymal.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=expected):
        load_settings(file, {}, {})


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """No traceback."""
    with pytest.raises(ConfigurationError, match="no such configuration file"):
        load_settings(tmp_path / "nowhere.toml", {}, {})


def test_mistakes_in_variables_and_flags_name_them() -> None:
    """The operator is told where to look."""
    with pytest.raises(ConfigurationError, match="environment variable MAX_CONCURRENT_SYNTHESIS"):
        load_settings(None, {"MAX_CONCURRENT_SYNTHESIS": "many"}, {})
    with pytest.raises(ConfigurationError, match="--port"):
        load_settings(None, {}, {"server.port": ("--port", -1)})


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """One run, every line."""
    file = tmp_path / "raymal.toml"
    file.write_text("[server]\nport = -1\nmax_calls = 0\n")
    with pytest.raises(ConfigurationError) as caught:
        load_settings(file, {}, {})
    assert len(str(caught.value).splitlines()) == 2


def test_a_host_that_is_none_is_refused() -> None:
    """Before any port opens."""
    with pytest.raises(ConfigurationError, match=r"server\.host"):
        load_settings(None, {}, {"server.host": ("--host", "no such host")})


def test_an_unknown_dialog_lists_the_known_ones() -> None:
    """Names are checked by name."""
    with pytest.raises(ConfigurationError, match="choose one of echo, tone"):
        dialog(DialogSettings(name="eco"))


def test_the_frame_length_may_come_as_text() -> None:
    """`--set server.frame_ms=30` is a number, and 25 is refused with what would be right."""
    settings = load_settings(None, {}, {"server.frame_ms": ("--set server.frame_ms", "30")})
    assert settings.server.frame_ms == 30
    with pytest.raises(ConfigurationError, match="20 or 30"):
        load_settings(None, {}, {"server.frame_ms": ("--set server.frame_ms", "25")})
