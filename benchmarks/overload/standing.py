"""The calls that are there already: strict peers that talk all the time, in a process of their own.

What they heard is printed as JSON when the standard input is closed, on the clock that all processes of a
machine share.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from actors.telephone import FRAME_S
from benchmarks.harness.instrument import Instrument, serve
from benchmarks.harness.strict_peer import Ending, Outgoing, StrictCall
from benchmarks.overload.speech import PERIOD, PERIOD_S, SPEECH_ENDS_S
from ingress.audiosocket import SLIN_RATES_HZ

SPACING_S = 0.013
REPORT_DEADLINE_S = 30.0


@dataclass(frozen=True, slots=True)
class StandingCall:
    """One call, from before the load to after it."""

    speaks_from_s: float
    """When its first period begins."""
    ending: Ending
    violations: Sequence[str]
    frames: Sequence[tuple[float, float, bool]]
    """Arrival, duration, whether there was sound in it."""

    @property
    def is_whole(self) -> bool:
        """Whether the caller ended it and no rule of Asterisk's was broken."""
        return self.ending is Ending.CALLER and not self.violations

    def answer_times_ms(self, begin_s: float, end_s: float) -> list[float | None]:
        """Return, for each utterance whose end is in the window, the time to the answer; None: no answer."""
        times: list[float | None] = []
        number = max(0, int((begin_s - self.speaks_from_s - SPEECH_ENDS_S) // PERIOD_S))
        while (said_s := self.speaks_from_s + number * PERIOD_S + SPEECH_ENDS_S) < end_s:
            number += 1
            if said_s >= begin_s:
                until_s = self.speaks_from_s + number * PERIOD_S
                heard = (at_s for at_s, _, is_loud in self.frames if is_loud and said_s < at_s < until_s)
                times.append(next(((at_s - said_s) * 1_000.0 for at_s in heard), None))
        return times


def ended(process: Instrument) -> list[StandingCall]:
    """Let all hang up and return what they heard. Raises InstrumentError."""
    reports = process.result(REPORT_DEADLINE_S)
    return [StandingCall(**report | {"ending": Ending[report["ending"]]}) for report in reports]


def _talk(silent_frames: int) -> Iterator[Outgoing]:
    """Yield silence, then one period after the other."""
    number = 0
    while True:
        spoken = max(0, number - silent_frames)
        yield Outgoing((number + 1) * FRAME_S, PERIOD[spoken % len(PERIOD)])
        number += 1


def _report(call: StrictCall, offset_s: float) -> dict[str, Any]:
    report = call.wait()
    frames, audio, at = [], call.audio, 0
    for received in call.received:
        if received.kind in SLIN_RATES_HZ:
            lasts_s = received.length / 2 / SLIN_RATES_HZ[received.kind]
            frames.append((received.arrived_s, lasts_s, any(audio[at : at + received.length])))
            at += received.length
    return {
        "speaks_from_s": call.identified_s + offset_s,
        "ending": report.ending.name,
        "violations": report.violations,
        "frames": frames,
    }


def measure(port: int, calls: int) -> list[dict[str, Any]]:
    """Talk until the standard input is closed; return what was heard."""
    # Their turns, and their ticks, are spread over time.
    silent_frames = [round(number * PERIOD_S / calls / FRAME_S) for number in range(calls)]
    placed = []
    for silent in silent_frames:
        placed.append(StrictCall(port, outgoing=_talk(silent)).start())
        time.sleep(SPACING_S)
    sys.stdin.read()
    for call in placed:
        call.hang_up()
    return [_report(call, silent * FRAME_S) for call, silent in zip(placed, silent_frames, strict=True)]


if __name__ == "__main__":
    serve(measure)
