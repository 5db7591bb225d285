"""The HTTP application of the web process."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import FastAPI
from starlette.middleware import Middleware

from ingress.web.bodies import Bodies
from ingress.web.guard import SECURITY_HEADERS, Guard
from ingress.web.openapi import describe
from ingress.web.page_files import PageFiles
from ingress.web.problems import handle_problems
from ingress.web.routes import (
    browser_call,
    cache,
    calls,
    dialplan,
    events,
    extensions,
    health,
    metrics,
    records,
    server,
    status,
)
from ingress.web.services import Services

API = "/api/v1"

ROOT_ROUTERS = (health.router, metrics.router)
"""Of paths that monitoring knows."""
API_ROUTERS = (
    status.router,
    calls.router,
    dialplan.router,
    records.router,
    extensions.router,
    server.router,
    cache.router,
    events.router,
    browser_call.router,
)
"""Below `API`, one noun each."""


def make_app(services: Services) -> FastAPI:
    """Return the application; its routes get the services as a parameter (`ingress.web.services.Given`)."""
    app = FastAPI(
        title="raymal",
        version=version("raymal"),
        docs_url=None,  # these pages are made of another site's scripts
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
        middleware=[
            Middleware(
                Guard, host=services.settings.web.host, token=services.token, attempts=services.attempts
            ),
            Middleware(Bodies),
        ],
    )
    app.state.services = services
    handle_problems(app, SECURITY_HEADERS)
    for router in ROOT_ROUTERS:
        app.include_router(router)
    for router in API_ROUTERS:
        app.include_router(router, prefix=API)
    app.router.default = PageFiles()
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]
    return app
