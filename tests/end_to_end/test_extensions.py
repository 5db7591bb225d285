"""Extensions of a running server: a port each, greetings, priorities and refusals of their own; no Ray."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from asterisk_peer import AsteriskPeer
from running_server import QUICK, SCRIPTED, RunningServer, free_port, running_server, wait_until

from actors.engines.scripted import sentence_tone_hz
from benchmarks.harness.speech_like import recorded_words
from ingress.link.records import CallRecord
from ingress.server import observer

MAIN_GREETING = "Main line."
SALES_GREETING = "Sales, good morning."
BUSY = "Everybody talks."


def setting(name: str, value: object) -> tuple[str, str]:
    """Return a flag that sets it."""
    return "--set", f"{name}={value}"


@pytest.fixture(scope="module")
def sales_port() -> int:
    """The second extension's port."""
    return free_port()


@pytest.fixture(scope="module")
def server(sales_port: int) -> Iterator[RunningServer]:
    """Two extensions on two media workers, and room for one call at a time on the second of them."""
    folder = Path(tempfile.mkdtemp(prefix="raymal-test-"))  # short: it holds Unix sockets
    flags = (
        *("--greeting", MAIN_GREETING, "--media-workers", "2"),
        *setting("extensions.sales.port", sales_port),
        *setting("extensions.sales.priority", "high"),
        *setting("extensions.sales.max_calls", 1),
        *setting("extensions.sales.dialog.greeting", SALES_GREETING),
        *setting("extensions.sales.busy", BUSY),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAYMAL_RUNTIME", str(folder))
        with running_server(folder, *SCRIPTED, *QUICK, *flags) as running:
            yield running
    shutil.rmtree(folder, ignore_errors=True)


def pitches_hz(audio: bytes) -> set[int]:
    """Return the pitches, to 10 Hz, of the tones in what a peer heard: scripted speech is tones."""
    window = 8_000 // 10
    samples = np.frombuffer(audio, dtype="<i2").astype(float)
    pieces = samples[: len(samples) // window * window].reshape(-1, window)
    loud = pieces[np.abs(pieces).mean(axis=1) > 500.0]
    found = (np.abs(np.fft.rfft(loud)).argmax(axis=1) * 10).tolist()
    return {pitch for pitch in found if found.count(pitch) > 1}


async def record_of(server: RunningServer, peer: AsteriskPeer) -> CallRecord:
    """Return a finished call's record."""
    record = await observer.call_record(server.port, str(peer.call_id), wait_s=5.0)
    assert record is not None
    return record


async def until_free(server: RunningServer) -> None:
    """Wait until the places of all earlier calls have been given back."""
    async with asyncio.timeout(8.0):
        while (await observer.status(server.port)).fleet.admission.calls:
            await asyncio.sleep(0.1)


async def heard(port: int, tone_hz: int) -> AsteriskPeer:
    """Call a port and hang up once a tone has been heard."""
    async with AsteriskPeer(port) as peer:
        peer.identify()
        async with asyncio.timeout(8.0):
            while tone_hz not in pitches_hz(peer.audio):
                await asyncio.sleep(0.05)
    return peer


async def test_each_port_has_its_greeting_and_its_priority(server: RunningServer, sales_port: int) -> None:
    """Two ports, two greetings; the records say whose call it was, and the log who listens where."""
    await until_free(server)
    main = await heard(server.port, sentence_tone_hz(MAIN_GREETING))
    sales = await heard(sales_port, sentence_tone_hz(SALES_GREETING))
    assert sentence_tone_hz(SALES_GREETING) not in pitches_hz(main.audio)
    assert sentence_tone_hz(MAIN_GREETING) not in pitches_hz(sales.audio)
    records = [await record_of(server, peer) for peer in (main, sales)]
    assert [(record.extension, record.priority) for record in records] == [
        ("default", "normal"),
        ("sales", "high"),
    ]
    log = server.log.read_text()
    assert f"listening on 127.0.0.1:{server.port} for extension default" in log
    assert f"listening on 127.0.0.1:{sales_port} for extension sales" in log


async def test_the_calls_of_an_extension_spread_over_the_workers(
    server: RunningServer, sales_port: int
) -> None:
    """Each worker listens on each port: refused or not, a call of any extension finds any worker."""
    for _ in range(20):
        async with AsteriskPeer(sales_port) as peer:
            peer.identify()
            await peer.until(lambda peer=peer: peer.frames >= 2)  # type: ignore[misc]
    entries = [line for line in server.log.read_text().splitlines() if " on extension sales" in line]
    assert {entry.split()[3] for entry in entries} == {"media-0:", "media-1:"}


async def test_one_call_too_many_hears_the_extensions_words(server: RunningServer, sales_port: int) -> None:
    """Within half a second and to the end, then the hangup; the other port still takes calls."""
    await until_free(server)
    async with AsteriskPeer(sales_port) as first:
        first.identify()
        await first.until(lambda: first.frames >= 25)
        async with AsteriskPeer(sales_port) as second:
            second.identify()
            await second.until(lambda: any(second.audio), deadline_s=2.0)
            silence_ms = (len(second.audio) - len(second.audio.lstrip(b"\0"))) / 16
            await second.until(lambda: second.was_hung_up, deadline_s=8.0)
        assert silence_ms <= 500
        assert pitches_hz(second.audio) == {sentence_tone_hz(BUSY)}
        assert not first.was_hung_up
        await heard(server.port, sentence_tone_hz(MAIN_GREETING))
    record = await record_of(server, second)
    assert (record.extension, record.was_refused) == ("sales", True)
    assert record.end_reason.startswith("refused: ")
    assert not (await record_of(server, first)).was_refused


async def test_a_call_that_was_taken_is_not_refused_by_the_next_gateway(
    server: RunningServer, sales_port: int
) -> None:
    """The only place there is is its own: its next turn is answered."""
    await until_free(server)
    async with AsteriskPeer(sales_port) as peer:
        peer.identify()
        async with asyncio.timeout(8.0):
            while sentence_tone_hz(SALES_GREETING) not in pitches_hz(peer.audio):
                await asyncio.sleep(0.05)
        server.child("gateway").kill()
        await asyncio.to_thread(wait_until, server.is_ready, 20.0, "the gateway after a kill")
        before = len(peer.audio)
        await peer.speak(recorded_words(2) + bytes(16_000))
        await peer.until(lambda: any(peer.audio[before:]), deadline_s=8.0)
        await asyncio.sleep(1.0)
        assert not peer.was_hung_up
    record = await record_of(server, peer)
    assert not record.was_refused
    assert record.turns[-1].failure is None
    assert record.turns[-1].answer_ms > 0
