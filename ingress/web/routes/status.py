"""How the server is doing, and how it was in the last hour."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import Field

from ingress.link.status import DecisionStatus, LevelChangeStatus
from ingress.web.history import INTERVAL_S, Sample
from ingress.web.problems import Body
from ingress.web.services import Given
from ingress.web.status import WebStatus, status_of

router = APIRouter(tags=["status"])


class DecisionsBody(Body):
    """The level of load that this server follows, and how it came to it."""

    now: DecisionStatus | None
    """None: no dialog needs the speech workers, or the gateway was never there."""
    history: tuple[LevelChangeStatus, ...]
    """The newest first."""


class HistoryBody(Body):
    """The last hour, for plots: every figure's values, the oldest first."""

    interval_s: float = INTERVAL_S
    """Between two values, unless the server was busy."""
    series: dict[str, list[float | None]] = Field(
        description=f"By name: {', '.join(Sample.__dataclass_fields__)}. `at_s` is the end of each interval. "
        "null: nothing was measured, or the gateway was away."
    )


@router.get("/status", summary="Status of the server")
async def status(services: Given) -> WebStatus:
    """Calls, media workers, extensions, turns, cache, level of load and the whole fleet, from one model.

    `gateway` is `away` while the gateway does not answer; the rest is then what was known last, at `as_of_s`.
    """
    return status_of(services)


@router.get("/decisions", summary="Level of load, now and before")
async def decisions(services: Given) -> DecisionsBody:
    """The manager's decision as this server follows it, with its reasons, and the newest changes of level."""
    known = status_of(services)
    return DecisionsBody(now=known.decision, history=known.level_changes)


@router.get("/history", summary="Figures of the last hour")
async def history(services: Given) -> HistoryBody:
    """One value every few seconds of each figure; kept in memory, so it begins with this process."""
    return HistoryBody(series=services.watch.history.columns())
