"""Real servers: a dialog in a file of the working folder, a dialog and an engine of installed packages."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from asterisk_peer import AsteriskPeer
from heard import pitches_hz
from installed_example import EXAMPLES, install
from running_server import QUICK, SCRIPTED, RunningServer, running_server

from actors.engines.scripted import sentence_tone_hz
from benchmarks.harness.speech_like import recorded_words
from ingress.link.messages import PutExtension
from ingress.server import observer

INSTALLED_COMMAND = str(Path(sys.executable).with_name("raymal"))
"""Unlike `python -m ingress`, it does not have the working folder on its path."""

pytestmark = pytest.mark.usefixtures("runtime_folder")


async def test_a_dialog_in_the_working_folder(tmp_path: Path) -> None:
    """The folder has nothing else. The caller hears its sentence and then the hangup."""
    shutil.copy(EXAMPLES / "stranger.py", tmp_path)
    flags = [*SCRIPTED, *QUICK, "--dialog", "stranger:Bye"]
    with running_server(tmp_path, *flags, command=[INSTALLED_COMMAND], working_folder=tmp_path) as server:
        async with AsteriskPeer(server.port) as peer:
            peer.identify()
            await peer.until(lambda: peer.was_hung_up, deadline_s=8.0)
    assert sentence_tone_hz("We are closed today.") in pitches_hz(peer.audio)


async def add_an_extension_with_another_engine(server: RunningServer) -> None:
    """One that cannot run is refused with its reason; the other speaks at the next call."""
    put = {"name": "second", "settings": {"port": "auto", "tts": "scriptet"}}
    reply = await observer.control(server.port, PutExtension.model_validate(put))
    assert "extensions.second.tts: unknown engine 'scriptet'" in (reply.problem or "")
    put["settings"] = {"port": "auto", "tts": "scripted"}
    reply = await observer.control(server.port, PutExtension.model_validate(put))
    assert reply.problem is None
    async with AsteriskPeer(reply.ports["second"]) as peer:
        peer.identify()
        await peer.until_answered()
    assert sentence_tone_hz("Hello.") in pitches_hz(peer.audio)
    status = server.status()
    assert status is not None
    assert {extension.name: extension.tts for extension in status.extensions} == {
        "default": "beeps",
        "second": "scripted",
    }
    assert status.fleet is not None
    assert [(engine.name, engine.problem) for engine in status.fleet.engines] == [
        ("beeps", None),
        ("scripted", None),
    ]


async def test_a_dialog_and_an_engine_of_packages(tmp_path: Path) -> None:
    """Set in the file: the engine spells the questions, and the state is there at the second turn."""
    site = tmp_path / "site"
    site.mkdir()
    install("booking", site)
    install("beeps", site)
    file = tmp_path / "raymal.toml"
    file.write_text(
        "[dialog]\nname = 'booking'\nbooking.days = ['Monday']\n"
        "[speech]\nstt = 'scripted'\ntts = 'beeps'\n"
        "[speech.scripted]\ntranscript = 'Maria'\nstt_delay_s = 0.1\n"
        "[speech.beeps]\nlowest_hz = 1000\nletter_ms = 40\n"
    )
    path = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    flags = ["--no-ray", "--keep-transcripts", "--config", str(file)]
    with running_server(tmp_path, *flags, variables={"PYTHONPATH": path}) as server:
        async with AsteriskPeer(server.port) as peer:
            peer.identify()
            await peer.until_answered()
            await peer.speak(recorded_words(2) + bytes(16_000))
            await peer.until_answered()
        record = await observer.call_record(server.port, str(peer.call_id), wait_s=5.0)
        await add_an_extension_with_another_engine(server)
    assert record is not None
    answers = [turn.answered for turn in record.turns]
    assert answers == ["Hello. What is your name?", "On which day would you like to come?"]
    assert max(pitches_hz(peer.audio)) > 1_300  # scripted speech, the other engine, stays below
