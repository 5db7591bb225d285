"""What is done to the whole server: drain it, have it read its configuration again."""

from __future__ import annotations

from typing import Annotated

import fastapi
from fastapi import APIRouter
from pydantic import Field

from ingress.link.messages import DrainRequest, ReloadRequest
from ingress.web.problems import Body
from ingress.web.routes.extensions import REFUSED, ChangeBody
from ingress.web.services import Given
from ingress.web.supervisor import ask_supervisor

router = APIRouter(tags=["server"])


class DrainBody(Body):
    """How long running calls may take."""

    deadline_s: float | None = Field(default=None, ge=0.0, le=86_400.0)
    """Seconds; null: `server.drain_deadline_s`."""


@router.post("/drain", summary="Drain and stop the server", status_code=202)
async def drain(services: Given, body: Annotated[DrainBody | None, fastapi.Body()] = None) -> DrainBody:
    """Refuse new calls, let running ones end for that long, then stop the server, this door as well."""
    deadline_s = body.deadline_s if body is not None else None
    await ask_supervisor(services, DrainRequest(deadline_s=deadline_s))
    own = services.settings.server.drain_deadline_s
    return DrainBody(deadline_s=own if deadline_s is None else deadline_s)


@router.post("/reload", summary="Read the configuration again", responses=REFUSED)
async def reload(services: Given) -> ChangeBody:
    """As SIGHUP does: extensions change for new calls, the rest waits for the next start."""
    reply = await ask_supervisor(services, ReloadRequest())
    return ChangeBody(version=reply.book.version, waiting=reply.waiting)
