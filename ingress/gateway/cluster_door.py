"""Has the cluster's HTTP door opened once the gateway is a driver of its Ray, and again by each new gateway.

Serve keeps the door up while its Ray lives, without a gateway. A new head of Ray means a new gateway.
"""

from __future__ import annotations

import asyncio
import logging
import os

from actors.api.apart import Errand, do_apart
from actors.errors import ConfigurationError, WorkerLostError
from ingress.access.tokens import configured_token
from ingress.configuration.settings import Settings

FIRST_PAUSE_S = 2.0
LAST_PAUSE_S = 60.0

log = logging.getLogger(__name__)


def errand(settings: Settings) -> Errand:
    """Return what has to be asked for. Raises ConfigurationError if the token cannot be read."""
    token = configured_token(settings.web.token_file, os.environ)
    digest = token.digest if token is not None else None
    return Errand(fleet=settings.fleet, api=settings.api, token_digest=digest)


async def open_door(settings: Settings) -> None:
    """Try until the door is open; each new reason why it is not is logged."""
    known, pause_s = "", FIRST_PAUSE_S
    while True:
        try:
            log.info("%s", await do_apart(errand(settings)))
            return
        except (ConfigurationError, WorkerLostError, OSError) as error:
            if str(error) != known:
                known = str(error)
                log.warning("the cluster's door is not open: %s", error)
        await asyncio.sleep(pause_s)
        pause_s = min(LAST_PAUSE_S, pause_s * 2)
