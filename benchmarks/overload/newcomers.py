"""New callers, who do not wait for those before them, in a process of their own.

The least time that one means to stay is longer than the refusal lasts, so that a refused caller hears the
server's hangup before it would leave.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import ceil
from typing import Any

from actors.telephone import FRAME_S
from benchmarks.harness.callers import Caller, LoopReport, OpenLoop
from benchmarks.harness.instrument import Instrument, serve
from benchmarks.overload.speech import BUSY_HZ, GREETING_HZ, PERIOD, PITCH_BYTES, PITCH_ERROR_HZ, pitch_hz

REPORT_DEADLINE_S = 60.0


@dataclass(frozen=True, slots=True)
class Newcomer:
    """What one caller saw."""

    identified_s: float
    """When its UUID was sent."""
    first_sound_s: float | None = None
    pitch_hz: float = 0.0
    """Of the first 60 ms that it heard."""
    sound_s: float = 0.0
    hung_up_s: float | None = None
    """When the server hung up."""
    left_s: float = 0.0
    """When the call was over."""
    failure: str | None = None

    @property
    def hears_busy(self) -> bool:
        """Whether what it heard first was the phrase for those who are refused."""
        return abs(self.pitch_hz - BUSY_HZ) <= PITCH_ERROR_HZ

    @property
    def is_greeted(self) -> bool:
        """Whether what it heard first was the greeting."""
        return abs(self.pitch_hz - GREETING_HZ) <= PITCH_ERROR_HZ

    @property
    def is_refused(self) -> bool:
        """Whether it heard the phrase, or the server hung up without a greeting."""
        return self.hears_busy or (self.hung_up_s is not None and not self.is_greeted)

    @property
    def is_admitted(self) -> bool:
        """Whether it heard something and was not refused."""
        return self.first_sound_s is not None and not self.is_refused

    @property
    def is_lost(self) -> bool:
        """Whether the call broke, or was ended by the server after it had been taken."""
        return self.failure is not None or (self.is_greeted and self.hung_up_s is not None)

    @property
    def answered_ms(self) -> float | None:
        """From the UUID to the first sound, or to the hangup if that came first; None: nothing came."""
        answers = [at_s for at_s in (self.first_sound_s, self.hung_up_s) if at_s is not None]
        return (min(answers) - self.identified_s) * 1_000.0 if answers else None


@dataclass(frozen=True, slots=True)
class Stream:
    """All of them, and how the loop that made them did."""

    newcomers: Sequence[Newcomer]
    loop: LoopReport


class ComingCaller(Caller):
    """One caller to come."""

    def __init__(self, stays_s: float) -> None:
        super().__init__()
        self.stays_s = stays_s
        self.first_sound_s: float | None = None
        self.sound_s = 0.0
        self._beginning = bytearray()
        """Of the sound, as much as its pitch needs."""

    def next_frame(self, number: int) -> bytes | None:
        """Return the next 20 ms of the period that is said again and again."""
        return PERIOD[number % len(PERIOD)] if number < ceil(self.stays_s / FRAME_S) else None

    def hear(self, audio: bytes, now: float) -> None:
        """Note when sound came, how much, and what it was."""
        if audio.count(0) == len(audio):
            return
        self.sound_s += len(audio) / 16_000
        if self.first_sound_s is None:
            self.first_sound_s = now
        if len(self._beginning) < PITCH_BYTES:
            self._beginning += audio

    def seen(self) -> Newcomer:
        """Return what it saw."""
        return Newcomer(
            self.identified_s or 0.0,
            self.first_sound_s,
            pitch_hz(bytes(self._beginning)),
            self.sound_s,
            self.hung_up_s,
            self.left_s,
            self.failure,
        )


def arrivals(
    per_second: float, seconds: float, stays_s: tuple[float, float], seed: int
) -> list[tuple[float, ComingCaller]]:
    """Return a Poisson stream of callers, with their times, who stay for an even time between two limits."""
    dice = random.Random(seed)
    found, at_s = [], dice.expovariate(per_second)
    while at_s < seconds:
        found.append((at_s, ComingCaller(dice.uniform(*stays_s))))
        at_s += dice.expovariate(per_second)
    return found


def stream_of(process: Instrument) -> Stream:
    """Wait until all have left and return what the callers saw. Raises InstrumentError."""
    found: dict[str, Any] = process.result(REPORT_DEADLINE_S)
    return Stream([Newcomer(**each) for each in found["newcomers"]], LoopReport(**found["loop"]))


def measure(
    port: int, per_second: float, seconds: float, stays_s: tuple[float, float], seed: int
) -> dict[str, Any]:
    """Let callers come for a time, after which those that are left hang up; return what they saw."""
    coming = arrivals(per_second, seconds, stays_s, seed)
    loop = OpenLoop(port, coming).run(seconds)
    return asdict(Stream([caller.seen() for _, caller in coming if caller.identified_s is not None], loop))


if __name__ == "__main__":
    serve(measure)
