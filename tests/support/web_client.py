"""The web process's HTTP application, asked in the test's own process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
from fastapi import FastAPI

from ingress.access.tokens import Token
from ingress.configuration.settings import Settings
from ingress.web.app import make_app
from ingress.web.problems import ProblemDetails
from ingress.web.question import Question
from ingress.web.services import Services

ORIGIN = "http://127.0.0.1:9093"
TOKEN = "a-token-that-nobody-guesses"
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}
NOWHERE = Path("/nonexistent/socket")


def web_services(
    token: str | None = None, gateway: Path = NOWHERE, control: Path = NOWHERE, **settings: Any
) -> Services:
    """Return services whose gateway and supervisor are away unless their sockets are given."""
    return Services(
        Settings.model_validate(settings),
        Question(gateway),
        Question(control),
        Token(token) if token else None,
    )


@asynccontextmanager
async def client_of(app: FastAPI, is_unix: bool = False) -> AsyncIterator[httpx2.AsyncClient]:
    """Ask by TCP, or as by the Unix socket for commands."""

    async def entry(scope: Any, receive: Any, send: Any) -> None:
        if is_unix:
            scope |= {"client": None, "server": ("/run/web.sock", None)}
        await app(scope, receive, send)

    transport = httpx2.ASGITransport(entry, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url=ORIGIN) as made:
        yield made


@asynccontextmanager
async def web_client(services: Services, is_unix: bool = False) -> AsyncIterator[httpx2.AsyncClient]:
    """Ask an application of these services."""
    async with client_of(make_app(services), is_unix) as made:
        yield made


def problem(answer: httpx2.Response, status: int) -> str:
    """Return the detail of an answer that has to be a problem."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    details = ProblemDetails.model_validate_json(answer.content)
    assert details.status == status
    return details.detail
