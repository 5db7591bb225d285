"""What a media worker asks of the operating system: to be woken in time, and room for its sockets.

Beside busy programs a lower niceness helps the audio clock, and SCHED_RR helps most. Both need CAP_SYS_NICE.
"""

from __future__ import annotations

import logging
import os
import resource

from actors.machine.rank import rank
from ingress.configuration.settings import ServerSettings

log = logging.getLogger(__name__)


def prefer(settings: ServerSettings) -> None:
    """Apply `server.nice` and `server.realtime_priority` to this process, or log what forbids it."""
    if settings.nice:
        try:
            rank(settings.nice)
        except PermissionError:
            log.warning("server.nice = %d needs CAP_SYS_NICE (systemd: AmbientCapabilities=)", settings.nice)
    if settings.realtime_priority:
        try:
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(settings.realtime_priority))
        except PermissionError:
            log.warning(
                "server.realtime_priority = %d needs CAP_SYS_NICE (systemd: AmbientCapabilities=)",
                settings.realtime_priority,
            )


def allow_descriptors(at_most: int | None = None) -> None:
    """Raise the soft limit of open files, to the hard one at most: each call is a socket."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if at_most is None:
        wanted = hard
    elif soft == resource.RLIM_INFINITY or soft >= at_most:
        return
    else:
        wanted = at_most if hard == resource.RLIM_INFINITY else min(at_most, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
