"""Answers of an OpenAI-compatible endpoint, for `http_peer`: streamed pieces, tool calls, faults."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from http_peer import Answering, Asked

STREAM = "text/event-stream"


def event(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
    """Return one piece of a streamed completion."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    piece = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return b"data: " + json.dumps(piece | more).encode() + b"\n\n"


def tool(name: str, arguments: Any, number: int = 0) -> dict[str, Any]:
    """Return the delta of a whole tool call; arguments that are text go as they are."""
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    function = {"name": name, "arguments": text}
    return {"tool_calls": [{"index": number, "id": f"t{number}", "type": "function", "function": function}]}


async def words(answering: Answering, *pieces: str, finish: str = "stop", pause_s: float = 0.0) -> None:
    """Stream a text and its end."""
    await answering.begin(kind=STREAM)
    await answering.send(event({"role": "assistant", "content": None}))
    for piece in pieces:
        await answering.send(event({"content": piece}))
        await asyncio.sleep(pause_s)
    await done(answering, finish)


async def tools(answering: Answering, *calls: dict[str, Any], said: str = "") -> None:
    """Stream tool calls."""
    await answering.begin(kind=STREAM)
    if said:
        await answering.send(event({"content": said}))
    for call in calls:
        await answering.send(event(call))
    await done(answering, "tool_calls")


async def done(answering: Answering, finish: str = "stop", **more: Any) -> None:
    """Stream the end."""
    await answering.send(event({}, finish, **more))
    await answering.send(b"data: [DONE]\n\n")
    await answering.end()


@dataclass
class Script:
    """Answers one request after the other; the last one again and again."""

    answers: Sequence[Any]
    number: int = field(default=0)

    async def __call__(self, asked: Asked, answering: Answering) -> None:
        answer = self.answers[min(self.number, len(self.answers) - 1)]
        self.number += 1
        if callable(answer):
            await answer(answering)
        elif isinstance(answer, str):
            await words(answering, answer)
        else:
            await tools(answering, *answer)
