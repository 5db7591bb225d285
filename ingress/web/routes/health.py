"""Whether the server runs, and whether it can serve a turn."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Response

from ingress.web.problems import Body
from ingress.web.services import Given
from ingress.web.status import status_of

router = APIRouter(tags=["health"])


class Health(Body):
    """This process answers."""

    status: Literal["ok"] = "ok"


class ReadinessBody(Body):
    """Whether a turn can be served."""

    is_ready: bool
    detail: str


@router.get("/healthz")
async def healthz() -> Health:
    """Say that this process answers."""
    return Health()


@router.get("/readyz", responses={503: {"model": ReadinessBody, "description": "Not now."}})
async def readyz(services: Given, response: Response) -> ReadinessBody:
    """Say whether a turn can be served, and why not."""
    known = status_of(services)
    if not known.is_ready:
        response.status_code = 503
    return ReadinessBody(is_ready=known.is_ready, detail=known.detail)
