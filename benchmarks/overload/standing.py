"""The calls that are there already: strict peers that talk all the time, in a process of their own.

What they heard is printed as JSON when the standard input is closed, on the clock that all processes of a
machine share.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks.harness.strict_peer import Ending, Outgoing, StrictCall
from benchmarks.overload.process import Instrument, instrument
from benchmarks.overload.speech import FRAME_S, PERIOD, PERIOD_S, SPEECH_ENDS_S
from ingress.audiosocket import SLIN_RATES_HZ

PRIORITY = 6
"""Above the newcomers: what these calls hear is measured to the millisecond."""
REPORT_DEADLINE_S = 30.0


@dataclass(frozen=True, slots=True)
class StandingCall:
    """One call, from before the load to after it."""

    speaks_from_s: float
    """When its first period begins."""
    ending: Ending
    violations: tuple[str, ...]
    frames: Sequence[tuple[float, float, bool]]
    """Arrival, duration, whether there was sound in it."""

    @property
    def is_whole(self) -> bool:
        """Whether nobody but the caller ended it and no rule of Asterisk's was broken."""
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


class StandingCalls:
    """The process that has them."""

    def __init__(self, process: Instrument) -> None:
        self._process = process

    def end(self) -> list[StandingCall]:
        """Let all hang up and return what they heard. Raises InstrumentError."""
        return [
            StandingCall(
                each["speaks_from_s"],
                Ending[each["ending"]],
                tuple(each["violations"]),
                [(at_s, lasts_s, bool(is_loud)) for at_s, lasts_s, is_loud in each["frames"]],
            )
            for each in self._process.result(REPORT_DEADLINE_S)
        ]


@contextmanager
def standing_calls(port: int, calls: int) -> Iterator[StandingCalls]:
    """Place calls that stay; they are cut off if the body leaves before it has ended them."""
    with instrument("standing", PRIORITY, port=port, calls=calls) as process:
        yield StandingCalls(process)


def _talk(offset_s: float) -> Iterator[Outgoing]:
    """Yield silence, then one period after the other."""
    silent = round(offset_s / FRAME_S)
    number = 0
    while True:
        spoken = number - silent
        yield Outgoing((number + 1) * FRAME_S, PERIOD[spoken % len(PERIOD) if spoken >= 0 else 0])
        number += 1


def _report(call: StrictCall, offset_s: float) -> dict[str, Any]:
    report = call.wait()
    frames, audio, at = [], call.audio, 0
    for received in call.received:
        if received.kind in SLIN_RATES_HZ:
            lasts_s = received.length / 2 / SLIN_RATES_HZ[received.kind]
            frames.append((received.arrived_s, lasts_s, int(any(audio[at : at + received.length]))))
            at += received.length
    return {
        "speaks_from_s": call.identified_s + offset_s,
        "ending": report.ending.name,
        "violations": report.violations,
        "frames": frames,
    }


def main() -> None:
    """Talk until the standard input is closed, then report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--calls", type=int, required=True)
    options = parser.parse_args()
    # Their turns, and their ticks, are spread over time.
    offsets_s = [
        round(number * PERIOD_S / options.calls / FRAME_S) * FRAME_S for number in range(options.calls)
    ]
    calls = []
    for offset_s in offsets_s:
        calls.append(StrictCall(options.port, outgoing=_talk(offset_s)).start())
        time.sleep(0.013)
    sys.stdin.read()
    for call in calls:
        call.hang_up()
    reports = [_report(call, offset_s) for call, offset_s in zip(calls, offsets_s, strict=True)]
    print(json.dumps(reports))


if __name__ == "__main__":
    main()
