"""How soon a caller hears a sentence that is in the cache: a real server, a real socket, a greeting.

The greeting is made before the server is ready, so that every call finds it. The wait for the call's next 20
ms tick, in it as all of a call's beginning, is 10 ms in the mean and 20 at the most.
"""

from __future__ import annotations

from benchmarks.harness.callers import Caller, OpenLoop, messages
from benchmarks.harness.server import RAYMAL, serving
from benchmarks.leases.fleet import BenchmarkError

SETTINGS = {
    "speech.scripted.tts_delay_s": 0.2,  # what a sentence costs that is not in the cache
    "cache.disk_bytes": 0,
    "throttle.enabled": "false",  # a busy machine would make the ticks longer
}
FLAGS = (
    "--no-ray", "--stt", "scripted", "--tts", "scripted", "--greeting", "Hello.",
    *(part for key, value in SETTINGS.items() for part in ("--set", f"{key}={value}")),
)  # fmt: skip
SPACING_S = 0.137
"""Between two calls: the one before is over, and each begins anywhere in the server's tick."""
MARGIN_S = 5.0
SILENCE = messages(bytes(1))[0]


class GreetedCaller(Caller):
    """Stays until it hears something."""

    sounded_s: float | None = None

    def next_frame(self, number: int) -> bytes | None:
        """Return silence; nothing once there was sound."""
        return SILENCE if self.sounded_s is None else None

    def hear(self, audio: bytes, now: float) -> None:
        """Note the first sound."""
        if self.sounded_s is None and any(audio):
            self.sounded_s = now


def greeting_times_ms(calls: int) -> list[float]:
    """Return how long each call waited for its greeting. Raises BenchmarkError."""
    callers = [GreetedCaller() for _ in range(calls + 1)]
    with serving("raymal", (*RAYMAL, *FLAGS)) as server:
        coming = ((number * SPACING_S, caller) for number, caller in enumerate(callers))
        OpenLoop(server.port, coming).run(len(callers) * SPACING_S + MARGIN_S)
        status = server.status()
        misses = None if status is None else status.cache_misses
    if misses != 0:
        raise BenchmarkError(f"{misses} greetings were not in the cache")
    return [_waited_ms(caller) for caller in callers[1:]]  # the first call warms the server up


def _waited_ms(caller: GreetedCaller) -> float:
    if caller.sounded_s is None or caller.identified_s is None:
        raise BenchmarkError(f"a call heard no greeting: {caller.failure or 'it waited to the end'}")
    return (caller.sounded_s - caller.identified_s) * 1_000.0
