"""Extensions of a running server: a port each, with greetings and priorities of their own; no Ray."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from asterisk_peer import AsteriskPeer
from heard import pitches_hz
from running_server import QUICK, SCRIPTED, RunningServer, free_port, private_server

from actors.engines.scripted import sentence_tone_hz
from ingress.link.records import CallRecord
from ingress.server import observer

MAIN_GREETING = "Main line."
SALES_GREETING = "Sales, good morning."


def setting(name: str, value: object) -> tuple[str, str]:
    """Return a flag that sets it."""
    return "--set", f"{name}={value}"


@pytest.fixture(scope="module")
def sales_port() -> int:
    """The second extension's port."""
    return free_port()


@pytest.fixture(scope="module")
def server(sales_port: int) -> Iterator[RunningServer]:
    """Two extensions."""
    flags = (
        *("--greeting", MAIN_GREETING),
        *setting("extensions.sales.port", sales_port),
        *setting("extensions.sales.priority", "high"),
        *setting("extensions.sales.dialog.greeting", SALES_GREETING),
    )
    with private_server(*SCRIPTED, *QUICK, *flags) as running:
        yield running


async def record_of(server: RunningServer, peer: AsteriskPeer) -> CallRecord:
    """Return a finished call's record."""
    record = await observer.call_record(server.port, str(peer.call_id), wait_s=5.0)
    assert record is not None
    return record


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
