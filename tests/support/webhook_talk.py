"""Conversations of the webhook dialog with a receiver of the tests, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import virtual_time
from http_peer import Answer, Answering, Asked, HttpPeer

from ingress.configuration.settings import DialogSettings
from ingress.dialogs.registry import dialog
from ingress.dialogs.testing import Conversation

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SORRY = "I am sorry, this service cannot be reached at the moment."


def in_virtual_time(main: Coroutine[Any, Any, None]) -> None:
    """Run a test's conversation."""
    virtual_time.run(main, virtual_time.TCP_SETTLES_S)


@asynccontextmanager
async def talking(
    answer: Answer, url: str | None = None, language: str = "en", **settings: Any
) -> AsyncIterator[tuple[Conversation, HttpPeer]]:
    """A conversation with a receiver that answers so."""
    async with HttpPeer(answer) as peer:
        table = {"url": url or f"{peer.url}/calls", **settings}
        hook = dialog(DialogSettings(name="webhook", webhook=table))
        async with Conversation(hook, language=language, caller_number="123") as talk:
            yield talk, peer


def answers(*actions: Any, **state: Any) -> Answer:
    """Return a receiver that always answers that."""

    async def answer(asked: Asked, answering: Answering) -> None:
        await answering.json({"actions": actions, **state})

    return answer


def sends(body: bytes, kind: str = "application/json", status: int = 200) -> Answer:
    """Return a receiver that answers with these bytes."""

    async def answer(asked: Asked, answering: Answering) -> None:
        await answering.begin(status, kind=kind)
        await answering.send(body)
        await answering.end()

    return answer


async def hang(asked: Asked, answering: Answering) -> None:
    """Never answer."""
    await asyncio.sleep(3600.0)
