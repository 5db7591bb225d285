"""The door's application: routes, guard, and errors in the shape that each path's clients know."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp

from actors.api.errors import ApiError
from actors.api.guard import Guard
from actors.api.routes import fleet, health, models, speech, transcriptions
from actors.api.services import Services

logger = logging.getLogger(__name__)


def build(services: Services, token_digest: str | None) -> ASGIApp:
    """Return the application. Its life span is that of the services' registration."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        services.start()
        yield
        await services.close()

    app = FastAPI(
        title="raymal: the cluster's door",
        version="1",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.services = services
    for room in (health, fleet, models, transcriptions, speech):
        app.include_router(room.router)

    @app.exception_handler(ApiError)
    async def refused(request: Request, error: ApiError) -> Response:
        return error.response(request.url.path)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        name = str(first["loc"][-1])[:100]
        return ApiError(400, f"{name}: {first['msg']}", parameter=name).response(request.url.path)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        return ApiError(error.status_code, str(error.detail)).response(request.url.path)

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        return ApiError(500, f"{type(error).__name__}: see the door's log").response(request.url.path)

    return Guard(app, services, token_digest)
