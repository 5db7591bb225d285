"""The web process: HTTP on the operator's port and on a Unix socket for commands; links of media workers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from actors.errors import LinkError
from ingress.configuration.settings import Settings
from ingress.link.link import Link
from ingress.link.listener import keep_listening, serve
from ingress.link.messages import CallGone, CallSeen
from ingress.web.app import make_app
from ingress.web.gateway_link import GatewayLink
from ingress.web.live import LiveModel
from ingress.web.question import Question
from ingress.web.services import Services

BACKLOG = 128
STOP_DEADLINE_S = 2
"""For answers under way; event streams have no end of their own."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sockets:
    """Unix sockets of the server's processes."""

    gateway: Path
    control: Path
    live: Path
    http: Path


def run(settings: Settings, sockets: Sockets, listener: socket.socket, name: str) -> None:
    """Serve until SIGTERM."""
    asyncio.run(_serve(settings, sockets, listener, name))


async def _serve(settings: Settings, sockets: Sockets, listener: socket.socket, name: str) -> None:
    services = Services(settings, Question(sockets.gateway), Question(sockets.control))

    async def handle(link: Link) -> None:
        await _follow(link, services.live)

    server = await serve(sockets.live, handle, name, "web")
    beside = (
        asyncio.create_task(keep_listening(server, sockets.live, handle, name, "web")),
        asyncio.create_task(GatewayLink(sockets.gateway, name, services.live).run()),
    )
    http = _Http(
        uvicorn.Config(
            make_app(services),
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=STOP_DEADLINE_S,
        )
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, http.stop)
    try:
        await http.serve(sockets=[listener, _unix_listener(sockets.http)])
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)


async def _follow(link: Link, live: LiveModel) -> None:
    """Take what a media worker reports, until its link breaks."""
    try:
        while True:
            match await link.receive():
                case CallSeen(call=call):
                    live.seen(call, link)
                case CallGone(call_id=call_id):
                    live.gone(call_id)
                case message:
                    raise LinkError(f"a media worker does not send {message.kind}")
    finally:
        live.worker_gone(link)


class _Http(uvicorn.Server):
    """The signals are the process's own."""

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        """Leave them alone."""
        yield

    def stop(self) -> None:
        """Take no more requests; those under way have a moment. Again: end them."""
        self.force_exit = self.should_exit
        self.should_exit = True


def _unix_listener(path: Path) -> socket.socket:
    """Return a listener on the socket for commands, in a folder that only the owner may enter."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    path.chmod(0o600)
    listener.listen(BACKLOG)
    return listener
