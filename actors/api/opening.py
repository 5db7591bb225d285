"""Opens or closes the door on a Ray, as a program of its own: it loads Ray, Serve and FastAPI, and ends.

    python -m actors.api.opening

reads one JSON object from standard input (`actors.api.apart.Errand`) and writes one JSON object to standard
output: what happened, in a line for people, and whether it succeeded.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
from typing import Any

from ray import serve
from ray.exceptions import RayError

from actors.api.apart import Errand, Outcome
from actors.api.deployment import deployed
from actors.cluster.connection import connect
from actors.errors import ConfigurationError, RaymalError, described
from actors.settings import ApiSettings

VERSION_DEADLINE_S = 5.0


def main() -> None:
    """Do the errand. What Ray and Serve print goes to standard error."""
    answers = os.dup(1)
    os.dup2(2, 1)
    errand = Errand.model_validate_json(sys.stdin.buffer.read())
    try:
        asyncio.run(connect(errand.fleet))
        message = _close(errand.fleet.ray_namespace) if errand.closes else _open(errand)
        outcome = Outcome(succeeded=True, message=message)
    except RaymalError as error:
        outcome = Outcome(succeeded=False, message=described(error))
    except Exception as error:  # Serve's own; of another process, the cause is the last line
        last = described(error).rpartition("\n")[2]
        outcome = Outcome(succeeded=False, message=f"Ray Serve: {last}")
    os.write(answers, outcome.model_dump_json().encode())
    os._exit(0)  # Ray's own end may wait for a cluster that is gone


def _open(errand: Errand) -> str:
    settings, namespace = errand.api, errand.fleet.ray_namespace
    version = _version(errand)
    serve.start(
        proxy_location="HeadOnly",
        http_options={"host": settings.host, "port": settings.port},
        logging_config={"enable_access_log": False, "log_level": "WARNING"},
    )
    _check_address(settings)
    where = f"http://{settings.host}:{settings.port}"
    if _running_version(namespace) == version:
        return f"the cluster's door is open at {where}"
    serve.run(deployed(settings, errand.token_digest, namespace, version), name=namespace, route_prefix="/")
    return f"the cluster's door has been opened at {where}"


def _close(namespace: str) -> str:
    if namespace not in serve.status().applications:
        return "the cluster's door is not open"
    serve.delete(namespace)
    if not serve.status().applications:
        shutdown: Any = serve.shutdown
        shutdown()
        return "the cluster's door is closed, and Ray Serve has ended"
    return "the cluster's door is closed; other applications use Ray Serve"


def _version(errand: Errand) -> str:
    """Return what differs between two deployments: with the same one there is nothing to do."""
    from importlib.metadata import version

    content = [
        version("raymal"),
        errand.model_dump(mode="json", exclude={"fleet"}),
        errand.fleet.ray_namespace,
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _running_version(namespace: str) -> str | None:
    application = serve.status().applications.get(namespace)
    if application is None or application.status != "RUNNING":
        return None
    try:
        answer = serve.get_app_handle(namespace).version.remote()
        return str(answer.result(timeout_s=VERSION_DEADLINE_S))
    except (RayError, TimeoutError, RuntimeError):
        return None


def _check_address(settings: ApiSettings) -> None:
    """Raise ConfigurationError if Serve ran before and listens elsewhere, to anyone perhaps."""
    client: Any = serve.context._get_global_client()
    listening = client.http_config
    if (listening.host, listening.port) != (settings.host, settings.port):
        raise ConfigurationError(
            f"Ray Serve runs already, and listens on {listening.host}:{listening.port}: set api.host and "
            "api.port to that, or end it first (`raymal cluster door --close`, `serve shutdown`)"
        )


if __name__ == "__main__":
    main()
