"""The FastAGI server: one short connection for each question."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket

from actors.messages import Priority
from ingress.access.log_limit import LogLimit
from ingress.access.networks import origin
from ingress.link.messages import BeginRequest
from ingress.web import dialplan
from ingress.web.agi.protocol import (
    MAXIMUM_LINE_BYTES,
    MAXIMUM_LINES,
    AgiError,
    AgiRequest,
    is_answered,
    set_variable,
)
from ingress.web.services import Services

MAXIMUM_CONNECTIONS = 128
"""For one more the oldest that has asked nothing is closed, else the new one: AGISTATUS is FAILURE then."""
REQUEST_DEADLINE_S = 5.0
"""For all lines of a request."""
ANSWER_DEADLINE_S = 5.0
"""For Asterisk to answer a command."""

Variables = dict[str, str]

log = logging.getLogger(__name__)


class AgiServer:
    """Answers `begin` and `result`."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._connections: dict[asyncio.StreamWriter, bool] = {}
        """The oldest first, and whether it has asked."""
        self._logged = LogLimit()
        """Addresses whose mistakes have been logged of late."""

    async def serve(self, listener: socket.socket) -> asyncio.Server:
        """Answer on a bound socket until the returned server is closed."""
        return await asyncio.start_server(self._accept, sock=listener, limit=MAXIMUM_LINE_BYTES)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self._has_room():
                self._connections[writer] = False
                await self._answer(reader, writer)
        except (AgiError, TimeoutError, OSError, ValueError, EOFError) as error:
            log.debug("FastAGI: %s", error or type(error).__name__)
        except asyncio.CancelledError:
            pass  # the process ends; asyncio of Python 3.11 would log it as an error
        finally:
            self._connections.pop(writer, None)
            writer.close()

    def _has_room(self) -> bool:
        if len(self._connections) < MAXIMUM_CONNECTIONS:
            return True
        idle = next((writer for writer, has_asked in self._connections.items() if not has_asked), None)
        if idle is not None:
            del self._connections[idle]
            idle.transport.abort()
        return idle is not None

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(REQUEST_DEADLINE_S):
            request = AgiRequest.of(await _lines(reader))
        self._connections[writer] = True
        for name, value in (await self._variables(request, writer)).items():
            writer.write(set_variable(name, value))
            async with asyncio.timeout(ANSWER_DEADLINE_S):
                await writer.drain()
                while not is_answered(await _line(reader)):
                    pass

    async def _variables(self, request: AgiRequest, writer: asyncio.StreamWriter) -> Variables:
        here, peer = writer.get_extra_info("sockname")[0], writer.get_extra_info("peername")[0]
        match request.script:
            case "begin":
                return await self._begin(request, here, peer)
            case "result":
                return await self._result(request.options.get("uuid", ""))
            case _:
                self._log_mistake(peer, f"asked for {request.script[:64]!r}; there are begin and result")
                return {"RAYMAL_REASON": "no such question: there are begin and result"}

    async def _begin(self, request: AgiRequest, here: str, peer: str) -> Variables:
        options = request.options
        unknown = options.keys() - {"extension", "priority", "language", "number", "name", "source"}
        priorities = {priority.value: priority for priority in Priority}
        if unknown:
            return _not_admitted(f"unknown option {min(unknown)[:64]}")
        if options.get("priority", "normal") not in priorities:
            return _not_admitted(f"priority: one of {', '.join(priorities)}")
        source = options.get("source", peer)
        question = BeginRequest(
            extension=options.get("extension", "default"),
            caller_number=options.get("number", request.caller_number),
            caller_name=options.get("name", request.caller_name),
            priority=priorities.get(options.get("priority", "")),
            language=options.get("language"),
            source=None if source == "any" else source,
        )
        reply = await dialplan.begin(self._services, question)
        if not reply.is_admitted:
            if reply.is_mistake:
                self._log_mistake(peer, f"begin: {reply.reason}")
            return _not_admitted(reply.reason)
        address, return_address = await dialplan.addresses(self._services, question.extension, here)
        return {
            "RAYMAL_UUID": reply.call_id,
            "RAYMAL_ADDRESS": address,
            "RAYMAL_RETURN_ADDRESS": return_address,
            "RAYMAL_REASON": "",
            "RAYMAL_ADMITTED": "yes",  # last: a dialplan that sees it has the rest
        }

    def _log_mistake(self, peer: str, mistake: str) -> None:
        if self._logged.is_due(origin(peer), asyncio.get_running_loop().time()):
            log.warning("FastAGI: %s: %s; no more lines of that address for a minute", peer, mistake)

    async def _result(self, call_id: str) -> Variables:
        outcome = await dialplan.outcome(self._services, call_id)
        return {
            **{f"RAYMAL_VAR_{name}": value for name, value in outcome.variables.items()},
            "RAYMAL_TARGET": outcome.target or "",
            "RAYMAL_REASON": outcome.reason,
            "RAYMAL_RESULT": outcome.result.value,
        }


def _not_admitted(reason: str) -> Variables:
    return {"RAYMAL_UUID": "", "RAYMAL_REASON": reason, "RAYMAL_ADMITTED": "no"}


async def _lines(reader: asyncio.StreamReader) -> list[str]:
    lines: list[str] = []
    while line := await _line(reader):
        lines.append(line)
        if len(lines) > MAXIMUM_LINES:
            raise AgiError(f"more than {MAXIMUM_LINES} lines")
    return lines


async def _line(reader: asyncio.StreamReader) -> str:
    """Return a line without its end. Raises AgiError when it is too long or the connection is over."""
    with contextlib.suppress(asyncio.LimitOverrunError, ValueError):
        line = await reader.readline()
        if line.endswith(b"\n"):
            return line.decode(errors="replace").rstrip("\r\n")
    raise AgiError("a line without an end, or the connection is over")
