"""Calls that run now: list, look, hang up."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from ingress.link.live import LiveCall
from ingress.link.messages import EndCall
from ingress.web.paging import DEFAULT_LIMIT, After, Key, Limit, page_of_sorted
from ingress.web.problems import Body, Problem, Responses
from ingress.web.services import Given, Services

router = APIRouter(tags=["calls"])

NOT_RUNNING: Responses = {404: {"description": "No such call runs now."}}


class CallPage(Body):
    """Running calls, the oldest first."""

    items: list[LiveCall]
    next: str | None
    """`after` of the next page; null: this is the last."""


class HangupBody(Body):
    """A call whose end was asked for."""

    call_id: str


@router.get("/calls", summary="Running calls")
async def list_calls(
    services: Given,
    extension: Annotated[
        str | None, Query(max_length=64, description="Only calls of this extension.")
    ] = None,
    limit: Limit = DEFAULT_LIMIT,
    after: After = None,
) -> CallPage:
    """All media workers' calls, whether or not the gateway and Ray are there."""
    calls = [call for call in services.live.calls if extension in (None, call.extension)]
    items, following = page_of_sorted(calls, _key, limit, after)
    return CallPage(items=items, next=following)


@router.get("/calls/{call_id}", summary="One running call", responses=NOT_RUNNING)
async def read_call(services: Given, call_id: UUID) -> LiveCall:
    """What its media worker reported last."""
    found = services.live.find(str(call_id))
    if found is None:
        raise _not_running(services, str(call_id))
    return found[0]


@router.delete("/calls/{call_id}", summary="Hang up", status_code=202, responses=NOT_RUNNING)
async def hang_up(services: Given, call_id: UUID) -> HangupBody:
    """Ask the call's media worker to end it; the dialplan then goes on. It is gone within a few frames."""
    found = services.live.find(str(call_id))
    if found is None:
        raise _not_running(services, str(call_id))
    found[1].send(EndCall(call_id=str(call_id)))
    return HangupBody(call_id=str(call_id))


def _key(call: LiveCall) -> Key:
    return call.started_at_s, call.call_id


def _not_running(services: Services, call_id: str) -> Problem:
    ended = " any more" if services.live.record(call_id) else " here now"
    return Problem(404, f"call {call_id} does not run{ended}")
