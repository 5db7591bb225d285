"""Ask a running server on this machine how it is doing, over the gateway's private socket."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from actors.errors import LinkError
from ingress.link.asking import ask
from ingress.link.client import connect
from ingress.link.link import Link
from ingress.link.messages import (
    LINK_VERSION,
    CallReply,
    CallRequest,
    ControlReply,
    Hello,
    Message,
    StatusReply,
    StatusRequest,
)
from ingress.link.records import CallRecord
from ingress.link.status import ServerStatus
from ingress.server.finding import find

POLL_S = 0.1
CONTROL_DEADLINE_S = 45.0
"""A configuration may take half a minute to be read and checked."""


async def status(port: int) -> ServerStatus:
    """Return the server's status. Raises LinkError when no gateway answers."""
    async with _gateway(port) as link:
        return (await ask(link, StatusRequest(), StatusReply)).status


async def status_at(gateway_socket: Path) -> tuple[str, ServerStatus]:
    """Return the name and the status of the gateway at that socket. Raises LinkError."""
    async with _linked(gateway_socket) as link:
        assert link.peer is not None
        return link.peer.name, (await ask(link, StatusRequest(), StatusReply)).status


async def control(port: int, question: Message) -> ControlReply:
    """Ask something of the server's supervisor. Raises LinkError when none answers."""
    async with _linked(find(port).control_socket, "supervisor") as link:
        return await ask(link, question, ControlReply, CONTROL_DEADLINE_S)


async def wait_until_ready(
    port: int, deadline_s: float, on_detail: Callable[[str], None] = lambda detail: None
) -> None:
    """Return once the server can serve a turn. Raises TimeoutError with the last detail."""
    detail = "the gateway does not answer yet"
    try:
        async with asyncio.timeout(deadline_s):
            while True:
                try:
                    found = await status(port)
                    if found.is_ready:
                        return
                    detail = found.detail
                except LinkError:
                    pass
                on_detail(detail)
                await asyncio.sleep(POLL_S)
    except TimeoutError as error:
        raise TimeoutError(f"not ready within {deadline_s:g} s: {detail}") from error


async def call_record(port: int, call_id: str, wait_s: float) -> CallRecord | None:
    """Return a call's record once the call is over; None if none appears in time.

    Raises LinkError when no gateway answers.
    """
    deadline_s = asyncio.get_running_loop().time() + wait_s
    async with _gateway(port) as link:
        while True:
            reply = await ask(link, CallRequest(call_id=call_id), CallReply)
            if reply.record is not None or asyncio.get_running_loop().time() >= deadline_s:
                return reply.record
            await asyncio.sleep(POLL_S)


@asynccontextmanager
async def _gateway(port: int) -> AsyncIterator[Link]:
    async with _linked(find(port).gateway_socket) as link:
        yield link


@asynccontextmanager
async def _linked(path: Path, listener: str = "gateway") -> AsyncIterator[Link]:
    hello = Hello(version=LINK_VERSION, role="observer", name=f"observer-{os.getpid()}")
    try:
        link = await connect(path, hello, listener)
    except LinkError as error:
        if not isinstance(error.__cause__, OSError):
            raise  # it is there, and does not understand
        raise LinkError(f"{error}; is `raymal serve` still running, and are you its user or root?") from error
    try:
        yield link
    finally:
        await link.close()
