"""Questions to the supervisor: its refusals, and its absence, as problems."""

from __future__ import annotations

from actors.errors import LinkError, MessageTooLargeError
from ingress.link.messages import ControlReply, Message
from ingress.web.problems import Problem
from ingress.web.services import Services

DEADLINE_S = 40.0
"""The supervisor gives a configuration 30 s to be read and checked."""


async def ask_supervisor(services: Services, question: Message) -> ControlReply:
    """Return its answer. Raises Problem: 422 it refused, 503 it does not answer."""
    try:
        reply = await services.control.ask(question, ControlReply, DEADLINE_S)
    except LinkError as error:
        if isinstance(error, MessageTooLargeError):
            raise Problem(422, str(error)) from error
        raise Problem(
            503, "the supervisor does not answer; try again in a few seconds", {"Retry-After": "2"}
        ) from error
    if reply.problem is not None:
        raise Problem(422, reply.problem)
    return reply
