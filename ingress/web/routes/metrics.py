"""What Prometheus scrapes."""

from __future__ import annotations

import asyncio

import psutil
from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from ingress.web.metrics import Metrics
from ingress.web.processes import processes
from ingress.web.services import Given

router = APIRouter(tags=["health"])


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    response_class=Response,
    responses={
        200: {
            "description": "All metrics.",
            "content": {CONTENT_TYPE_PLAIN_0_0_4: {"schema": {"type": "string"}}},
        }
    },
)
async def metrics(services: Given) -> Response:
    """The server's figures in Prometheus's text format."""
    try:
        use = await asyncio.to_thread(processes)
    except psutil.Error:  # the supervisor is gone: this process ends as well
        use = {}
    text = Metrics(services.live).text(use, services.attempts.wrong)
    return Response(text, media_type=CONTENT_TYPE_PLAIN_0_0_4)
