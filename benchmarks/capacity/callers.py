"""The callers of one step, in a process of their own: `python -m benchmarks.capacity.callers < ORDER`.

What they say and when was planned beforehand (`benchmarks.capacity.scenario`). A turn's time runs from the
*intended* end of the speech: if this process was late itself, that counts against the server, and every
deadline that it missed is reported, so that a bad measurement is known for one.

Lines of JSON come out: one for each call as it ends, one about this process at the end. All times are of
the monotonic clock, which all processes of a machine share.
"""

from __future__ import annotations

import os
import sys
import time
from array import array
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import ClassVar, Final

from pydantic import ConfigDict, TypeAdapter

from actors.telephone import FRAME_S, audio_duration_ms
from benchmarks.capacity.peer_quality import PeerQuality
from benchmarks.capacity.scenario import PlannedCall
from benchmarks.harness.callers import Caller, LoopReport, OpenLoop, messages
from ingress.caller.listening_quality import has_sound

ANSWER_DEADLINE_S: Final = 10.0
"""A caller waits for an answer for so long."""
AFTER_ANSWER_S: Final = 1.0
"""After the last sound of an answer; the server has no record of a turn that is cut short."""
PRIORITY: Final = 5
"""Real-time, where the machine allows it: below the media workers' if they have one."""
SILENCE: Final = messages(bytes(1))[0]


@dataclass(frozen=True, slots=True)
class Order:
    """What this process has to do."""

    __pydantic_config__: ClassVar = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    host: str
    port: int
    begins_s: float
    counted_from_s: float
    counted_until_s: float
    ends_s: float
    calls: list[PlannedCall]
    prompts: list[bytes]
    """What can be said: 8 kHz int16."""


@dataclass(slots=True)
class Said:
    """One utterance, and what came of it."""

    prompt: int
    ended_s: float
    """Intended."""
    answer_ms: float | None = None
    """To the first frame with sound; None: nothing came before the caller stopped waiting."""
    waited_ms: float = 0.0
    """Until then, or until the caller stopped waiting."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call as its caller saw it."""

    call_id: str
    """Empty: the call failed before it was sent."""
    began_s: float
    left_s: float = 0.0
    was_hung_up_on: bool = False
    failure: str | None = None
    said: list[Said] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class CallersReport:
    """How this process itself did, and when the frames came."""

    loop: LoopReport
    quality: PeerQuality


ORDER = TypeAdapter(Order)
LINE: TypeAdapter[Call | CallersReport] = TypeAdapter(Call | CallersReport)


class Prompt:
    """One thing to say, as messages."""

    def __init__(self, audio: bytes) -> None:
        self.messages = messages(audio)
        self.duration_s = audio_duration_ms(audio) / 1_000.0


class PlannedCaller(Caller):
    """Says what was planned, and times the answers."""

    def __init__(self, plan: PlannedCall, prompts: Sequence[Prompt]) -> None:
        super().__init__()
        self.arrived_s = array("d")
        self.samples = array("H")
        """Of each frame that came."""
        self._prompts = prompts
        self._stays_s = plan.stays_s
        self._said: list[Said] = []
        self._to_say = list(reversed(plan.utterances))
        self._speaking: list[bytes] = []
        """What is left of the utterance, last frame first."""
        self._unanswered: Said | None = None
        """Said, or being said, and not answered yet."""
        self._last_sound_s = 0.0
        """Of the server; what it sends between answers is zeros."""

    def next_frame(self, number: int) -> bytes | None:
        """Return the next frame of what is being said, else silence; None at the end."""
        assert self.identified_s is not None
        spoken_s = number * FRAME_S
        now = self.identified_s + spoken_s
        if self._is_over(now + FRAME_S):
            return None
        if self._to_say and not self._speaking and spoken_s >= self._to_say[-1].at_s:
            self._stop_waiting(now)
            which = self._to_say.pop().prompt
            prompt = self._prompts[which]
            self._speaking = prompt.messages[::-1]
            self._unanswered = Said(which, now + prompt.duration_s)
            self._said.append(self._unanswered)
        return self._speaking.pop() if self._speaking else SILENCE

    def hear(self, audio: bytes, now: float) -> None:
        """Note when the frame came, and whether it answers."""
        self.arrived_s.append(now)
        self.samples.append(len(audio) // 2)
        if audio.count(0) == len(audio):
            return
        self._last_sound_s = now
        said = self._unanswered
        if said is None or now < said.ended_s or not has_sound(audio):
            return
        said.answer_ms = said.waited_ms = (now - said.ended_s) * 1_000.0
        self._unanswered = None

    def end(self, now: float) -> None:
        """Print the call; one whose connection was never made is none."""
        super().end(now)
        self._stop_waiting(now)
        if self.identified_s is not None:
            call = Call(
                call_id=str(self.call_id or ""),
                began_s=self.identified_s,
                left_s=now,
                was_hung_up_on=self.hung_up_s is not None,
                failure=self.failure,
                said=self._said,
            )
            print(LINE.dump_json(call).decode(), flush=True)

    def _is_over(self, now: float) -> bool:
        """Whether the planned time has passed and no answer is awaited."""
        assert self.identified_s is not None
        if now < self.identified_s + self._stays_s or self._speaking:
            return False
        if self._unanswered is not None:
            return now >= self._unanswered.ended_s + ANSWER_DEADLINE_S
        return now >= self._last_sound_s + AFTER_ANSWER_S

    def _stop_waiting(self, now: float) -> None:
        if self._unanswered is not None:
            self._unanswered.waited_ms = max(0.0, now - self._unanswered.ended_s) * 1_000.0
            self._unanswered = None


def main() -> None:
    """Carry out the order on standard input."""
    order = ORDER.validate_json(sys.stdin.buffer.read())
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(PRIORITY))
    prompts = [Prompt(audio) for audio in order.prompts]
    callers = [PlannedCaller(plan, prompts) for plan in order.calls]
    begins_s = order.begins_s - time.monotonic()
    coming = ((begins_s + plan.at_s, each) for plan, each in zip(order.calls, callers, strict=True))
    loop = OpenLoop(order.port, coming, order.host, order.counted_from_s)
    report = loop.run(order.ends_s - time.monotonic())
    window = (order.counted_from_s, order.counted_until_s)
    each = (PeerQuality.of(it.arrived_s, it.samples, window) for it in callers)
    quality = sum(each, PeerQuality())
    print(LINE.dump_json(CallersReport(report, quality)).decode(), flush=True)


if __name__ == "__main__":
    main()
