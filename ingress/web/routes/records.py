"""Records of calls that are over."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request

from ingress.link.messages import CallReply, CallRequest
from ingress.link.records import CallRecord
from ingress.web.paging import DEFAULT_LIMIT, After, Limit, page_of_newest
from ingress.web.problems import Body, Problem
from ingress.web.services import Given
from ingress.web.words import without_words

router = APIRouter(tags=["records"])


class RecordPage(Body):
    """Finished calls, the newest first."""

    items: list[CallRecord]
    next: str | None
    """`after` of the next page; null: this is the last."""


@router.get("/records", summary="Finished calls")
async def list_records(
    services: Given, request: Request, limit: Limit = DEFAULT_LIMIT, after: After = None
) -> RecordPage:
    """The newest that this process has seen end; `records.file` has all.

    What was said is in them only if the operator keeps transcripts and asks with the token.
    """
    items, following = page_of_newest(services.live.records, _name, limit, after)
    if not request.state.is_operator:
        items = [without_words(record) for record in items]
    return RecordPage(items=items, next=following)


@router.get(
    "/records/{call_id}",
    summary="One finished call",
    responses={404: {"description": "The call is unknown, not over, or was too long ago."}},
)
async def read_record(services: Given, request: Request, call_id: UUID) -> CallRecord:
    """Its newest record, from this process's memory or the gateway's."""
    record = services.live.record(str(call_id))
    if record is None:
        if services.live.find(str(call_id)) is not None:
            raise Problem(404, f"call {call_id} is not over")
        record = (await services.gateway.ask(CallRequest(call_id=str(call_id)), CallReply)).record
    if record is None:
        raise Problem(404, f"call {call_id} is not known: it never came here, or was too long ago")
    return record if request.state.is_operator else without_words(record)


def _name(record: CallRecord) -> str:
    return record.record_id
