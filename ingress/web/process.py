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
from ingress.access.tokens import configured_token
from ingress.configuration.settings import Settings
from ingress.link.link import Link
from ingress.link.listener import LOOK_INTERVAL_S, keep_listening, serve
from ingress.link.messages import CallGone, CallSeen
from ingress.link.private_socket import bound, is_there
from ingress.web.agi.server import AgiServer
from ingress.web.app import make_app
from ingress.web.bodies import MAXIMUM_BODY_BYTES
from ingress.web.connections import IDLE_S, MAXIMUM_HEAD_BYTES, Connection
from ingress.web.gateway_link import GatewayLink
from ingress.web.live import LiveModel
from ingress.web.question import Question
from ingress.web.services import Services

BACKLOG = 128
STOP_DEADLINE_S = 3
"""For connections to end (`ingress.web.connections.LAST_ANSWER_S`); after it the tasks are cancelled."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sockets:
    """Unix sockets of the server's processes."""

    gateway: Path
    control: Path
    live: Path
    http: Path


def run(
    settings: Settings, sockets: Sockets, listener: socket.socket, agi: socket.socket | None, name: str
) -> None:
    """Serve until SIGTERM; `agi`: the listening socket of FastAGI.

    Raises ConfigurationError without the token that is configured.
    """
    asyncio.run(_serve(settings, sockets, listener, agi, name))


async def _serve(
    settings: Settings, sockets: Sockets, listener: socket.socket, agi: socket.socket | None, name: str
) -> None:
    token = configured_token(settings.web.token_file, os.environ)
    services = Services(settings, Question(sockets.gateway), Question(sockets.control, "supervisor"), token)

    async def handle(link: Link) -> None:
        await _follow(link, services.live)

    server = await serve(sockets.live, handle, name, "web")
    dialplan = await AgiServer(services).serve(agi) if agi is not None else None
    beside = (
        asyncio.create_task(keep_listening(server, sockets.live, handle, name, "web")),
        asyncio.create_task(GatewayLink(sockets.gateway, name, services.live).run()),
        asyncio.create_task(services.watch.run(services.live)),
        asyncio.create_task(_until_removed(sockets.http)),
    )
    http = _Http(
        uvicorn.Config(
            make_app(services),
            http=Connection,
            ws="websockets-sansio",
            ws_max_size=MAXIMUM_BODY_BYTES,
            ws_per_message_deflate=False,
            h11_max_incomplete_event_size=MAXIMUM_HEAD_BYTES,
            timeout_keep_alive=IDLE_S,
            proxy_headers=False,  # who connects is who is counted
            log_config=None,
            log_level=logging.ERROR,  # it warns of every client that sends nonsense
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=STOP_DEADLINE_S,
        )
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, http.stop)
    commands = bound(sockets.http)
    commands.listen(BACKLOG)
    for task in beside:
        task.add_done_callback(lambda _: http.stop())  # by a mistake: the next process begins anew
    try:
        await http.serve(sockets=[listener, commands])
    finally:
        if dialplan is not None:
            dialplan.close()
        for task in beside:
            task.cancel()
        for ended in await asyncio.gather(*beside, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended


async def _follow(link: Link, live: LiveModel) -> None:
    """Take what a media worker reports, until its link breaks."""
    try:
        while True:
            match await link.receive():
                case CallSeen(call=call):
                    live.seen(call, link)
                case CallGone(call_id=call_id, outcome=outcome):
                    live.gone(call_id, outcome)
                case message:
                    raise LinkError(f"a media worker does not send {message.kind}")
    finally:
        live.worker_gone(link)


async def _until_removed(path: Path) -> None:
    """Return when the socket for commands is gone: programs that clean the temporary folder do that."""
    while True:
        await asyncio.sleep(LOOK_INTERVAL_S)
        if not is_there(path):
            log.warning("%s has been removed: this process starts again", path)
            return


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
