"""`python -m ingress`: the command line, or one of the server's own processes."""

from __future__ import annotations

import logging
import os
import socket
import sys
from pathlib import Path

from actors.errors import ConfigurationError, described
from actors.machine.rank import rank_behind
from ingress.server import logs
from ingress.server.exit_codes import ExitCode
from ingress.server.runtime_directory import RuntimeDirectory

log = logging.getLogger(__name__)


def main() -> int:
    """Dispatch on the first argument; the supervisor starts the other two forms."""
    match sys.argv[1:]:
        case ["media-worker", folder, index, *listeners]:
            return _media_worker(RuntimeDirectory(Path(folder)), f"media-{index}", listeners)
        case ["gateway", folder]:
            return _gateway(RuntimeDirectory(Path(folder)))
        case _:
            from ingress.cli import main as command_line

            return command_line()


def _media_worker(runtime: RuntimeDirectory, name: str, inherited: list[str]) -> int:
    """`inherited`: EXTENSION=DESCRIPTOR of each listening socket."""
    from ingress.media import worker

    settings, book = runtime.read()
    logs.configure(name, settings.log_level, settings.log_format)
    pairs = (item.split("=") for item in inherited)
    listeners = {extension: socket.socket(fileno=int(descriptor)) for extension, descriptor in pairs}
    worker.run(settings, book, listeners, runtime.gateway_socket, name)
    return ExitCode.OK


def _gateway(runtime: RuntimeDirectory) -> int:
    from ingress.gateway import gateway

    settings, book = runtime.read()
    rank_behind(settings.server.nice)  # before there are threads: they inherit it
    logs.configure("gateway", settings.log_level, settings.log_format)
    try:
        # Unlike any other in a cluster, and unlike the gateway that it may replace.
        gateway.run(settings, book, runtime.gateway_socket, f"{socket.gethostname()}-{os.getpid()}")
    except ConfigurationError as error:
        log.error("%s", described(error))
        return ExitCode.CONFIGURATION
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(main())
