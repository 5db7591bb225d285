"""`python -m ingress`: the command line, or one of the server's own processes."""

from __future__ import annotations

import logging
import os
import socket
import sys
from pathlib import Path

from actors.errors import ConfigurationError
from ingress.configuration.settings import Settings
from ingress.server.exit_codes import ExitCode

log = logging.getLogger(__name__)


def main() -> int:
    """Dispatch on the first argument; the supervisor starts the other two forms."""
    match sys.argv[1:]:
        case ["media-worker", settings_file, gateway_socket, index, *listeners]:
            return _media_worker(Path(settings_file), Path(gateway_socket), index, listeners)
        case ["gateway", settings_file, gateway_socket]:
            return _gateway(Path(settings_file), Path(gateway_socket))
        case _:
            from ingress.cli import main as command_line

            return command_line()


def _media_worker(settings_file: Path, gateway_socket: Path, index: str, inherited: list[str]) -> int:
    """`inherited`: EXTENSION=DESCRIPTOR of each listening socket."""
    from ingress.media import worker as media_worker

    settings = _settings(settings_file, f"media-{index}")
    pairs = (item.split("=") for item in inherited)
    listeners = {extension: socket.socket(fileno=int(descriptor)) for extension, descriptor in pairs}
    media_worker.run(settings, listeners, gateway_socket, f"media-{index}")
    return ExitCode.OK


def _gateway(settings_file: Path, gateway_socket: Path) -> int:
    from ingress.gateway import gateway

    settings = _settings(settings_file, "gateway")
    try:
        # Unlike any other in a cluster, and unlike the gateway that it may replace.
        gateway.run(settings, gateway_socket, f"{socket.gethostname()}-{os.getpid()}")
    except ConfigurationError as error:
        log.error("%s", error)
        return ExitCode.CONFIGURATION
    return ExitCode.OK


def _settings(settings_file: Path, process: str) -> Settings:
    from ingress.server import logs

    settings = Settings.model_validate_json(settings_file.read_text())
    logs.configure(process, settings.log_level)
    return settings


if __name__ == "__main__":
    sys.exit(main())
