"""`raymal serve`: take calls until SIGTERM. The flags for settings, of other commands too."""

from __future__ import annotations

import argparse
import asyncio
import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from actors.engines.registry import STT_ENGINES, TTS_ENGINES
from actors.errors import ConfigurationError
from ingress.commands.arguments import seconds
from ingress.configuration.loading import load_settings
from ingress.configuration.settings import Settings
from ingress.dialogs.registry import DIALOGS
from ingress.server import logs, start
from ingress.server.checking import check, extension_book
from ingress.server.exit_codes import ExitCode

FLAGS = {
    "--host": ("server.host", "ADDRESS", "address to listen on (127.0.0.1)"),
    "--port": ("server.port", "PORT", "port to listen on (9092); 0 lets the system choose"),
    "--media-workers": ("server.media_workers", "N", "processes that share the port (1)"),
    "--max-calls": ("server.max_calls", "N", "calls per media worker (400)"),
    "--drain": ("server.drain_deadline_s", "SECONDS", "time for running calls to finish at stop (30)"),
    "--dialog": ("dialog.name", "NAME", f"{', '.join(DIALOGS)}, or your own: package.module:Class (echo)"),
    "--greeting": ("dialog.greeting", "TEXT", "said when a call begins; '' for none (the echo dialog's own)"),
    "--stt": ("speech.stt", "ENGINE", f"speech to text: {', '.join(STT_ENGINES)}, or your own (whisper)"),
    "--tts": ("speech.tts", "ENGINE", f"text to speech: {', '.join(TTS_ENGINES)}, or your own (hibari)"),
    "--language": ("speech.language", "CODE", "of the callers (en)"),
    "--model": ("speech.whisper.model", "MODEL", "whisper weights: bundled, a folder, a hub name (bundled)"),
    "--ray-address": ("fleet.ray_address", "ADDRESS", "join this Ray (host:port or auto), start none"),
    "--max-transcriptions": ("fleet.max_concurrent_transcriptions", "N", "at a time (from the hardware)"),
    "--max-syntheses": ("fleet.max_concurrent_synthesis", "N", "at a time (from the hardware)"),
    "--log-level": ("log_level", "LEVEL", "DEBUG, INFO, WARNING or ERROR (INFO)"),
}
"""Each flag: the setting it is short for, the name of its value, its help. `--set` reaches every setting."""


OWN_DEADLINE = -1.0
"""`--replace` without a value."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "serve",
        description="Take AudioSocket calls from Asterisk, hear, understand and answer them. Settings "
        "come from --config (TOML), then the environment, then flags; docs/settings.md lists them all.",
    )
    add_settings_flags(parser)
    parser.add_argument("--no-ray", action="store_true", help="run the speech workers without Ray")
    parser.add_argument(
        "--api",
        action="store_true",
        help="open the cluster's HTTP door on Ray Serve as well: 127.0.0.1:8000 (docs/api.md)",
    )
    parser.add_argument(
        "--keep-transcripts",
        action="store_true",
        help="keep the words of recent calls in memory, for `raymal call` to show",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="try all that can be tried without taking calls, say what cannot work, and exit",
    )
    parser.add_argument(
        "--replace",
        nargs="?",
        type=seconds(86_400.0),
        const=OWN_DEADLINE,
        metavar="SECONDS",
        help="take the place of the server that runs on the same port; no call is refused or lost, its own "
        "go on for so long (its server.drain_deadline_s)",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C."""
    settings = loaded(arguments)
    logs.configure("supervisor", settings.log_level, settings.log_format)
    if arguments.check:
        check(settings, is_alone=True)
        print("the configuration is fine")
        return ExitCode.OK
    replaces: start.Replacement | None = None
    if arguments.replace is not None:
        replaces = start.Replacement(arguments.replace if arguments.replace >= 0.0 else None)

    def read_again(drafts: Mapping[Path, str]) -> Settings:
        return settings_of(arguments, drafts)

    return asyncio.run(start.serve(settings, read_again, arguments.config, replaces))


def add_settings_flags(parser: argparse._ActionsContainer, flags: Iterable[str] = FLAGS) -> None:
    """Add the flags that `settings_of` reads, of `FLAGS` these alone."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings as TOML")
    for flag in flags:
        _, metavar, text = FLAGS[flag]
        parser.add_argument(flag, metavar=metavar, help=text)
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SETTING=VALUE",
        help="any setting, such as endpointing.end_silence_ms=700 or extensions.sales.port=9100; "
        "may be repeated",
    )


def settings_of(arguments: argparse.Namespace, drafts: Mapping[Path, str] | None = None) -> Settings:
    """Return the settings that the arguments, the environment and the file make together, checked whole.

    A command need not have all of the flags. `drafts`: texts to read in place of what files hold.
    Raises ConfigurationError.
    """
    settings = loaded(arguments, drafts)
    extension_book(settings)  # raises for extensions and dialogs that cannot be
    return settings


def loaded(arguments: argparse.Namespace, drafts: Mapping[Path, str] | None = None) -> Settings:
    """Return the settings; extensions and dialogs are still to be checked. Raises ConfigurationError."""
    given = vars(arguments)
    flags: dict[str, tuple[str, Any]] = {}
    for assignment in arguments.set:
        setting, equals, value = assignment.partition("=")
        if not equals or not setting:
            raise ConfigurationError(f"--set {assignment!r}: write SETTING=VALUE")
        flags[setting] = (f"--set {setting}", _value(value))
    for flag, (setting, *_) in FLAGS.items():
        value = given.get(flag.removeprefix("--").replace("-", "_"))
        if value is not None:
            flags[setting] = (flag, value)
    if given.get("no_ray"):
        flags["fleet.backend"] = ("--no-ray", "local")
    if given.get("api"):
        flags["api.enabled"] = ("--api", True)
    if given.get("keep_transcripts"):
        flags["privacy.keep_transcripts"] = ("--keep-transcripts", True)
    return load_settings(arguments.config, os.environ, flags, drafts)


def _value(text: str) -> Any:
    """Return a list if the text is one in TOML, such as [10, 25, 60]; else the text, to be checked later."""
    if not text.startswith("["):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
