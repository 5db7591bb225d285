"""What the door answers when it refuses, in the shape that the client of a path knows.

| path | shape |
|---|---|
| `/v1/...` | OpenAI's: `{"error": {"message", "type", "param", "code"}}` |
| any other | problem details, RFC 9457 |
"""

from __future__ import annotations

from http import HTTPStatus

from starlette.responses import JSONResponse

OPENAI = "/v1/"

_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


class ApiError(Exception):
    """A request that is refused, or could not be done. The message says what to do."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        parameter: str | None = None,
        code: str | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.parameter = parameter
        self.code = code
        self.retry_after_s = retry_after_s

    def response(self, path: str) -> JSONResponse:
        """Return the answer to a request for `path`."""
        headers = {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}
        if self.status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = "Bearer"
        if path.startswith(OPENAI):
            kind = _TYPES.get(self.status, "server_error" if self.status >= 500 else "invalid_request_error")
            error = {"message": self.message, "type": kind, "param": self.parameter, "code": self.code}
            return JSONResponse({"error": error}, self.status, headers)
        problem = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.message,
        }
        return JSONResponse(problem, self.status, headers, media_type="application/problem+json")
