"""Ask a running server's web process on this machine, over its private socket: HTTP, as by TCP, without a
token."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from actors.errors import LinkError, RaymalError
from ingress.server.finding import find

DEADLINE_S = 45.0
"""The supervisor may take 40 s to check a configuration."""
PAGE_ITEMS = 500


class RefusedError(RaymalError):
    """The server answered that it does not do this."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


def ask(port: int, method: str, path: str, body: object = None) -> Any:
    """Return the answer's JSON. Raises LinkError without an answer, RefusedError with the reason.

    `path` is below `/api/v1`.
    """
    connection = _UnixConnection(_socket(port))
    try:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        connection.request(method, f"/api/v1{path}", json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        content = json.loads(answer.read())
    except (OSError, HTTPException, ValueError) as error:
        reason = str(error) or type(error).__name__
        raise LinkError(f"the web process of the server at port {port} does not answer: {reason}") from error
    finally:
        connection.close()
    if answer.status >= 400:
        raise RefusedError(answer.status, content["detail"])
    return content


def pages(port: int, path: str, **query: str) -> Iterator[Any]:
    """Yield the items of all pages of a list. Raises as `ask`."""
    after: str | None = None
    while True:
        asked = {**query, "limit": str(PAGE_ITEMS)} | ({"after": after} if after is not None else {})
        page = ask(port, "GET", f"{path}?{urlencode(asked)}")
        yield from page["items"]
        after = page["next"]
        if after is None:
            return


def _socket(port: int) -> Path:
    path = find(port).web_socket
    if not path.exists():
        raise LinkError(
            f"the server at port {port} has no web process: it starts just now, or web.enabled is false"
        )
    return path


class _UnixConnection(HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=DEADLINE_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
