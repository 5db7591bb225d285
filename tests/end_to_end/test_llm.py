"""A real server whose callers are answered by an OpenAI-compatible endpoint of the test's own."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from asterisk_peer import AsteriskPeer
from completions import STREAM, Script, event, tool
from heard import pitches_hz
from http_peer import Answering, HttpPeer
from running_server import QUICK, running_server

from actors.engines.scripted import sentence_tone_hz
from ingress.server import observer

pytestmark = pytest.mark.usefixtures("runtime_folder")
FAST = ["--set", "speech.scripted.speech_rate_characters_per_s=40"]
FREE_WITHIN_S = 2.0
"""Four processes share the cores with other tests; the 0.3 s are asked of the dialog with a real model."""


async def test_a_caller_is_answered_interrupts_and_is_transferred(tmp_path: Path) -> None:
    """The first sentence is heard before the endpoint writes on; an interruption closes its stream."""
    first_was_heard = asyncio.Event()

    async def endlessly(answering: Answering) -> None:
        await answering.begin(kind=STREAM)
        await answering.send(event({"content": "We are open. On"}))
        await first_was_heard.wait()
        while True:
            await answering.send(event({"content": " Sundays we rest. On"}))
            await asyncio.sleep(0.05)

    async with HttpPeer(Script([endlessly, [tool("transfer", {"to": "sales"})]])) as endpoint:
        llm = {"model": "m", "base_url": f"{endpoint.url}/v1", "transfer_targets.sales": "200"}
        settings = [part for key, value in llm.items() for part in ("--set", f"dialog.llm.{key}={value}")]
        scripted = ["--no-ray", "--stt", "scripted", "--tts", "scripted", *QUICK, *FAST]
        with running_server(
            tmp_path, *scripted, "--dialog", "llm", "--keep-transcripts", *settings
        ) as server:
            async with AsteriskPeer(server.port) as peer:
                peer.identify()
                await peer.until(lambda: any(peer.audio))
                first_was_heard.set()
                heard_hz = {sentence_tone_hz(text) for text in ("We are open.", "On Sundays we rest.")}
                await peer.until(lambda: heard_hz <= pitches_hz(peer.audio))
                assert not endpoint.left.is_set()
                peer.send_digit("2")
                async with asyncio.timeout(FREE_WITHIN_S):
                    await endpoint.left.wait()
                await peer.until(lambda: peer.was_hung_up)
            record = await observer.call_record(server.port, str(peer.call_id), wait_s=5.0)
    assert record is not None
    assert record.outcome.result == "transfer"
    assert record.outcome.target == "200"
    begun, answer, key = (message["content"] for message in endpoint.asked[1].json["messages"][1:])
    assert begun == "[The call begins.]"
    assert answer == "We are open."
    assert key.endswith("[The caller pressed the keys 2]")
