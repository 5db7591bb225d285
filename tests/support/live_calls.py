"""A running call as a media worker reports it, and a link that it could have come by."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from actors.messages import Priority
from ingress.link.link import Link
from ingress.link.live import Activity, LiveCall


def live_call(call_id: str, **changes: Any) -> LiveCall:
    """Return a call that listens."""
    call = LiveCall(
        call_id=call_id,
        extension="sales",
        language="en",
        priority=Priority.NORMAL,
        peer="127.0.0.1:5000",
        started_at_s=1.0,
        activity=Activity.LISTENING,
    )
    return call.model_copy(update=changes)


@asynccontextmanager
async def link_to_nobody() -> AsyncIterator[Link]:
    """Yield a link whose other end neither reads nor sends."""
    near, far = socket.socketpair()
    link = Link(*await asyncio.open_connection(sock=near))
    yield link
    await link.close()
    far.close()
