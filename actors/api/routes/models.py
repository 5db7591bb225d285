"""The fleet's engines as models, in OpenAI's form."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from actors.api.errors import ApiError
from actors.api.routes.fleet import Served

router = APIRouter(prefix="/v1", tags=["speech"])


@router.get("/models")
async def models(services: Served) -> dict[str, Any]:
    """Return the engine that transcribes and the one that speaks."""
    speech = await services.speech()
    names = dict.fromkeys((speech.stt, speech.tts))
    return {"object": "list", "data": [_model(name) for name in names]}


@router.get("/models/{name:path}")
async def model(name: str, services: Served) -> dict[str, Any]:
    """Return one engine."""
    speech = await services.speech()
    check_model(name, speech.stt if name == speech.stt else speech.tts)
    return _model(name)


def check_model(name: str, engine: str) -> None:
    """Raise ApiError if a request's model is not the engine that does this kind of work."""
    if name != engine:
        raise ApiError(
            404,
            f"model: there is no {name!r} for this: {engine!r} is",
            parameter="model",
            code="model_not_found",
        )


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "raymal"}
