"""What Prometheus scrapes."""

from __future__ import annotations

import asyncio

import psutil
from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from ingress.web.metrics import Metrics
from ingress.web.processes import processes
from ingress.web.services import Services

router = APIRouter(tags=["health"])


@router.get("/metrics", response_class=Response)
async def metrics(request: Request) -> Response:
    """The server's figures in Prometheus's text format."""
    services: Services = request.app.state.services
    try:
        use = await asyncio.to_thread(processes)
    except psutil.Error:  # the supervisor is gone: this process ends as well
        use = {}
    return Response(Metrics(services.live).text(use), media_type=CONTENT_TYPE_PLAIN_0_0_4)
