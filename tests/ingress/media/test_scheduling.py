"""Niceness and real-time priority: applied where allowed, explained where not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
PROGRAM = """
import logging, os, resource, sys
from ingress.media.scheduling import allow_descriptors, prefer
from ingress.configuration.settings import ServerSettings
logging.basicConfig(stream=sys.stdout, format="%(message)s")
if sys.argv[1] == "other" and os.getuid() == 0:
    os.setgid(65534); os.setuid(65534)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
prefer(ServerSettings(nice=-5, realtime_priority=7))
allow_descriptors()
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
is_realtime = os.sched_getscheduler(0) == os.SCHED_RR
priority = os.sched_getparam(0).sched_priority
print(os.getpriority(os.PRIO_PROCESS, 0), is_realtime, priority, soft == hard)
"""


def run(user: str) -> list[str]:
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, user],
        capture_output=True,
        text=True,
        timeout=30,
        cwd=ROOT,
        check=True,
    )
    return result.stdout.splitlines()


def test_both_are_applied_to_the_process_where_that_is_allowed() -> None:
    """Root may; for other users the log says what is missing."""
    if os.getuid() == 0:
        assert run("root") == ["-5 True 7 True"]
    else:
        assert run("root")[-1].endswith("False 0 True")


def test_without_the_capability_it_says_what_is_missing_and_goes_on() -> None:
    """A warning each, ordinary scheduling, and still all the descriptors that are allowed."""
    *warnings, state = run("other")
    assert len(warnings) == 2
    assert all("CAP_SYS_NICE" in warning for warning in warnings)
    assert state == f"{os.getpriority(os.PRIO_PROCESS, 0)} False 0 True"
