"""The clocks: wall clock synchronised, monotonic clock fine and quickly read.

A step of the wall clock of 80 ms on Asterisk's machine is heard: Asterisk stamps RTP by it
(`res_rtp_asterisk.c:4037-4054, 5313-5323`). Records and logs are dated by it. The audio clock
itself is monotonic. Some clock sources are read through the bus at a microsecond and more, others without
entering the kernel at all (vdso(7)).
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterator

from actors.machine.control_groups import read
from ingress.server.doctor.finding import Finding, Subject
from ingress.server.doctor.host import Host

TIME_ERROR = 5
"""State "not synchronised" of adjtimex(2)."""
TIMEX_BYTES = 512
"""More than `struct timex` has; all zero it asks for the state and changes nothing."""
COARSEST_S = 0.001
SLOW_SOURCES = {"hpet", "acpi_pm", "pit", "jiffies", "refined-jiffies"}

subject = Subject("clock")


def findings(host: Host) -> Iterator[Finding]:
    """Yield what is wrong with the clocks."""
    yield from judged(host, kernel_state(), time.get_clock_info("monotonic").resolution)


def judged(host: Host, state: int | None, resolution_s: float) -> Iterator[Finding]:
    """Yield what the state of adjtimex(2), None if it is not known, and the resolution mean."""
    if state is None:
        yield subject.warning("not known whether the wall clock is synchronised", "run `timedatectl`")
    elif state == TIME_ERROR:
        yield subject.warning(
            "the wall clock is not synchronised: records have wrong times, and a step of it is heard, "
            "since Asterisk stamps its audio by it",
            "install and start chrony, or `timedatectl set-ntp true`; in a container, on its host",
        )
    else:
        yield subject.ok("the wall clock is synchronised")
    source = read(host.root / "sys/devices/system/clocksource/clocksource0/current_clocksource").strip()
    if source in SLOW_SOURCES:
        yield subject.warning(
            f"the time comes from {source}, which is slow, and the audio clock reads it for each frame",
            "start the kernel with a fast source, such as tsc or the hypervisor's",
            "/sys/devices/system/clocksource/clocksource0",
        )
    if resolution_s > COARSEST_S:
        yield subject.wrong(
            f"the monotonic clock moves in steps of {resolution_s * 1000:g} ms: frames are sent too late",
            "use a kernel with high-resolution timers (CONFIG_HIGH_RES_TIMERS)",
        )


def kernel_state() -> int | None:
    """Return the state of the kernel's wall clock (adjtimex(2)); None: it does not say."""
    try:
        state = int(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(TIMEX_BYTES)))
    except (OSError, AttributeError):
        return None
    return state if state >= 0 else None
