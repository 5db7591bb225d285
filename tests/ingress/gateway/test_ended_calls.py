"""The last event of a call's dialog. In virtual time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from recorded_pool import extension

from ingress.configuration.settings import DialogSettings
from ingress.dialogs.base import CallEnded as CallEndedEvent
from ingress.dialogs.base import Dialog, DialogAction, DialogCall, DialogEvent, Say
from ingress.gateway import ended_calls
from ingress.gateway.ended_calls import DEADLINE_S, EndedCalls
from ingress.link.messages import CallEnded, CallStarted, HistoryEntry
from ingress.link.records import CallOutcome, CallRecord, CallResult

OUTCOME = CallOutcome(result=CallResult.TRANSFER, target="200", reason="wants sales")
RECORD = CallRecord(call_id="c1", extension="default", end_reason="hung up", outcome=OUTCOME, duration_s=10.0)
HISTORY = (HistoryEntry(speaker="caller", text="hi"),)
ENDED = CallEnded(record=RECORD, history=HISTORY, state={"name": "Ana"}, language="pt")
STARTED = CallStarted(call_id="c1", extension="default", started_at_s=1.0, caller_number="123")
DEFAULT = extension(dialog=DialogSettings(name="keeper"))


class Keeper(Dialog):
    """Keeps what it gets; then takes a while, and raises an error."""

    def __init__(self, takes_s: float = 0.0, error: BaseException | None = None) -> None:
        self.takes_s = takes_s
        self.error = error
        self.got: list[tuple[DialogEvent, DialogCall]] = []
        self.running = self.most_running = self.finished = 0

    async def respond(self, event: DialogEvent, call: DialogCall) -> AsyncIterator[DialogAction]:
        self.got.append((event, call))
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            yield Say("Nobody hears this.")
            await asyncio.sleep(self.takes_s)
            if self.error is not None:
                raise self.error
            self.finished += 1
        finally:
            self.running -= 1


async def test_a_dialog_gets_the_end_of_a_call() -> None:
    """Why, what was said, what it remembered, in the call's language; of a refused call nothing."""
    keeper = Keeper()
    ended = EndedCalls(lambda extension: keeper)
    ended.take(ENDED, DEFAULT, STARTED)
    ended.take(CallEnded(record=RECORD.model_copy(update={"was_refused": True})), DEFAULT, STARTED)
    await ended.close()
    ((event, call),) = keeper.got
    assert event == CallEndedEvent("transfer", "wants sales")
    began = datetime.fromtimestamp(1.0, UTC)
    assert call == DialogCall("c1", "default", "pt", "123", None, began, HISTORY, {"name": "Ana"})
    assert keeper.finished == 1


async def test_a_call_that_no_gateway_saw_begin_has_an_end_too() -> None:
    """Without its caller's number; when it began is known from how long it was."""
    keeper = Keeper()
    ended = EndedCalls(lambda extension: keeper)
    ended.take(ENDED.model_copy(update={"language": None}), DEFAULT, None)
    await ended.close()
    ((_, call),) = keeper.got
    assert (call.language, call.caller_number) == ("en", None)
    assert (datetime.now(UTC) - call.started_at).total_seconds() == pytest.approx(10.0, abs=1.0)


@pytest.mark.parametrize(
    ("keeper", "problem"),
    [
        (Keeper(takes_s=1e6), f"keeper did not end within {DEADLINE_S:g} s"),
        (Keeper(error=TimeoutError("secret")), "the dialog failed: TimeoutError at "),
        (Keeper(error=SystemExit("secret")), "the dialog failed: SystemExit at "),
    ],
    ids=["slow", "timeout", "exit"],
)
async def test_what_fails_is_logged_by_its_place(
    keeper: Keeper, problem: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Once a minute, and quotes nothing."""
    ended = EndedCalls(lambda extension: keeper)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            ended.take(ENDED, DEFAULT, STARTED)
        await ended.close()
    (line,) = caplog.messages
    assert problem in line
    assert "secret" not in line
    assert (len(keeper.got), keeper.finished, keeper.running) == (3, 0, 0)


async def test_so_many_at_a_time(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others wait; those for which there is no room are said to be left out."""
    monkeypatch.setattr(ended_calls, "MOST_AT_ONCE", 3)
    monkeypatch.setattr(ended_calls, "MOST_WAITING", 9)
    keeper = Keeper(takes_s=0.01)
    ended = EndedCalls(lambda extension: keeper)
    with caplog.at_level(logging.WARNING):
        for _ in range(15):
            ended.take(ENDED, DEFAULT, STARTED)
        await ended.close()
    assert (keeper.most_running, keeper.finished) == (3, 12)
    (line,) = caplog.messages
    assert "some get no CallEnded" in line
