"""A killed gateway: the call goes on, and what the dialog remembers of it is kept with the call."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest
from asterisk_peer import AsteriskPeer
from running_server import QUICK, SCRIPTED, running_server, wait_until

from ingress.server import observer
from ingress.server.runtime_directory import RuntimeDirectory

COUNTING_DIALOG = '''
from ingress.dialogs.base import CallerPressed, Dialog, Say


class CountingDialog(Dialog):
    """Counts the keys that were pressed in this call, and says how many."""

    async def respond(self, event, call):
        if isinstance(event, CallerPressed):
            call.state["keys"] = call.state.get("keys", 0) + 1
            # In words: figures in answers to keys are not kept.
            yield Say(f"{', '.join(['Key'] * call.state['keys'])}.")
'''


async def test_a_killed_gateway_costs_neither_the_call_nor_the_dialogs_state(
    tmp_path: Path, runtime_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silence goes on at 50 frames a second, and the next gateway knows the call; its dialog counts on.

    Something has removed the server's files meanwhile, as cleaners of temporary folders do.
    """
    folder = tmp_path / "dialogs"
    folder.mkdir()
    (folder / "counting_dialog.py").write_text(COUNTING_DIALOG)
    monkeypatch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    flags = ("--keep-transcripts", "--dialog", "counting_dialog:CountingDialog")
    with running_server(tmp_path, *SCRIPTED, *QUICK, *flags) as server:
        async with AsteriskPeer(server.port) as peer:
            peer.identify()
            peer.send_digit("1")
            await peer.until_answered()
            for file in RuntimeDirectory.of_port(server.port).path.glob("*.json"):
                file.unlink()
            server.child("gateway").kill()
            killed_s, before = time.monotonic(), len(peer.audio)
            await asyncio.to_thread(wait_until, server.is_ready, 15.0, "the gateway after a kill")
            assert (len(peer.audio) - before) / 16_000 == pytest.approx(time.monotonic() - killed_s, abs=0.3)
            await asyncio.to_thread(wait_until, lambda: server.status().calls == 1, 5.0, "the call")
            peer.send_digit("1")
            await peer.until_answered()
        record = await observer.call_record(server.port, str(peer.call_id), wait_s=5.0)
    assert record is not None
    assert [turn.answered for turn in record.turns if turn.kind == "digit"] == [
        "Key.",
        "Key, Key.",
    ]
