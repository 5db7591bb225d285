"""The example of a webhook, served by uvicorn and asked by the dialog."""

from __future__ import annotations

import asyncio
import importlib.util
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from installed_example import EXAMPLES

from ingress.configuration.settings import DialogSettings
from ingress.dialogs.registry import dialog
from ingress.dialogs.testing import Conversation

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def receiver() -> Any:
    """Return the application of the example."""
    spec = importlib.util.spec_from_file_location("receiver", EXAMPLES / "webhook" / "receiver.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.app


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[str]:
    """Serve an application; gives its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/calls"
        finally:
            server.should_exit = True
            await serving


async def test_the_receiver_answers_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys, the state over two tries, the transfer; and a wrong secret is refused."""
    monkeypatch.setenv("RAYMAL_WEBHOOK_SECRET", SECRET)
    async with served(receiver()) as url:
        hook: Any = dialog(DialogSettings(name="webhook", webhook={"url": url}))
        async with Conversation(hook) as talk:
            assert (await talk.begin()).text == "Hello. Which room, please?"
            assert (await talk.says("The blue one.")).text == "Please type the room's three digits."
            assert (await talk.presses("101")).text == "I call Ana."
            assert talk.outcome is not None
            assert talk.outcome.target == "101"
        async with Conversation(hook) as talk:
            for _ in range(3):
                last = await talk.presses("999")
            assert last.text == "Goodbye."
        stranger: Any = dialog(DialogSettings(name="webhook", webhook={"url": url}))
        monkeypatch.setenv("RAYMAL_WEBHOOK_SECRET", SECRET.replace("M", "N"))
        async with Conversation(stranger) as talk:
            assert "cannot be reached" in (await talk.begin()).text
