"""The fleet's engines as models, in OpenAI's form."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from fastapi import APIRouter

from actors.api.errors import ApiError
from actors.api.routes.fleet import Served

router = APIRouter(prefix="/v1", tags=["speech"])


@router.get("/models")
async def models(services: Served) -> dict[str, Any]:
    """Return the engine that transcribes and those that speak."""
    speech = await services.speech()
    names = dict.fromkeys((speech.stt, *await services.tts_engines()))
    return {"object": "list", "data": [_model(name) for name in names]}


@router.get("/models/{name:path}")
async def model(name: str, services: Served) -> dict[str, Any]:
    """Return one engine."""
    speech = await services.speech()
    check_model(name, (speech.stt, *await services.tts_engines()))
    return _model(name)


def check_model(name: str, engines: Collection[str]) -> None:
    """Raise ApiError if a request's model is none of the engines that do this kind of work."""
    if name not in engines:
        are = ", ".join(map(repr, dict.fromkeys(engines)))
        raise ApiError(
            404,
            f"model: there is no {name!r} for this: choose {are}",
            parameter="model",
            code="model_not_found",
        )


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "raymal"}
