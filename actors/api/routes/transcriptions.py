"""`POST /v1/audio/transcriptions`: a recording's words, as OpenAI's service gives them.

A recording becomes what the workers hear in calls (8 kHz) and goes to them in short pieces, one after the
other, each with a lease of its own: a long one holds no slot for long. What has no effect here is refused.
"""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from starlette.datastructures import FormData, UploadFile

from actors.api.bodies import bounded
from actors.api.cutting import pieces
from actors.api.errors import ApiError
from actors.api.recordings import decode
from actors.api.routes.fleet import Served
from actors.api.routes.models import check_model
from actors.api.services import PRIORITY_HEADER, Services, Urgency, check_language, urgency_of, working
from actors.checks.languages import normalised
from actors.liveness.threads import in_thread
from actors.messages import Transcribe, Transcript, WorkKind
from actors.telephone import audio_duration_ms

router = APIRouter(prefix="/v1/audio", tags=["speech"])

FORM_BYTES = 64 * 1024
"""Of a form beside its file."""
MAXIMUM_FIELDS = 16
NO_CALL = "api"
"""Of requests that no call made."""

FORMATS = ("json", "text", "verbose_json")
KNOWN = {"file", "model", "language", "prompt", "response_format", "temperature", "timestamp_granularities[]"}

_FIELDS: dict[str, dict[str, Any]] = {
    "file": {"type": "string", "format": "binary", "description": "wav, flac, ogg, mp3, webm, m4a or mp4"},
    "model": {"type": "string", "description": "the engine, as GET /v1/models names it"},
    "language": {"type": "string", "description": "such as en or pt-BR; unset: the fleet's"},
    "response_format": {"type": "string", "enum": list(FORMATS), "default": "json"},
    "temperature": {"type": "number", "enum": [0], "description": "0 alone"},
    "timestamp_granularities[]": {"type": "string", "enum": ["segment"], "description": "segment alone"},
}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {"type": "object", "required": ["file", "model"], "properties": _FIELDS}
            }
        },
    }
}


@dataclass(frozen=True, slots=True)
class _Segment:
    start_s: float
    end_s: float
    transcript: Transcript


@router.post("/transcriptions", openapi_extra=_BODY)
async def transcriptions(request: Request, services: Served) -> Response:
    """Return the words of a recording."""
    urgency = urgency_of(request.headers.get(PRIORITY_HEADER))
    with services.place():
        async with working(services.settings.deadline_s) as deadline_s:
            await services.check_can_work(WorkKind.TRANSCRIPTION, urgency)
            limit_bytes = services.settings.maximum_upload_bytes + FORM_BYTES
            form = bounded(request, limit_bytes).form(
                max_files=1, max_fields=MAXIMUM_FIELDS, max_part_size=FORM_BYTES
            )
            async with form as fields:
                response_format, language = await _checked(fields, services)
                content = await _content(fields, services.settings.maximum_upload_bytes)
            audio = await _decoded(content, services.settings.maximum_audio_s)
            del content
            segments = await _heard(services, audio, language, urgency, deadline_s)
    duration_s = audio_duration_ms(audio) / 1000.0
    text = " ".join(it.transcript.text.strip() for it in segments if it.transcript.text.strip())
    if response_format == "text":
        return PlainTextResponse(text + "\n")
    answer: dict[str, Any] = {"text": text, "usage": {"type": "duration", "seconds": round(duration_s, 3)}}
    if response_format == "verbose_json":
        answer |= {
            "task": "transcribe",
            "language": language,
            "duration": round(duration_s, 3),
            "segments": [_written(number, segment) for number, segment in enumerate(segments)],
        }
    return JSONResponse(answer)


async def _checked(fields: FormData, services: Services) -> tuple[str, str]:
    """Return the format and the language of a form that asks for nothing that cannot be. Raises ApiError."""
    for name, value in fields.multi_items():
        if name not in KNOWN:
            raise ApiError(400, f"{name[:40]}: unknown here; leave it out", parameter=name[:40])
        if name != "file" and not isinstance(value, str):
            raise ApiError(400, f"{name}: text is needed, not a file", parameter=name)
    text = {name: value for name, value in fields.items() if isinstance(value, str)}
    speech = await services.speech()
    if "model" not in text:
        raise ApiError(400, f"model: needed; {speech.stt!r} is", parameter="model")
    check_model(text["model"], (speech.stt,))
    if text.get("prompt"):
        raise ApiError(400, "prompt: not taken here; leave it out", parameter="prompt")
    if text.get("temperature", "0") not in ("0", "0.0"):
        raise ApiError(400, "temperature: 0 alone: the likeliest words", parameter="temperature")
    granularities = fields.getlist("timestamp_granularities[]")
    if any(granularity != "segment" for granularity in granularities):
        raise ApiError(400, "timestamp_granularities: segment alone", parameter="timestamp_granularities[]")
    response_format = text.get("response_format", "json")
    if response_format not in FORMATS:
        message = f"response_format: choose one of {', '.join(FORMATS)}"
        raise ApiError(400, message, parameter="response_format")
    language = speech.first_language
    if text.get("language"):
        try:
            language = normalised(text["language"])
        except ValueError as error:
            raise ApiError(400, f"language: {error}", parameter="language") from None
        await check_language(speech, language)
    return response_format, language


async def _content(fields: FormData, limit_bytes: int) -> bytes:
    upload = fields.get("file")
    if not isinstance(upload, UploadFile):
        raise ApiError(
            400, "file: needed, as a part of multipart/form-data with a filename", parameter="file"
        )
    if (upload.size or 0) > limit_bytes:
        raise ApiError(413, f"file: larger than {limit_bytes} bytes, the limit", parameter="file")
    return await upload.read()


async def _decoded(content: bytes, maximum_s: float) -> bytes:
    is_given_up = threading.Event()
    try:
        return await in_thread(decode, content, maximum_s, is_given_up)
    finally:
        is_given_up.set()


async def _heard(
    services: Services, audio: bytes, language: str, urgency: Urgency, deadline_s: float
) -> list[_Segment]:
    segments = []
    for start_s, piece in pieces(audio):
        request = Transcribe(NO_CALL, piece, language, services.pool.decision.allows_retry)
        heard = await services.pool.transcribe(
            request,
            deadline_s - asyncio.get_running_loop().time(),
            is_ahead=urgency.is_ahead,
            priority=urgency.priority,
        )
        end_s = start_s + audio_duration_ms(piece) / 1000.0
        segments.append(_Segment(start_s, end_s, heard.transcript))
    return segments


def _written(number: int, segment: _Segment) -> dict[str, Any]:
    """Return a segment as OpenAI writes it; what is not known is left out, `doubt` is ours."""
    transcript = segment.transcript
    return {
        "id": number,
        "start": round(segment.start_s, 3),
        "end": round(segment.end_s, 3),
        "text": transcript.text,
        "avg_logprob": transcript.mean_log_probability,
        "no_speech_prob": transcript.no_speech_probability,
        "temperature": 0.0,
        "doubt": transcript.doubt,
    }
