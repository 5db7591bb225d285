"""Conversations with a flow, without a server: what is said, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from ingress.configuration.settings import DialogSettings
from ingress.dialogs.actions import checked_action
from ingress.dialogs.base import (
    CallBegan,
    CallerNotUnderstood,
    CallerPressed,
    CallerSaid,
    DialogAction,
    DialogCall,
    DialogEvent,
    EndCall,
    Interrupted,
    LegJoined,
    LegLeft,
    NothingHeard,
    Say,
    SetVariable,
    Transfer,
)
from ingress.dialogs.flow.dialog import FlowDialog
from ingress.dialogs.run import DialogRun
from ingress.dialogs.state import encoded_state
from ingress.link.messages import LegName

TODAY = date(2026, 11, 27)
"""A Friday."""


def flow_dialog(file: Path | str, clock: Callable[[], float] = lambda: 0.0, **table: Any) -> FlowDialog:
    """Return the dialog of a flow, in whose world it is `TODAY`, and as late as `clock` says."""
    settings = DialogSettings.model_validate({"name": "flow", "flow": {"file": str(file), **table}})
    return FlowDialog(settings, TODAY, clock)


class Talk:
    """One call; its state goes through JSON between events, as between gateways.

    Raises DialogError for an action, a state or a wait that a server refuses.
    """

    def __init__(self, dialog: FlowDialog, language: str = "en", **state: Any) -> None:
        self.dialog = dialog
        self.language = language
        self.state: dict[str, Any] = dict(state)
        self.has_return = False
        self.done: list[DialogAction] = []
        """What was done about the last event."""
        self.end: EndCall | Transfer | None = None
        self.variables: dict[str, str] = {}

    async def event(self, event: DialogEvent) -> str:
        """Return what the caller hears of the answer; on the other leg after `[return]`."""
        call = DialogCall(
            "c1", "default", self.language, "4711", None, datetime.now(UTC), [],
            json.loads(encoded_state(self.state)), self.has_return,
        )  # fmt: skip
        if isinstance(event, Interrupted):
            self.end = None
        assert self.end is None, "the call is over"
        run = DialogRun(self.dialog, event, call, DialogSettings().deadline_s)
        self.done = []
        try:
            while (action := await run.next()) is not None:
                self.done.append(checked_action(action))
        finally:
            await run.close()
        self.state = json.loads(encoded_state(call.state))
        said = []
        for action in self.done:
            match action:
                case Say(text=text, leg=leg):
                    said.append(text if leg == "caller" else f"[return] {text}")
                case EndCall(leg="return"):
                    self.has_return = False
                case EndCall() | Transfer():
                    self.end = action
                case SetVariable(name, value):
                    self.variables[name] = value
        return " ".join(said)

    async def begin(self) -> str:
        """The call begins."""
        return await self.event(CallBegan())

    async def says(self, text: str, leg: LegName = "caller") -> str:
        """Somebody says something."""
        return await self.event(CallerSaid(text, leg=leg))

    async def presses(self, keys: str, leg: LegName = "caller") -> str:
        """Somebody presses keys."""
        return await self.event(CallerPressed(keys, leg=leg))

    async def is_silent(self, leg: LegName = "caller") -> str:
        """Nothing is heard."""
        return await self.event(NothingHeard(1, leg))

    async def mumbles(self, leg: LegName = "caller") -> str:
        """What is said is not understood."""
        return await self.event(CallerNotUnderstood(leg))

    async def joins(self) -> str:
        """The other leg is there."""
        self.has_return = True
        return await self.event(LegJoined())

    async def leaves(self) -> str:
        """The other leg ends."""
        self.has_return = False
        return await self.event(LegLeft())

    def action(self, kind: type[DialogAction]) -> Any:
        """Return the one action of that kind, None without any."""
        found = [action for action in self.done if isinstance(action, kind)]
        assert len(found) <= 1, found
        return found[0] if found else None


class Answering:
    """Stands for the HTTP look-ups: gives the answers of a table, or raises them; keeps what was sent."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self.answers = answers
        self.sent: list[tuple[str, dict[str, Any]]] = []

    async def fetch(self, name: str, values: Mapping[str, Any]) -> Any:
        """Return the answer."""
        self.sent.append((name, dict(values)))
        answer = self.answers[name]
        if isinstance(answer, Exception):
            raise answer
        return answer
