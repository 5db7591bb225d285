"""Whether the server lives, and whether it can serve a turn."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel

from actors.errors import LinkError
from ingress.link.messages import StatusReply, StatusRequest
from ingress.web.services import Given

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """This process answers."""

    status: Literal["ok"] = "ok"


class ReadinessBody(BaseModel):
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
    try:
        status = (await services.gateway.ask(StatusRequest(), StatusReply)).status
    except LinkError:
        response.status_code = 503
        return ReadinessBody(is_ready=False, detail="the gateway is away")
    if not status.is_ready:
        response.status_code = 503
    return ReadinessBody(is_ready=status.is_ready, detail=status.detail)
