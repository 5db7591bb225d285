"""Changes as they happen: server-sent events."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request

from ingress.web.event_stream import EventStream
from ingress.web.services import Given

router = APIRouter(tags=["events"])

EXAMPLE = 'event: gone\ndata: {"call_id":"b2c0f7a4-8f0e-4d63-9f4e-0f5a3d2b1c11"}\n\n'


@router.get(
    "/events",
    summary="All that changes",
    response_class=EventStream,
    status_code=200,
    responses={
        200: {
            "description": "Events `status`, `call`, `gone`, `turn`, `ended`, `level`, their data in JSON.",
            "content": {"text/event-stream": {"schema": {"type": "string"}, "example": EXAMPLE}},
        }
    },
)
async def events(services: Given, request: Request) -> EventStream:
    """First the status, the level and every running call, then each change. A comment every 15 s.

    A client that does not read is dropped.
    """
    abort = getattr(request.state, "abort", lambda: None)
    return EventStream(services, request.state.is_operator, abort)
