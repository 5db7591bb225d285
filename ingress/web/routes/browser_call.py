"""The page's test call: a WebSocket that carries the browser's microphone and what the server answers."""

from __future__ import annotations

from fastapi import APIRouter, WebSocket

from ingress.configuration.extensions import DEFAULT_EXTENSION
from ingress.web.browser_call import EndedError, close, hold
from ingress.web.guard import SUBPROTOCOL
from ingress.web.services import Given

router = APIRouter()


@router.websocket("/test-call")
async def call(websocket: WebSocket, services: Given) -> None:
    """Hold one call to `?extension=NAME` (`ingress.web.browser_call`)."""
    offered = websocket.scope.get("subprotocols", [])
    await websocket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
    extension = websocket.query_params.get("extension", DEFAULT_EXTENSION)
    try:
        await hold(websocket, services, extension)
    except EndedError as ended:
        await close(websocket, ended)
