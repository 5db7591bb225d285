"""The description of the HTTP interface: complete, and true to the form (OpenAPI 3.1.0)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from web_client import web_services

from ingress.web.app import make_app
from ingress.web.guard import CLOSED_FOLDERS

METHODS = {"get", "put", "post", "delete"}


@pytest.fixture(scope="module")
def app() -> FastAPI:
    """The application."""
    return make_app(web_services())


@pytest.fixture(scope="module")
def schema(app: FastAPI) -> dict[str, Any]:
    """Its description."""
    return app.openapi()


def operations(schema: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield path, method and operation."""
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def references(part: object) -> Iterator[str]:
    """Yield every `$ref` below."""
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        part = list(part.values())
    if isinstance(part, list):
        for inner in part:
            yield from references(inner)


def test_every_operation_is_described(schema: dict[str, Any]) -> None:
    """A name of its own, a summary, words, and a body or a type for every answer."""
    assert schema["openapi"] == "3.1.0"
    assert {"title", "version", "description"} <= schema["info"].keys()
    names = [operation["operationId"] for _, _, operation in operations(schema)]
    assert len(set(names)) == len(names) >= 15
    for path, method, operation in operations(schema):
        where = f"{method} {path}"
        assert method in METHODS, where
        assert operation["summary"], where
        assert operation["description"], where
        assert operation["tags"], where
        parameters = {item["name"] for item in operation.get("parameters", ()) if item["in"] == "path"}
        assert parameters == {part[1:-1] for part in path.split("/") if part.startswith("{")}, where
        assert all(
            item.get("description") for item in operation.get("parameters", ()) if item["in"] == "query"
        )
        good = [status for status in operation["responses"] if status < "300"]
        assert len(good) == 1, where
        for status, response in operation["responses"].items():
            assert response["description"], f"{where} {status}"
            assert response["content"], f"{where} {status}"
            if status >= "400" and path.startswith(CLOSED_FOLDERS):
                assert list(response["content"]) == ["application/problem+json"], f"{where} {status}"


def test_what_needs_the_token_says_so(schema: dict[str, Any]) -> None:
    """Changes always; reading where the server has one; the page and health never."""
    assert schema["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    for path, method, operation in operations(schema):
        security = operation.get("security")
        if not path.startswith(CLOSED_FOLDERS):
            assert security is None
            continue
        assert {"token": []} in security
        assert ({} in security) == (method == "get")
        assert "401" in operation["responses"]
        assert ("403" in operation["responses"]) == (method != "get")
        assert ("413" in operation["responses"]) == ("requestBody" in operation)


def test_all_references_lead_somewhere(schema: dict[str, Any]) -> None:
    """And no model is left over."""
    schemas = schema["components"]["schemas"]
    used = set(references(schema))
    assert used == {f"#/components/schemas/{name}" for name in schemas}
    for name, model in schemas.items():
        assert {"type", "anyOf", "oneOf", "$ref", "enum"} & model.keys() or name == "JsonValue", name


def test_the_contract_is_there(schema: dict[str, Any]) -> None:
    """What clients may rely on in this version of the interface."""
    there = {f"{method.upper()} {path}" for path, method, _ in operations(schema)}
    assert there >= {
        "GET /healthz",
        "GET /readyz",
        "GET /api/v1/status",
        "GET /api/v1/calls",
        "GET /api/v1/calls/{call_id}",
        "DELETE /api/v1/calls/{call_id}",
        "GET /api/v1/records",
        "GET /api/v1/records/{call_id}",
        "GET /api/v1/extensions",
        "GET /api/v1/extensions/{name}",
        "PUT /api/v1/extensions/{name}",
        "DELETE /api/v1/extensions/{name}",
        "GET /api/v1/decisions",
        "GET /api/v1/history",
        "GET /api/v1/cache",
        "DELETE /api/v1/cache",
        "POST /api/v1/drain",
        "POST /api/v1/reload",
        "GET /api/v1/events",
    }
