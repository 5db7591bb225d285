"""Whether the door, and what is behind it, answers. Open to all, and says no more than that."""

from __future__ import annotations

from fastapi import APIRouter

from actors.api.errors import ApiError
from actors.api.routes.fleet import Served

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Answer: the door is there."""
    return {"status": "ok"}


@router.get("/readyz")
async def readyz(services: Served) -> dict[str, str]:
    """Answer 200 once a transcription and a synthesis can be served, else 503."""
    if not (await services.status()).is_ready:
        raise ApiError(503, "the speech workers are not ready", retry_after_s=5)
    return {"status": "ready"}
