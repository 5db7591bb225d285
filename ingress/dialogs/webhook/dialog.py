"""The `webhook` dialog: each event goes to an address as JSON, and what it answers is done.

The format is version 1 (docs/webhook.md): what is added to it later does not change the version.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from actors.checks.languages import primary
from actors.errors import ConfigurationError, DialogError
from ingress.configuration.settings import DialogSettings
from ingress.dialogs.base import (
    CallEnded,
    Dialog,
    DialogAction,
    DialogCall,
    DialogEvent,
    EndCall,
    Interrupted,
    Say,
    Transfer,
)
from ingress.dialogs.json_form import fields_of, json_name
from ingress.dialogs.state import encoded_state
from ingress.dialogs.webhook.answer import WebhookError, line_of_answer, whole_answer
from ingress.dialogs.webhook.client import Address, Client
from ingress.dialogs.webhook.settings import WebhookSettings
from ingress.link.messages import DialogState

VERSION = 1
MAXIMUM_STATE_BYTES = 14 * 1024
"""Of the receiver's, so that an interruption has room beside it."""
MAXIMUM_HEARD = 300
"""Characters of an interrupted answer, the last; `history` has them all."""
REASON = "webhook"
"""Of the end, or the transfer, if there is no answer."""
FALLBACKS = {
    "en": "I am sorry, this service cannot be reached at the moment.",
    "pt": "Desculpe, este serviço não está disponível no momento.",
    "es": "Lo siento, este servicio no está disponible en este momento.",
    "fr": "Je suis désolé, ce service est indisponible pour le moment.",
    "de": "Es tut mir leid, dieser Dienst ist im Moment nicht erreichbar.",
    "it": "Mi dispiace, questo servizio non è disponibile al momento.",
}
"""Said if there is no answer, by language; in any other English."""

log = logging.getLogger(__name__)


class WebhookDialog(Dialog):
    """Asks the address about each event.

    State of the call: `receiver`, what the receiver stores, and `interrupted`, what had been heard
    of an answer that was interrupted: it goes with the next event, in one request.
    """

    Settings = WebhookSettings
    settings: WebhookSettings

    def __init__(self, settings: DialogSettings) -> None:
        """Read the secret and the certificates. Raises ConfigurationError."""
        super().__init__(settings)
        own = self.settings
        if own.deadline_s >= settings.deadline_s:
            raise ConfigurationError(
                f"dialog.webhook.deadline_s = {own.deadline_s:g}: less than dialog.deadline_s is needed, "
                f"which is {settings.deadline_s:g}: else the turn fails before there is a fall-back"
            )
        address = Address(own.url, own.key(os.environ), own.headers, own.deadline_s, own.retries, own.tls())
        self._client = Client(address)

    def fixed_texts_in(self, language: str) -> Sequence[str]:
        """Return what is said when there is no answer."""
        text = self._fallback_text(language)
        return [text] if text else []

    def unreachable(self) -> Sequence[str]:
        """Try the connection."""
        problem = self._client.unreachable()
        return [] if problem is None else [f"dialog.webhook.url: {problem}"]

    async def respond(self, event: DialogEvent, call: DialogCall) -> AsyncIterator[DialogAction]:
        """Do what the address answers; without an answer, the fall-back."""
        if isinstance(event, Interrupted):
            call.state["interrupted"] = {"heard": event.heard[-MAXIMUM_HEARD:], "leg": event.leg}
            return
        try:
            async with aclosing(self._answer(event, call)) as actions:
                async for action in actions:
                    yield action
        except WebhookError as error:
            log.warning("call %s: %s: webhook: %s", call.call_id, json_name(type(event)), error)
        else:
            return
        if isinstance(event, CallEnded):
            return
        if text := self._fallback_text(call.language):
            for leg in ("caller", "return") if call.has_return_leg else ("caller",):
                yield Say(text, is_fixed=True, leg=leg)
        target = self.settings.fallback_transfer
        yield EndCall(REASON) if target is None else Transfer(target, REASON)

    async def _answer(self, event: DialogEvent, call: DialogCall) -> AsyncGenerator[DialogAction, None]:
        """Yield the actions. Raises WebhookError."""
        message_id = f"msg_{uuid4().hex}"
        body = json.dumps(request_of(event, call), ensure_ascii=False).encode()
        call.state.pop("interrupted", None)
        is_over = isinstance(event, CallEnded)
        async with self._client.ask(message_id, body, may_be_slow=is_over) as reply:
            if not reply.is_lines:
                actions, state = whole_answer(await reply.body())
                _remember(state, call)
                for action in actions:
                    yield action
                return
            number = 0
            async with aclosing(reply.lines()) as lines:
                async for line in lines:
                    number += 1
                    given = line_of_answer(line, number)
                    if isinstance(given, dict):
                        _remember(given, call)
                    else:
                        yield given

    def _fallback_text(self, language: str) -> str:
        own = self.settings.fallback
        return FALLBACKS.get(primary(language), FALLBACKS["en"]) if own is None else own


def request_of(event: DialogEvent, call: DialogCall) -> dict[str, Any]:
    """Return the body of the request about an event."""
    return {
        "version": VERSION,
        "type": json_name(type(event)),
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "data": fields_of(event),
        "interrupted": call.state.get("interrupted"),
        "call": {
            "call_id": call.call_id,
            "extension": call.extension,
            "language": call.language,
            "caller_number": call.caller_number,
            "caller_name": call.caller_name,
            "started_at": call.started_at.isoformat(timespec="milliseconds"),
            "has_return_leg": call.has_return_leg,
        },
        "history": [entry.model_dump() for entry in call.history],
        "state": call.state.get("receiver", {}),
    }


def _remember(state: DialogState | None, call: DialogCall) -> None:
    """Keep what the receiver stores. Raises WebhookError if that is too much."""
    if state is None:
        return
    try:
        length = len(encoded_state(state))
    except DialogError as error:
        raise WebhookError(str(error)) from None
    if length > MAXIMUM_STATE_BYTES:
        raise WebhookError(f"the state has {length} bytes as JSON; {MAXIMUM_STATE_BYTES} are allowed")
    call.state["receiver"] = state
