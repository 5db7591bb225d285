"""Questions over a link: one at a time, each with its answer or a LinkError."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from actors.errors import LinkError
from ingress.link.link import Link
from ingress.link.messages import Message

ANSWER_DEADLINE_S = 5.0

Answer = TypeVar("Answer", bound=Message)


async def ask(
    link: Link, question: Message, expected: type[Answer], deadline_s: float = ANSWER_DEADLINE_S
) -> Answer:
    """Return the answer to a question. Raises LinkError: none in time, another kind, or the link is gone."""
    link.send(question)
    try:
        async with asyncio.timeout(deadline_s):
            answer = await link.receive()
    except TimeoutError as error:
        raise LinkError(f"the other side did not answer within {deadline_s:g} s") from error
    if not isinstance(answer, expected):
        raise LinkError(f"the other side answered with {answer.kind}")
    return answer
