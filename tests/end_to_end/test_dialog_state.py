"""What a dialog remembers of a call is kept with the call, not in the gateway."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from asterisk_peer import AsteriskPeer
from running_server import QUICK, SCRIPTED, running_server, wait_until

from ingress.server import observer

COUNTING_DIALOG = '''
from ingress.dialogs.base import CallerPressed, Dialog, Say


class CountingDialog(Dialog):
    """Counts the keys that were pressed in this call, and says how many."""

    async def respond(self, event, call):
        if isinstance(event, CallerPressed):
            call.state["keys"] = call.state.get("keys", 0) + 1
            yield Say(f"Key number {call.state['keys']}.")
'''


async def press_and_listen(peer: AsteriskPeer) -> None:
    """Press a key; return once the answer was heard to its end."""
    before = len(peer.audio)
    peer.send_digit("1")
    await peer.until(lambda: any(peer.audio[before:]), deadline_s=10.0)
    await peer.until(lambda: not any(peer.audio[-3_200:]), deadline_s=10.0)


async def test_a_dialogs_state_survives_a_killed_gateway(
    tmp_path: Path, runtime_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next gateway's dialog counts on."""
    folder = tmp_path / "dialogs"
    folder.mkdir()
    (folder / "counting_dialog.py").write_text(COUNTING_DIALOG)
    monkeypatch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    flags = ("--keep-transcripts", "--dialog", "counting_dialog:CountingDialog")
    with running_server(tmp_path, *SCRIPTED, *QUICK, *flags) as server:
        async with AsteriskPeer(server.port) as peer:
            peer.identify()
            await press_and_listen(peer)
            await press_and_listen(peer)
            server.child("gateway").kill()
            await asyncio.to_thread(wait_until, server.is_ready, 15.0, "the gateway after a kill")
            await press_and_listen(peer)
        record = await observer.call_record(server.port, str(peer.call_id), wait_s=5.0)
    assert record is not None
    assert [turn.answered for turn in record.turns if turn.kind == "digit"] == [
        "Key number 1.",
        "Key number 2.",
        "Key number 3.",
    ]
