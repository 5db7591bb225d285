"""What the parts of the web process share."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from ingress.access.attempts import Attempts
from ingress.access.tokens import Token
from ingress.configuration.settings import Settings
from ingress.web.live import LiveModel
from ingress.web.question import Question
from ingress.web.watch import Watch

MAXIMUM_BROWSER_CALLS = 4
"""Test calls at a time, of all browsers together (`ingress.web.browser_call`)."""


@dataclass(frozen=True, slots=True)
class Services:
    """One of each, made when the process starts (`ingress.web.process`)."""

    settings: Settings
    gateway: Question
    """To the gateway, as an observer."""
    control: Question
    """To the supervisor."""
    token: Token | None = None
    """Of the operator; None: there is none, and HTTP by TCP changes nothing."""
    live: LiveModel = field(default_factory=LiveModel)
    watch: Watch = field(default_factory=Watch)
    attempts: Attempts = field(default_factory=Attempts)
    """Wrong tokens."""
    browser_calls: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAXIMUM_BROWSER_CALLS))
    """Places of test calls."""


def _services(connection: HTTPConnection) -> Services:
    services: Services = connection.app.state.services
    return services


Given = Annotated[Services, Depends(_services)]
"""Parameter of a route."""
