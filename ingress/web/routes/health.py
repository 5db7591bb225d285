"""Whether the server lives, and whether it can serve a turn."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from actors.errors import LinkError
from ingress.link.messages import StatusReply, StatusRequest
from ingress.web.services import Services

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """This process answers."""
    return {"status": "ok"}


@router.get("/readyz")
async def readyz(request: Request, response: Response) -> dict[str, object]:
    """A turn can be served: 200, else 503 and why not."""
    services: Services = request.app.state.services
    try:
        status = (await services.gateway.ask(StatusRequest(), StatusReply)).status
    except LinkError:
        response.status_code = 503
        return {"is_ready": False, "detail": "the gateway is away"}
    if not status.is_ready:
        response.status_code = 503
    return {"is_ready": status.is_ready, "detail": status.detail}
