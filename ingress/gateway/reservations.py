"""Places for calls that will come: asked for by the dialplan before it answers its caller.

| event | the place |
|---|---|
| `begin`, there is room | is taken at the manager, and all media workers know the UUID |
| the call comes | is the call's, which gives it back at its end |
| its time is over | is given back, and the UUID cannot be used any more |
| this gateway ends | is given back; a call that comes all the same asks the next gateway for one |
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from uuid import uuid4

from actors.checks.languages import normalised
from actors.engines.registry import language_problems
from actors.errors import RaymalError
from actors.messages import EXTENSION_FULL
from actors.settings import SpeechSettings
from ingress.access.invitations import MAXIMUM_INVITATIONS, is_address
from ingress.configuration.extensions import Extension
from ingress.gateway.call import (
    ADMISSION_DEADLINE_S,
    BOOKKEEPING_DEADLINE_S,
    NO_ANSWER,
    CallServices,
)
from ingress.link.messages import BeginReply, BeginRequest, CallStarted, InvitationSpent, Invited, Message

TOO_MANY = "too many calls are expected that have not come"
MAXIMUM_TEXT = 128
"""Characters of a caller's number or name."""

log = logging.getLogger(__name__)


class Reservations:
    """The places of a gateway that wait for their calls."""

    def __init__(
        self,
        services: CallServices,
        speech: SpeechSettings,
        extension: Callable[[str], Extension | None],
        send_to_all: Callable[[Message], None],
        valid_s: float,
    ) -> None:
        """`extension`: by its name; None: there is none. `send_to_all`: to every media worker."""
        self._services = services
        self._speech = speech
        self._extension = extension
        self._send_to_all = send_to_all
        self._valid_s = valid_s
        self._waiting: dict[str, tuple[Invited, float, asyncio.Task[None]]] = {}
        """By UUID: what was said of the call, when its time is over, and the task that sees to it."""

    def invitations(self, now: float) -> list[Invited]:
        """Return what a media worker gets that has just connected."""
        return [
            invited.model_copy(update={"expires_in_s": expires_s - now})
            for invited, expires_s, _ in self._waiting.values()
        ]

    async def begin(self, request: BeginRequest) -> BeginReply:
        """Take a place, if there is one, and invite the call."""
        extension = self._extension(request.extension)
        if extension is None:
            return _mistake(f"extension: there is no extension {request.extension[:64]!r}")
        if problem := self._problem(request, extension.tts):
            return _mistake(problem)
        language = normalised(request.language) if request.language is not None else None
        chosen = extension.chosen(request.priority, language)
        call_id = str(uuid4())
        if len(self._waiting) >= MAXIMUM_INVITATIONS:
            return _refused(TOO_MANY)
        reason = await self._take_place(call_id, chosen)
        if reason:
            self._services.count_refusal(extension.name, reason)
            return _refused(reason)
        invited = Invited(
            call_id=call_id,
            extension=extension.name,
            expires_in_s=self._valid_s,
            caller_number=request.caller_number,
            caller_name=request.caller_name,
            priority=request.priority,
            language=language,
            source=request.source,
        )
        task = asyncio.create_task(self._expire(call_id, chosen), name=f"reservation {call_id}")
        self._waiting[call_id] = invited, asyncio.get_running_loop().time() + self._valid_s, task
        self._send_to_all(invited)
        return BeginReply(call_id=call_id, is_admitted=True, reason="", expires_in_s=self._valid_s)

    def came(self, started: CallStarted) -> bool:
        """The call is there: return whether it has a place, which is its own now.

        Others with its UUID are refused, also if the gateway that invited it is gone.
        """
        waiting = self._waiting.pop(started.call_id, None)
        if waiting is not None or started.was_invited:
            self._send_to_all(InvitationSpent(call_id=started.call_id))
        if waiting is None:
            return False
        invited, _, task = waiting
        task.cancel()
        if self._services.pool is None:
            self._services.taken[invited.extension] -= 1
        return True

    async def close(self) -> None:
        """Give all places back. Idempotent."""
        waiting, self._waiting = self._waiting, {}
        for _, _, task in waiting.values():
            task.cancel()
        if waiting:
            await asyncio.gather(*(self._give_back(call_id) for call_id in waiting))

    def _problem(self, request: BeginRequest, tts: str | None) -> str | None:
        """Return what is wrong with a request for an extension that has that engine: one line."""
        for name in ("caller_number", "caller_name"):
            text = getattr(request, name)
            if text is not None and (len(text) > MAXIMUM_TEXT or not text.isprintable()):
                return f"{name}: printable text of {MAXIMUM_TEXT} characters at most is needed"
        if request.source is not None and not is_address(request.source):
            return "source: an IP address is needed"
        if request.language is not None:
            try:
                language = normalised(request.language)
            except ValueError as error:
                return f"language: {error}"
            if self._services.pool is not None:
                speech = self._speech.for_engine(tts)
                return next(language_problems(speech, language, "language", True), None)
        return None

    async def _take_place(self, call_id: str, extension: Extension) -> str:
        """Return why there is no place; empty: it is taken."""
        pool = self._services.pool
        if pool is None:
            if self._services.is_full(extension):
                return EXTENSION_FULL
            self._services.taken[extension.name] += 1
            return ""
        session = self._services.session(call_id, extension)
        try:
            async with asyncio.timeout(ADMISSION_DEADLINE_S):
                admission = await pool.admit(session)
        except (RaymalError, TimeoutError) as error:
            log.debug("begin: %s", error or type(error).__name__)
            await self._give_back(call_id)  # the manager may have given a place all the same
            return NO_ANSWER
        return "" if admission.is_admitted else admission.reason

    async def _expire(self, call_id: str, extension: Extension) -> None:
        await asyncio.sleep(self._valid_s)
        self._waiting.pop(call_id, None)
        log.info("call %s did not come within %g s; its place is free again", call_id, self._valid_s)
        self._send_to_all(InvitationSpent(call_id=call_id))
        if self._services.pool is None:
            self._services.taken[extension.name] -= 1
        await self._give_back(call_id)

    async def _give_back(self, call_id: str) -> None:
        pool = self._services.pool
        if pool is not None:
            with contextlib.suppress(RaymalError, TimeoutError):
                async with asyncio.timeout(BOOKKEEPING_DEADLINE_S):
                    await pool.unregister_session(call_id)


def _refused(reason: str) -> BeginReply:
    return BeginReply(call_id="", is_admitted=False, reason=reason, expires_in_s=0.0)


def _mistake(reason: str) -> BeginReply:
    return BeginReply(call_id="", is_admitted=False, reason=reason, expires_in_s=0.0, is_mistake=True)
