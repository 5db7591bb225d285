"""The HTTP application of the web process."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import FastAPI

from ingress.web.routes import health, metrics
from ingress.web.services import Services


def make_app(services: Services) -> FastAPI:
    """Return the application; its routes find the services in `request.app.state.services`."""
    app = FastAPI(title="raymal", version=version("raymal"), docs_url=None, redoc_url=None)
    app.state.services = services
    app.include_router(health.router)
    app.include_router(metrics.router)
    return app
