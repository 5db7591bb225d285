"""`POST /v1/audio/speech`: a text spoken, streamed sentence by sentence, as OpenAI's service gives it.

A client that reads slowly holds no slot: a sentence is taken from its worker as fast as that makes it. What
has no effect here is refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.types import Receive, Scope, Send

from actors.api.bodies import read
from actors.api.errors import ApiError
from actors.api.routes.fleet import Served
from actors.api.routes.models import check_model
from actors.api.routes.transcriptions import NO_CALL
from actors.api.services import (
    PRIORITY_HEADER,
    Services,
    Urgency,
    check_language,
    check_voice,
    urgency_of,
    working,
)
from actors.api.sound import FORMATS
from actors.messages import Synthesize, WorkKind
from actors.sentences import split_sentences
from actors.settings import Language
from actors.speakable import language_scripts, speakable_pieces, unreadable

router = APIRouter(prefix="/v1/audio", tags=["speech"])

MAXIMUM_BODY_BYTES = 64 * 1024
MAXIMUM_CHARACTERS = 4_096
"""As at OpenAI."""
DEFAULT_VOICE = "default"


class SpeechRequest(BaseModel):
    """What is to be said, and how."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    model: str = Field(max_length=200)
    """The engine, as GET /v1/models names it."""
    input: str = Field(min_length=1, max_length=MAXIMUM_CHARACTERS)
    voice: str = Field(default=DEFAULT_VOICE, min_length=1, max_length=200)
    """A voice of the engine, or `default`."""
    response_format: Literal["wav", "pcm"] = "wav"
    speed: Annotated[float, Field(ge=1.0, le=1.0)] = 1.0
    """1 alone: the voices have one speed."""
    stream_format: Literal["audio"] = "audio"
    language: Language | None = None
    """Not OpenAI's: a code such as pt-BR; unset: the fleet's."""


_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": SpeechRequest.model_json_schema()}},
    }
}


@router.post("/speech", openapi_extra=_BODY)
async def speech(request: Request, services: Served) -> Response:
    """Stream a text as speech."""
    urgency = urgency_of(request.headers.get(PRIORITY_HEADER))
    wanted = _parsed(await read(request, MAXIMUM_BODY_BYTES))
    settings = await services.speech()
    check_model(wanted.model, await services.tts_engines())
    is_other = wanted.model != settings.tts
    settings = settings.for_engine(wanted.model)
    language = wanted.language or settings.first_language
    if wanted.language is not None or is_other:  # the fleet's own engine speaks the fleet's language
        await check_language(settings, language)
    if wanted.voice != DEFAULT_VOICE:
        await check_voice(settings, wanted.voice)
    return _Spoken(services, wanted, language, urgency)


def _sentences(wanted: SpeechRequest, language: str) -> list[Synthesize]:
    """Return what the workers are asked for. Takes some hundredths of a second. Raises ApiError."""
    scripts = language_scripts(language)
    problem = unreadable(wanted.input, scripts) if scripts else None
    if problem:
        raise ApiError(400, f"input: the voices of {language!r} cannot read it: {problem}", parameter="input")
    texts = [piece for text in split_sentences(wanted.input) for piece in speakable_pieces(text, language)]
    if not texts:
        raise ApiError(400, "input: there is nothing to say in it", parameter="input")
    voice = None if wanted.voice == DEFAULT_VOICE else wanted.voice
    return [Synthesize(NO_CALL, text, language, voice, wanted.model) for text in texts]


def _parsed(body: bytes) -> SpeechRequest:
    try:
        return SpeechRequest.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        name = ".".join(map(str, first["loc"]))[:100]
        message = f"{name}: {first['msg']}" if name else f"the body: {first['msg']}"
        raise ApiError(400, message, parameter=name or None) from None


class _Spoken(Response):
    """Sends the speech. It begins once there is audio: what fails before is answered as an error."""

    def __init__(self, services: Services, wanted: SpeechRequest, language: str, urgency: Urgency) -> None:
        super().__init__()
        self._services = services
        self._wanted = wanted
        self._language = language
        self._urgency = urgency

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hold a place until the last byte is sent, or the deadline passes."""
        sound = FORMATS[self._wanted.response_format]()
        with self._services.place():
            requests = _sentences(self._wanted, self._language)
            async with working(self._services.settings.deadline_s) as deadline_s:
                await self._services.check_can_work(WorkKind.SYNTHESIS, self._urgency)
                has_begun = False
                async with aclosing(self._audio(requests, deadline_s)) as pieces:
                    async for piece in pieces:
                        if not has_begun:
                            has_begun = True
                            headers = [(b"content-type", sound.media_type.encode())]
                            start: dict[str, Any] = {"type": "http.response.start", "status": 200}
                            await send(start | {"headers": headers})
                            await send(_body(sound.begin()))
                        await send(_body(sound.add(piece)))
                if not has_begun:
                    raise ApiError(500, "the voice made no sound")
                await send(_body(sound.finish(), has_more=False))

    async def _audio(self, requests: list[Synthesize], deadline_s: float) -> AsyncGenerator[bytes, None]:
        for request in requests:
            async with aclosing(self._sentence(request, deadline_s)) as pieces:
                async for piece in pieces:
                    yield piece

    async def _sentence(self, request: Synthesize, deadline_s: float) -> AsyncGenerator[bytes, None]:
        """Yield one sentence's audio, which waits here for a slow client and not in the worker."""
        waiting: asyncio.Queue[bytes | None] = asyncio.Queue()
        """No longer than the longest speech of one request to a worker: 40 s."""

        async def fill() -> None:
            try:
                remaining_s = deadline_s - asyncio.get_running_loop().time()
                made = self._services.pool.synthesize(
                    request, remaining_s, is_ahead=self._urgency.is_ahead, priority=self._urgency.priority
                )
                async with aclosing(made) as chunks:
                    async for chunk in chunks:
                        waiting.put_nowait(chunk.audio)
            finally:
                waiting.put_nowait(None)

        filling = asyncio.create_task(fill(), name="speech")
        try:
            while (audio := await waiting.get()) is not None:
                yield audio
            await filling  # raises what ended it
        finally:
            filling.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await filling


def _body(audio: bytes, has_more: bool = True) -> dict[str, Any]:
    return {"type": "http.response.body", "body": audio, "more_body": has_more}
