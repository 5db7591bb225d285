"""All that is looked at, in order."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

from ingress.server.doctor import asterisk, clock, configuration, exposure, machine, order, storage
from ingress.server.doctor.finding import Finding, Subject
from ingress.server.doctor.host import Host

Look = Callable[[Host], Iterator[Finding]]

LOOKS: dict[str, Look] = {
    "configuration": configuration.findings,
    "models": configuration.models,
    "token": configuration.tokens,
    "binds": exposure.public,
    "ray": exposure.of_ray,
    "asterisk": asterisk.findings,
    "cpu": machine.processors,
    "order": order.findings,
    "memory": machine.room,
    "open files": machine.descriptors,
    "kernel": machine.network,
    "clock": clock.findings,
    "cache": storage.phrases,
    "disk": storage.records,
    "shared memory": storage.object_store,
}
"""Each may yield any number of findings."""

log = logging.getLogger(__name__)


def examine(host: Host, without: frozenset[str] = frozenset()) -> Iterator[Finding]:
    """Yield all findings. A look that fails is a finding, and the others go on."""
    for name, look in LOOKS.items():
        if name in without:
            continue
        try:
            yield from look(host)
        except Exception as error:
            log.debug("%s", name, exc_info=error)
            yield Subject(name).warning(
                f"it could not be looked at: {type(error).__name__}: {error}",
                "run it as root, or report this",
            )
