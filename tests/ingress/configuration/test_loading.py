"""Settings from file, environment and flags: each mistake is one line that helps."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import pytest

from actors.errors import ConfigurationError
from ingress.commands import serve
from ingress.configuration.loading import load_settings
from ingress.configuration.settings import DialogSettings, Settings


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
        ("[extensions.a]\nprot = 1\n", r"raymal\.toml: extensions\.a\.port is missing"),
        ("[extensions.a]\nport = 1\npririty = 1\n", r"'extensions\.a\.pririty'; did you mean 'priority'"),
        (
            "[extensions.a]\nport = 1\n[extensions.a.dialog]\nnam = 1\n",
            r"unknown setting 'extensions\.a\.dialog\.nam'; did you mean 'name'\?",
        ),
        ("extensions = 3\n", r"extensions = 3"),
        ("[extensions]\na = 3\n", r"extensions\.a = 3"),
        ("[extensions.a]\nport = 7\npriority = 'urgent'\n", r"extensions\.a\.priority = 'urgent': .*'high'"),
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


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    """Nobody may ever write to it; a running server would wait for that."""
    os.mkfifo(tmp_path / "raymal.toml")
    with pytest.raises(ConfigurationError, match=r"raymal\.toml: this is a pipe"):
        load_settings(tmp_path / "raymal.toml", {}, {})


def test_mistakes_in_variables_and_flags_name_them() -> None:
    """The operator sees where to look."""
    with pytest.raises(ConfigurationError, match="environment variable MAX_CONCURRENT_SYNTHESIS"):
        load_settings(None, {"MAX_CONCURRENT_SYNTHESIS": "many"}, {})
    with pytest.raises(ConfigurationError, match="--port"):
        load_settings(None, {}, {"server.port": ("--port", -1)})


def test_all_mistakes_are_listed_at_once(tmp_path: Path) -> None:
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


def test_the_frame_length_may_come_as_text() -> None:
    """`--set server.frame_ms=30` is a number, and 25 is refused with what would be right."""
    settings = load_settings(None, {}, {"server.frame_ms": ("--set server.frame_ms", "30")})
    assert settings.server.frame_ms == 30
    with pytest.raises(ConfigurationError, match="20 or 30"):
        load_settings(None, {}, {"server.frame_ms": ("--set server.frame_ms", "25")})


def test_extensions_come_from_the_file_and_from_flags(tmp_path: Path) -> None:
    """A flag may add one, and may change what the file says of one."""
    file = tmp_path / "raymal.toml"
    file.write_text("[extensions.sales]\nport = 9101\ndialog.greeting = 'Sales.'\n")
    flags = {
        "extensions.sales.port": ("--set extensions.sales.port", "9100"),
        "extensions.night.port": ("--set extensions.night.port", "9102"),
    }
    found = load_settings(file, {}, flags).extensions
    assert {name: chosen.port for name, chosen in found.items()} == {"sales": 9100, "night": 9102}
    assert found["sales"].dialog == DialogSettings(greeting="Sales.")


def test_a_flag_may_be_a_list() -> None:
    """`--set throttle.cpu_percent=[50, 60, 70]`; an address in brackets stays what it is."""
    arguments = argparse.ArgumentParser()
    serve.add_parser(arguments.add_subparsers())
    steps = serve.settings_of(arguments.parse_args(["serve", "--set", "throttle.cpu_percent=[50, 60, 70]"]))
    assert steps.throttle.cpu_percent == (50.0, 60.0, 70.0)
    with pytest.raises(ConfigurationError, match=r"server\.host"):
        serve.settings_of(arguments.parse_args(["serve", "--set", "server.host=[::1]"]))
    with pytest.raises(ConfigurationError, match="write SETTING=VALUE"):
        serve.settings_of(arguments.parse_args(["serve", "--set", "nonsense"]))


def test_extensions_have_a_file_of_their_own(tmp_path: Path) -> None:
    """It need not exist yet; flags win over it; a mistake names it, and what does not belong there too."""
    own, main = tmp_path / "extensions.toml", tmp_path / "raymal.toml"
    main.write_text(f'[extensions_source]\nfile = "{own}"\n[extensions.day]\nport = 9100\n')
    assert list(load_settings(main, {}, {}).extensions) == ["day"]
    own.write_text('[extensions.night]\nport = "shared"\n[extensions.late]\nport = "auto"\n')
    flag = {"extensions.night.language": ("--set", "es")}
    night = load_settings(main, {}, flag).extensions["night"]
    assert (night.port, night.language, load_settings(main, {}, {}).extensions["late"].port) == (
        None,
        "es",
        0,
    )
    for text, expected in {
        "[extensions.night]\nport = 1e9": f"{own}: extensions.night.port",
        "[server]\nport = 1": f"{own}: server: only tables [extensions.NAME] belong in this file",
        "extensions = 1": f"{own}: extensions: tables [extensions.NAME] are needed",
        "[extensions.day]\nport = 1": "it is in the configuration as well",
        "[extensions.a]\nport = 1\nhost = 'no such host'": "extensions.a.host: 'no such host' is not",
        "[extensions": f"{own}: cannot be read as TOML",
    }.items():
        with pytest.raises(ConfigurationError) as caught:
            load_settings(main, {}, {}, {own: text})
        assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (["10.1.2.3/8"], "write 10.0.0.0/8"),
        ([], "1 to 1000 networks are needed"),
    ],
)
def test_networks_that_cannot_be_are_explained(written: list[str], said: str) -> None:
    """One line, with the setting and what would be right."""
    with pytest.raises(ConfigurationError, match=said) as caught:
        load_settings(None, {}, {"access.networks": ("--set access.networks", written)})
    assert str(caught.value).startswith("--set access.networks: access.networks = ")
    assert "\n" not in str(caught.value)
