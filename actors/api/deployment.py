"""The application as a deployment of Ray Serve: one replica, which Serve starts again when it dies."""

from __future__ import annotations

import os
import uuid
from typing import Any

from ray import serve
from ray.serve._private import replica
from starlette.types import ASGIApp

from actors.api.app import build
from actors.api.services import Services
from actors.cluster.manager import RemoteManager
from actors.cluster.workers import RemoteWorkers
from actors.machine.rank import (
    BACKGROUND_NICENESS,
    LAST_NICENESS,
    lead_session,
    rank_session,
    session_niceness,
)
from actors.pool.speech_client import SpeechClientPool
from actors.settings import ApiSettings

ONGOING_REQUESTS = 64
"""Of all kinds, at a time; beyond it Serve answers 503."""
STOP_DEADLINE_S = 5.0
NICENESS = 3
"""Beyond that of Ray's servers, as of the workers that transcribe."""


class Door:
    """The door's one replica."""

    def __init__(self, settings: ApiSettings, token_digest: str | None, namespace: str, version: str) -> None:
        rank_self()
        stay_on_loopback()
        self._version = version
        pool = SpeechClientPool(RemoteManager(namespace), RemoteWorkers(), f"api-{uuid.uuid4().hex[:12]}")
        self._app = build(Services(settings, pool), token_digest)

    def __serve_build_asgi_app__(self) -> ASGIApp:
        return self._app

    async def version(self) -> str:
        """Return what this replica was made of."""
        return self._version


def deployed(settings: ApiSettings, token_digest: str | None, namespace: str, version: str) -> Any:
    """Return the application for `serve.run`."""
    deployment = serve.deployment(
        name="Door",
        num_replicas=1,
        max_ongoing_requests=ONGOING_REQUESTS,
        max_queued_requests=ONGOING_REQUESTS,
        graceful_shutdown_timeout_s=STOP_DEADLINE_S,
        graceful_shutdown_wait_loop_s=0.5,
        ray_actor_options={"num_cpus": 0},
        logging_config={"enable_access_log": False, "log_level": "WARNING"},
    )(serve.ingress()(Door))
    return deployment.bind(settings, token_digest, namespace, version)


def rank_self() -> None:
    """Stand behind the audio clock, Asterisk and synthesis."""
    niceness = max(BACKGROUND_NICENESS, session_niceness()) + NICENESS
    lead_session()
    rank_session(min(LAST_NICENESS, niceness))
    os.nice(NICENESS)


def stay_on_loopback() -> None:
    """Have the replica's own gRPC server listen on loopback alone.

    Serve binds it to all addresses of the machine (ray/serve/_private/replica.py, `_on_initialized`), after
    this, and offers no setting for it. It is not used: Serve's proxies call replicas as actors, unless
    RAY_SERVE_USE_GRPC_BY_DEFAULT is set.
    """
    module: Any = replica
    add_port = module.add_port_to_grpc_server

    def add_port_on_loopback(server: Any, address: str) -> Any:
        return add_port(server, address.replace("[::]", "127.0.0.1"))

    module.add_port_to_grpc_server = add_port_on_loopback
