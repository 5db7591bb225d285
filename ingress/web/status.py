"""The status as HTTP and event streams give it: the server's one model, and whether it is of now."""

from __future__ import annotations

from typing import Literal

from ingress.link.status import ServerStatus, TurnsStatus
from ingress.web.services import Services


class WebStatus(ServerStatus):
    """How the server is doing; with the gateway away, how it was doing when it was last heard of."""

    gateway: Literal["up", "away"]
    as_of_s: float | None
    """When these figures were right, seconds since 1970-01-01 UTC; None: the gateway was never there."""


UNKNOWN = ServerStatus(
    is_ready=False,
    detail="the gateway has not answered yet",
    media_workers=(),
    calls=0,
    waiting_callers=0,
    longest_wait_s=0.0,
    places=0,
    extensions_version=0,
    extensions=(),
    ahead_begun=0,
    ahead_used=0,
    recent=TurnsStatus(turns=0, failed=0, without_words=0, doubts={}, problems={}),
    cache_hits=0,
    cache_misses=0,
    unmade_phrases={},
    dropped_records=0,
    decision=None,
    level_changes=(),
    fleet=None,
)


def status_of(services: Services) -> WebStatus:
    """Return the newest status that is known."""
    live, watch = services.live, services.watch
    status = watch.last or UNKNOWN
    known = {name: getattr(status, name) for name in ServerStatus.model_fields}
    is_up = live.status is not None and watch.last is not None
    if not is_up and watch.last is not None:
        known |= {"is_ready": False, "detail": f"the gateway is away; before: {status.detail}"}
    # Not checked again: each of many event streams asks for it.
    return WebStatus.model_construct(**known, gateway="up" if is_up else "away", as_of_s=watch.as_of_s)
