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
    """Dispatch on the first argument; the supervisor starts the other forms."""
    match sys.argv[1:]:
        case ["media-worker", folder, index, descriptor]:
            return _media_worker(RuntimeDirectory(Path(folder)), f"media-{index}", int(descriptor))
        case ["gateway", folder]:
            return _gateway(RuntimeDirectory(Path(folder)))
        case ["web", folder, *descriptors]:
            return _web(RuntimeDirectory(Path(folder)), [int(number) for number in descriptors])
        case _:
            from ingress.cli import main as command_line

            return command_line()


def _media_worker(runtime: RuntimeDirectory, name: str, descriptor: int) -> int:
    """`descriptor`: of the channel to the supervisor."""
    from ingress.media import worker

    settings, book = runtime.read()
    logs.configure(name, settings.log_level, settings.log_format)
    worker.run(
        settings, book, socket.socket(fileno=descriptor), runtime.gateway_socket, runtime.live_socket, name
    )
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


def _web(runtime: RuntimeDirectory, descriptors: list[int]) -> int:
    """`descriptors`: of the listening sockets of HTTP and, if it is enabled, FastAGI."""
    from ingress.web import process

    settings, _ = runtime.read()
    rank_behind(settings.server.nice)
    logs.configure("web", settings.log_level, settings.log_format)
    sockets = process.Sockets(
        runtime.gateway_socket, runtime.control_socket, runtime.live_socket, runtime.web_socket
    )
    http, *agi = (socket.socket(fileno=number) for number in descriptors)
    try:
        process.run(settings, sockets, http, agi[0] if agi else None, f"web-{os.getpid()}")
    except ConfigurationError as error:
        # The token has gone since the start: calls go on without this process, which tries again.
        log.error("%s", described(error))
        return ExitCode.FAILED
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(main())
