"""What the dialplan asks before and after a call, whichever way it asks: FastAGI or HTTP."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from actors.errors import LinkError
from ingress.configuration.extensions import DEFAULT_EXTENSION
from ingress.link.messages import (
    BeginReply,
    BeginRequest,
    CallReply,
    CallRequest,
    ControlReply,
    ExtensionsRequest,
)
from ingress.link.records import CallOutcome, CallResult
from ingress.web.services import Services

POLL_S = 0.05
"""Of what this process knows."""
GATEWAY_POLL_S = 0.5
"""Each question to the gateway is a link of its own, and it has calls to serve."""
RESULT_WAIT_S = 2.0
"""For the record of a call that has just ended to arrive."""
GATEWAY_AWAY = "the gateway is away"
NO_SUCH_CALL = "no call with this UUID has ended"


async def begin(services: Services, request: BeginRequest) -> BeginReply:
    """Return whether a call may come, and its UUID; without a gateway none may."""
    try:
        return await services.gateway.ask(request, BeginReply)
    except LinkError:
        return BeginReply(call_id="", is_admitted=False, reason=GATEWAY_AWAY, expires_in_s=0.0)


class Addresses(NamedTuple):
    """Where `AudioSocket()` reaches an extension: each is `host:port`, or empty if it is not known now."""

    calls: str = ""
    return_legs: str = ""
    """Empty, too, if it takes none."""


async def addresses(services: Services, extension: str, reached_at: str) -> Addresses:
    """Return where an extension is reached.

    `reached_at`: the address of this machine by which the dialplan asked, for a server on all addresses.
    """
    try:
        reply = await services.control.ask(ExtensionsRequest(), ControlReply)
    except LinkError:
        return Addresses()
    name = extension if extension in reply.ports else DEFAULT_EXTENSION  # a shared one has no port of its own
    known = reply.book.extensions.get(name)
    host = (known.host if known is not None else None) or services.settings.server.host
    if host in ("0.0.0.0", "::"):
        host = reached_at
    if ":" in host:
        host = f"[{host}]"
    ports = reply.ports.get(name), reply.return_ports.get(name)
    return Addresses(*("" if port is None else f"{host}:{port}" for port in ports))


async def outcome(services: Services, call_id: str, wait_s: float = RESULT_WAIT_S) -> CallOutcome:
    """Return how a call ended, once its record is there; `failed` with the reason if none comes."""
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + wait_s
    ask_s = loop.time()
    while True:
        if (known := services.live.outcome(call_id)) is not None:
            return known
        now = loop.time()
        if now >= min(ask_s, deadline_s):
            ask_s = now + GATEWAY_POLL_S
            reason = NO_SUCH_CALL
            try:
                record = (await services.gateway.ask(CallRequest(call_id=call_id), CallReply)).record
                if record is not None:
                    return record.outcome
            except LinkError:
                reason = GATEWAY_AWAY
            if now >= deadline_s:
                return CallOutcome(result=CallResult.FAILED, reason=reason)
        await asyncio.sleep(POLL_S)
