"""The flow dialog: a conversation that a YAML file describes (docs/flows.md)."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import date
from pathlib import Path
from typing import Any

from actors.checks.languages import primary
from actors.errors import ConfigurationError, described
from ingress.configuration.settings import DialogSettings
from ingress.dialogs.base import (
    CallEnded,
    Dialog,
    DialogAction,
    DialogCall,
    DialogEvent,
)
from ingress.dialogs.flow.library import answers_of, flow_of
from ingress.dialogs.flow.model import Flow
from ingress.dialogs.flow.settings import FlowSettings
from ingress.dialogs.flow.texts import COMMON, filled, has_placeholders
from ingress.dialogs.flow.turn import Turn
from ingress.dialogs.flow.wording import polite_end
from ingress.dialogs.lookups import Lookups

log = logging.getLogger(__name__)


class FlowDialog(Dialog):
    """Follows a flow; it keeps nothing of a call but the call's state."""

    Settings = FlowSettings
    settings: FlowSettings

    def __init__(
        self,
        settings: DialogSettings | None = None,
        today: date | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`today`, `clock` (monotonic, in seconds): for tests. Raises ConfigurationError.

        A flow that was checked, and cannot be read now, ends each call politely instead: a file that somebody
        is writing must not stop a gateway.
        """
        super().__init__(settings)
        self._today, self._clock = today, clock
        self._audio_folder = settings.audio_folder if settings is not None else None
        self.flow: Flow | None = None
        self._lookups = Lookups(self.settings.lookups, "dialog.flow.lookups")
        try:
            self.flow = flow_of(self.settings.file, self.settings.digest)
        except ConfigurationError as error:
            if self.settings.digest is None:
                raise
            log.error(
                "the flow was changed and cannot be used, so its calls end at once: %s", described(error)
            )
            return
        self._answers = answers_of(self.flow)

    @classmethod
    def pinned(cls, table: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the settings with the digest of the flow's files."""
        file = table.get("file")
        return {**table, "digest": flow_of(file).digest} if isinstance(file, str) else table

    def fixed_texts_in(self, language: str) -> Sequence[str]:
        """Return all prompts without slots, and the flow's own phrases."""
        if self.flow is None:
            return ()
        own = self.flow.language(language)
        common = COMMON[own]
        prompts = (prompt for step in self.flow.steps.values() for prompt in step.prompts())
        texts = [prompt.texts[own].text for prompt in prompts]
        fixed = (filled(text, {}) for text in texts if not has_placeholders(text))
        return [*fixed, common.not_understood, common.yes_or_no, common.moment, common.sorry]

    def unreachable(self) -> Sequence[str]:
        """Return the files that it plays and that are not there."""
        plays = {step.play for step in self.flow.steps.values() if step.play} if self.flow else set()
        if plays and self._audio_folder is None:
            return [f"it plays {', '.join(sorted(plays))}, and dialog.audio_folder is not set"]
        folder = Path(self._audio_folder or "").expanduser()
        missing = sorted(play for play in plays if not (folder / play).is_file())
        return [f"it plays {play}, which is no file in {folder} (dialog.audio_folder)" for play in missing]

    async def close(self) -> None:
        """Close the connections of its look-ups. Idempotent."""
        await self._lookups.close()

    async def respond(self, event: DialogEvent, call: DialogCall) -> AsyncIterator[DialogAction]:
        """Go on in the flow."""
        if isinstance(event, CallEnded):
            return
        if self.flow is None:
            for action in polite_end(COMMON.get(primary(call.language), COMMON["en"]).sorry, "flow_unusable"):
                yield action
            return
        today = self._today or date.today()
        turn = Turn(self.flow, self._answers, self._lookups, event, call, today, self._clock())
        async with aclosing(turn.actions()) as actions:
            async for action in actions:
                yield action
