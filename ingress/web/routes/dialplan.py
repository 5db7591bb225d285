"""Before and after a call: the same questions as by FastAGI (`ingress.web.agi`)."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request

from actors.messages import Priority
from ingress.link.messages import BeginRequest
from ingress.link.records import CallOutcome
from ingress.web import dialplan
from ingress.web.problems import Body, Problem, Responses
from ingress.web.services import Given
from ingress.web.words import bare

router = APIRouter(tags=["dialplan"])

BEGUN: Responses = {
    422: {"description": "The question is wrong: an unknown extension, a language that no engine has."},
}


class BeginQuestion(Body):
    """What the dialplan says of a call that will come."""

    extension: str = Field(default="default", max_length=64)
    caller_number: str | None = Field(default=None, max_length=128)
    caller_name: str | None = Field(default=None, max_length=128)
    priority: Priority | None = None
    """Null: the extension's own."""
    language: str | None = Field(default=None, max_length=64)
    """Null: the extension's own."""
    source: str | None = Field(default=None, max_length=64)
    """Address that the call must come from; null: any that may connect."""


class BeginAnswer(Body):
    """Whether the call may come."""

    admitted: bool
    call_id: str | None
    """The UUID for `AudioSocket()`."""
    address: str | None
    """The `host:port` for it; null: not known now."""
    return_address: str | None
    """The same for the call's return leg; null: the extension has no return port."""
    reason: str
    """Why it may not come."""
    expires_in_s: float
    """How long the UUID may be used."""


@router.post("/calls", summary="Reserve a call", responses=BEGUN)
async def begin_call(services: Given, question: BeginQuestion) -> BeginAnswer:
    """Keep a place for a call, and give it a UUID that is taken once. Busy is no error."""
    reply = await dialplan.begin(services, BeginRequest(**question.model_dump()))
    if reply.is_mistake:
        raise Problem(422, reply.reason)
    if not reply.is_admitted:
        return BeginAnswer(
            admitted=False,
            call_id=None,
            address=None,
            return_address=None,
            reason=reply.reason,
            expires_in_s=0.0,
        )
    address, return_address = await dialplan.addresses(services, question.extension, reached_at="127.0.0.1")
    return BeginAnswer(
        admitted=True,
        call_id=reply.call_id,
        address=address or None,
        return_address=return_address or None,
        reason="",
        expires_in_s=reply.expires_in_s,
    )


@router.get("/calls/{call_id}/result", summary="How a call ended")
async def call_result(services: Given, request: Request, call_id: UUID) -> CallOutcome:
    """What the dialplan gets of a call that has just ended. Waits up to 2 s for the call's record.

    The dialog's variables may hold what the caller said: who may only read gets none.
    """
    outcome = await dialplan.outcome(services, str(call_id))
    return outcome if request.state.is_operator else bare(outcome)
