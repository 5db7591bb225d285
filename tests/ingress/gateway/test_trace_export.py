"""Traces, sent to a collector of the test by OTLP over HTTP."""

from __future__ import annotations

import asyncio
import logging
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import pytest
from link_end import LinkEnd
from otlp_collector import collector

from actors.errors import ConfigurationError
from ingress.configuration.settings import Settings, TracesSettings
from ingress.gateway import trace_export
from ingress.gateway.gateway import Gateway
from ingress.gateway.trace_export import TraceExport
from ingress.link.messages import Admitted, CallEnded, CallRecorded, CallStarted, TurnFinished
from ingress.link.records import CallRecord, StageTimes, TurnRecord
from ingress.server.checking import check, extension_book

TONE = {"fleet": {"backend": "local"}, "dialog": {"name": "tone"}}
TURN = TurnRecord(
    turn=1,
    kind="utterance",
    endpoint_wait_ms=500.0,
    stages=StageTimes(lease_wait_ms=1.0, transcription_ms=200.0, dialog_ms=1.0, synthesis_ms=80.0),
    link_ms=5.0,
    playout_wait_ms=4.0,
    first_answer_ms=791.0,
    answer_ms=1_500.0,
    failure="the worker died",
)


@pytest.fixture(autouse=True)
def own_loggers() -> AsyncIterator[None]:
    """Give the SDK its log back."""
    logger = logging.getLogger("opentelemetry")
    handlers, propagates = logger.handlers[:], logger.propagate
    yield
    logger.handlers[:], logger.propagate = handlers, propagates


@asynccontextmanager
async def export(endpoint: str) -> AsyncIterator[TraceExport]:
    """Run an export."""
    running = TraceExport(TracesSettings(endpoint=endpoint), "gateway-1")
    yield running
    await running.close()


async def until(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds."""
    async with asyncio.timeout(10.0):
        while not condition():
            await asyncio.sleep(0.02)


async def test_a_gateway_sends_its_calls_and_turns() -> None:
    """Turns as they finish, the call at its end; a record that comes again is not sent again."""
    call_id = str(uuid4())
    record = CallRecord(call_id=call_id, extension="default", end_reason="hangup", duration_s=9.0)
    with collector() as kept:
        settings = Settings.model_validate(TONE | {"traces": {"endpoint": kept.endpoint}})
        gateway = Gateway(settings, extension_book(settings), None, "gateway-1")
        end = await LinkEnd.connect(gateway)
        end.say(CallStarted(call_id=call_id, extension="default", started_at_s=1_800_000_000.0))
        await end.next(Admitted)
        end.say(TurnFinished(call_id=call_id, record=TURN))
        for is_repeated in (False, True):
            end.say(CallEnded(record=record, is_repeated=is_repeated))
            await end.next(CallRecorded)
        await end.hang_up()
        await gateway.close()
    (call,) = kept.named("call")
    assert call.start_time_unix_nano == 1_800_000_000 * 10**9
    assert call.end_time_unix_nano == 1_800_000_009 * 10**9
    (turn,) = kept.children(call)
    assert (turn.name, turn.status.message) == ("utterance", "the worker died")
    assert len(kept.children(turn)) == 8
    assert {UUID(bytes=span.trace_id) for span in kept.spans} == {UUID(call_id)}
    assert (kept.resource["service.name"], kept.resource["service.instance.id"]) == ("raymal", "gateway-1")


async def test_a_collector_that_goes_and_comes_back(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line each time, however many batches are lost; the next spans come again."""
    monkeypatch.setattr(trace_export, "SEND_EVERY_S", 0.05)
    monkeypatch.setattr(trace_export, "EXPORT_DEADLINE_S", 1.3)
    caplog.set_level(logging.INFO, trace_export.__name__)

    def logged() -> list[str]:
        return [it.getMessage() for it in caplog.records if it.name == trace_export.__name__]

    call_id = str(uuid4())
    started = CallStarted(call_id=call_id, extension="sales", started_at_s=1_800_000_000.0)
    with collector() as kept:
        async with export(f"{kept.endpoint}/v1/traces") as traces:
            traces.take_turn(call_id, started, TURN)
            await until(lambda: bool(kept.named("answer")))
            assert kept.named("utterance")[0].status.message == "the worker died"
            kept.status = 401
            for _ in range(4):
                traces.take_turn(call_id, started, TURN)
                await asyncio.sleep(0.1)
            kept.status, kept.spans = 200, []
            traces.take_call(started, CallRecord(call_id=call_id, extension="sales", end_reason="hangup"))
            await until(lambda: bool(kept.named("call")))
            port = kept.port
    async with export(f"http://127.0.0.1:{port}") as traces:
        traces.take_turn(call_id, started, TURN)
        await until(lambda: len(logged()) == 3)
    lost, again, away = logged()
    assert lost.startswith(f"traces are lost: http://127.0.0.1:{port}/v1/traces takes none: ")
    assert "401" in lost
    assert again == f"traces are taken again by http://127.0.0.1:{port}/v1/traces"
    assert "refused" in away


async def test_a_collector_that_never_answers_keeps_nothing_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue is bounded, and closing does not take long."""
    monkeypatch.setattr(trace_export, "EXPORT_DEADLINE_S", 0.5)
    monkeypatch.setattr(trace_export, "CLOSE_DEADLINE_S", 0.1)
    monkeypatch.setattr(trace_export, "QUEUED_SPANS", 1_024)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        begin_s = time.monotonic()
        async with export(f"http://127.0.0.1:{port}") as traces:
            for number in range(300):
                traces.take_turn(str(uuid4()), None, TURN.model_copy(update={"turn": number}))
        assert time.monotonic() - begin_s < 2.0


@pytest.mark.parametrize(
    "endpoint", ["collector:4318", "http://", "http://u:swordfish@c:4318", "http://c:99999"]
)
def test_what_is_no_address_is_said(endpoint: str) -> None:
    """Without what may be secret in it."""
    settings = Settings.model_validate(TONE | {"traces": {"endpoint": endpoint}})
    with pytest.raises(
        ConfigurationError, match=r"traces\.endpoint: write http://HOST:4318/v1/traces"
    ) as raised:
        check(settings)
    assert "swordfish" not in str(raised.value)


def test_without_the_extra_it_is_said_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before a port opens."""
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http", None)
    settings = Settings.model_validate(TONE | {"traces": {"endpoint": "http://127.0.0.1:4318"}})
    with pytest.raises(ConfigurationError, match="extra `traces`, which is not installed: pip install opent"):
        check(settings)


def test_a_gateway_without_traces_does_not_load_the_sdk() -> None:
    """It costs 30 MB."""
    program = "import ingress.gateway.gateway, sys; print('opentelemetry' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert result.stdout.strip() == "False"
