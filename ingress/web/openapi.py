"""The description of the HTTP interface at `/openapi.json`."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from ingress.web.guard import CLOSED_FOLDERS
from ingress.web.problems import MEDIA_TYPE, ProblemDetails

REFERENCE = "#/components/schemas/{model}"
ERRORS = {
    "401": "The server has a token, and it was not shown, or another was.",
    "408": "The body did not come in time.",
    "413": "The body is too large.",
    "415": "The body is no JSON.",
    "421": "The Host header names another machine.",
    "422": "Something in the request is wrong; `errors` says where.",
    "429": "Too many wrong tokens came from this address.",
    "500": "A mistake in raymal.",
    "503": "The part of the server that is needed does not answer, or there are too many clients.",
}
OF_CHANGES = {
    "403": "The server has no token, so its HTTP is for reading only; or the page is another site's."
}
OF_BODIES = {"408", "413", "415"}
DESCRIPTION = """One server's calls, extensions and figures. Errors are problem details (RFC 9457). Lists are
pages: `next` is the `after` of the next one, null at the end. Times are seconds since 1970-01-01 UTC."""


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the description, made once."""
    if app.openapi_schema:
        return app.openapi_schema
    schema = get_openapi(title="raymal", version=app.version, routes=app.routes, description=DESCRIPTION)
    components = schema.setdefault("components", {})
    components["securitySchemes"] = {
        "token": {
            "type": "http",
            "scheme": "bearer",
            "description": "`raymal token` makes it (web.token_file).",
        }
    }
    schemas = components.setdefault("schemas", {})
    details = ProblemDetails.model_json_schema(ref_template=REFERENCE)
    schemas |= details.pop("$defs", {})
    schemas["ProblemDetails"] = details
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            _describe_errors(path, method, operation)
    app.openapi_schema = schema
    return schema


def _describe_errors(path: str, method: str, operation: dict[str, Any]) -> None:
    if not path.startswith(CLOSED_FOLDERS):
        return
    errors = ERRORS if method == "get" else {**ERRORS, **OF_CHANGES}
    responses = operation["responses"]
    for status in sorted(errors):
        if status in OF_BODIES and "requestBody" not in operation:
            continue
        own = responses.get(status, {}).get("description")
        responses[status] = {
            "description": own if own and own != "Validation Error" else errors[status],
            "content": {MEDIA_TYPE: {"schema": {"$ref": REFERENCE.format(model="ProblemDetails")}}},
        }
    for status, response in responses.items():
        if status.startswith("4") and status not in errors:
            response["content"] = {MEDIA_TYPE: {"schema": {"$ref": REFERENCE.format(model="ProblemDetails")}}}
    operation["security"] = [{"token": []}] if method != "get" else [{"token": []}, {}]
