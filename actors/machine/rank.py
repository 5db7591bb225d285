"""Which process goes first on the cores: niceness, of a process and of its session.

Niceness alone holds only inside a scheduling group. With `sched_autogroup_enabled`, the default of most
distributions, each session is such a group (an autogroup), and two sessions share the cores one to one,
however nice their processes are. A session's own niceness, /proc/PID/autogroup, decides between sessions;
raising it needs no privilege (sched(7); kernel/sched/autogroup.c). So what is ranked leads a session of its
own and has both figures. In a CPU control group (a systemd unit, a container) sessions do not count, and
niceness holds.

The order: the media worker with its audio clock; the gateway and Ray; synthesis; transcription. All but the
media worker stand behind 0, which is Asterisk's.

As a program, `python -m actors.machine.rank NICENESS COMMAND…` ranks itself behind media workers of that
niceness and becomes the command.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

from actors.machine.control_groups import ROOT, read

LAST_NICENESS = 19
BACKGROUND_NICENESS = 5
"""Of all processes but the media workers, more than theirs; engines add their own."""
AUTOGROUP_DEADLINE_S = 5.0
AUTOGROUP_PAUSE_S = 0.11
"""The kernel takes one unprivileged write each 100 ms, of the whole machine."""


def background_niceness(media_niceness: int, own: int = 0) -> int:
    """Return the niceness of what runs beside a media worker: behind it, behind Asterisk, behind `own`."""
    return min(LAST_NICENESS, max(0, own, media_niceness) + BACKGROUND_NICENESS)


def rank_behind(media_niceness: int) -> None:
    """Rank this process behind the media workers, whose `server.nice` is given.

    They inherit the niceness of the service, as this process did; a new session's is 0.
    """
    own = os.getpriority(os.PRIO_PROCESS, 0)
    os.setpriority(os.PRIO_PROCESS, 0, background_niceness(media_niceness, own))
    rank_session(background_niceness(media_niceness))


def rank(niceness: int) -> None:
    """Set the niceness of this thread, of those that it will start, and of the session that it leads.

    Raises PermissionError if it goes below what the process has and CAP_SYS_NICE is missing.
    """
    os.setpriority(os.PRIO_PROCESS, 0, niceness)
    rank_session(niceness)


def rank_session(niceness: int, root: Path = ROOT) -> None:
    """Set the niceness of the session, if this process leads it: another's is not ours to change.

    Does nothing on a kernel without autogroups. Blocks for up to `AUTOGROUP_DEADLINE_S`, where other
    processes are ranked at the same moment. Raises PermissionError as `rank` does.
    """
    if os.getsid(0) != os.getpid():
        return
    deadline_s = time.monotonic() + AUTOGROUP_DEADLINE_S
    while True:
        try:
            (root / "proc" / "self" / "autogroup").write_text(str(niceness))
            return
        except PermissionError:
            if niceness < 0:
                raise
            return  # /proc is not to be written to
        except OSError as error:
            if error.errno != errno.EAGAIN or time.monotonic() > deadline_s:
                return
        time.sleep(AUTOGROUP_PAUSE_S)


def session_niceness(root: Path = ROOT) -> int:
    """Return the niceness of the session that this process is in; 0 on a kernel without autogroups."""
    words = read(root / "proc" / "self" / "autogroup").split()  # /autogroup-12 nice 5
    return int(words[2]) if len(words) == 3 else 0


def lead_session() -> None:
    """Make this process the leader of a session of its own, if it can.

    Ray's workers lead process groups, and a leader of a group cannot open a session (setsid(2)): so it first
    joins its parent's group. Afterwards it leads a group under its number again.
    """
    if os.getsid(0) == os.getpid():
        return
    with suppress(OSError):  # the parent is in another session
        if os.getpgrp() == os.getpid():
            os.setpgid(0, os.getpgid(os.getppid()))
        os.setsid()


if __name__ == "__main__":
    lead_session()
    rank_behind(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])
