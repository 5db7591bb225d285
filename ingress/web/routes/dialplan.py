"""Before and after a call: the same questions as by FastAGI (`ingress.web.agi`)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from actors.messages import Priority
from ingress.link.messages import BeginRequest
from ingress.link.records import CallOutcome
from ingress.web import dialplan
from ingress.web.services import Services

router = APIRouter(prefix="/api/v1", tags=["dialplan"])


class BeginQuestion(BaseModel):
    """What the dialplan says of a call that will come."""

    model_config = ConfigDict(extra="forbid")

    extension: str = Field(default="default", max_length=64)
    caller_number: str | None = Field(default=None, max_length=128)
    caller_name: str | None = Field(default=None, max_length=128)
    priority: Priority | None = None
    language: str | None = Field(default=None, max_length=64)
    source: str | None = Field(default=None, max_length=64)
    """Address that the call must come from; none: any that may connect."""


class BeginAnswer(BaseModel):
    """Whether the call may come."""

    admitted: bool
    call_id: str | None
    """The UUID for `AudioSocket()`."""
    address: str | None
    """The `host:port` for it."""
    reason: str
    """Why it may not come."""
    expires_in_s: float


@router.post("/calls", status_code=201, operation_id="begin_call", summary="Reserve a call")
async def begin(question: BeginQuestion, request: Request, response: Response) -> BeginAnswer:
    """Reserve a place for a call, and its UUID. Busy is no error: 200 with `admitted` false and a reason."""
    services: Services = request.app.state.services
    reply = await dialplan.begin(services, BeginRequest(**question.model_dump()))
    if reply.is_mistake:
        raise HTTPException(422, reply.reason)
    if not reply.is_admitted:
        response.status_code = 200
        return BeginAnswer(admitted=False, call_id=None, address=None, reason=reply.reason, expires_in_s=0.0)
    address = await dialplan.address(services, question.extension, reached_at="127.0.0.1")
    return BeginAnswer(
        admitted=True,
        call_id=reply.call_id,
        address=address or None,
        reason="",
        expires_in_s=reply.expires_in_s,
    )


@router.get("/calls/{call_id}/result", operation_id="call_result", summary="How a call ended")
async def result(call_id: Annotated[str, Path(max_length=64)], request: Request) -> CallOutcome:
    """Return what the dialplan gets of a call that has just ended; waits up to 2 s for its record."""
    services: Services = request.app.state.services
    return await dialplan.outcome(services, call_id)
