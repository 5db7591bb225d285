"""Errors of the HTTP interface: problem details (RFC 9457), all of one form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from actors.errors import LinkError

MEDIA_TYPE = "application/problem+json"
SHOWN_ERRORS = 20
"""Of one body; a body can be wrong in thousands of places."""
SHOWN_PLACE_CHARACTERS = 120


Responses = dict[int | str, dict[str, Any]]
"""Statuses of a route and what they mean, for the description."""


class Body(BaseModel):
    """Base of what is sent and received here alone; the fields' words are in the description."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


class FieldError(Body):
    """One thing that is wrong in a request."""

    where: str
    """`body.priority`, `query.limit`, `path.call_id`."""
    problem: str


class ProblemDetails(Body):
    """What went wrong, by RFC 9457. The type is always `about:blank`: the status says it."""

    type: str = "about:blank"
    title: str
    """The status in words."""
    status: int
    detail: str
    """What is wrong here, and what to do."""
    errors: list[FieldError] = Field(default_factory=list)
    """The places in the request, where there are any."""


class Problem(Exception):
    """Ends a request with this status. The detail is for people, one or more lines."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers


def problem_response(
    status: int,
    detail: str,
    errors: Sequence[FieldError] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the answer."""
    details = ProblemDetails(
        title=HTTPStatus(status).phrase, status=status, detail=detail, errors=list(errors)
    )
    return Response(details.model_dump_json(), status, headers, media_type=MEDIA_TYPE)


def handle_problems(app: FastAPI, headers: Mapping[str, str]) -> None:
    """Have every error of the application answered so. `headers` are those of all answers: an unexpected
    error's answer is made outside what else adds them."""

    async def own(request: Request, error: Any) -> Response:
        return problem_response(error.status, error.detail, headers=error.headers)

    async def of_framework(request: Request, error: Any) -> Response:
        if error.status_code == 404:
            return problem_response(
                404, f"{request.url.path[:SHOWN_PLACE_CHARACTERS]}: there is no such page"
            )
        if error.status_code == 405:
            allowed = (error.headers or {}).get("Allow", "")
            detail = f"{request.method} is not possible here{f'; try {allowed}' if allowed else ''}"
            return problem_response(405, detail, headers=error.headers)
        return problem_response(error.status_code, str(error.detail), headers=error.headers)

    async def of_request(request: Request, error: Any) -> Response:
        found = error.errors()
        errors = [_field_error(it) for it in found[:SHOWN_ERRORS]]
        more = f", and {len(found) - SHOWN_ERRORS} more" if len(found) > SHOWN_ERRORS else ""
        lines = "; ".join(f"{it.where}: {it.problem}" for it in errors)
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        is_other = any(it["loc"] == ("body",) for it in found) and kind != "application/json"
        hint = "; send JSON, with the header Content-Type: application/json" if is_other else ""
        return problem_response(422, f"{lines}{more}{hint}", errors)

    async def of_link(request: Request, error: Any) -> Response:
        detail = "the process of this server that knows does not answer; try again in a few seconds"
        return problem_response(503, detail, headers={"Retry-After": "2"})

    async def unexpected(request: Request, error: Any) -> Response:
        return problem_response(
            500, "this is a mistake in raymal; the server's log has the details", headers=headers
        )

    for kind, handler in (
        (Problem, own),
        (HTTPException, of_framework),
        (RequestValidationError, of_request),
        (LinkError, of_link),
        (Exception, unexpected),
    ):
        app.add_exception_handler(kind, handler)


def _field_error(error: Mapping[str, Any]) -> FieldError:
    """Return where and what, without the value: it may be a caller's number, or long."""
    where = ".".join(str(part) for part in error["loc"])
    return FieldError(where=where[:SHOWN_PLACE_CHARACTERS], problem=str(error["msg"])[:200])
