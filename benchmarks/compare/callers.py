"""The callers, in a process of their own: they say their script and note what they hear.

At the end they print JSON: how the loop did, and of each call when its UUID was sent, whether it was lost,
and of each frame of audio when it came, its length in bytes and whether it sounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from actors.telephone import FRAME_S
from benchmarks.compare.script import Recording, Spoken, recordings, script
from benchmarks.harness.caller_audio import caller_audio
from benchmarks.harness.callers import Caller, LoopReport, OpenLoop, messages
from benchmarks.harness.instrument import Instrument, serve
from ingress.caller.listening_quality import has_sound

SPACING_S = 0.013
"""Between two calls' beginnings: their ticks are spread."""
FRAME: Final = np.dtype([("at_s", "<f8"), ("bytes", "<u4"), ("is_loud", "?")])
"""One message of audio."""
Frames: TypeAlias = NDArray[np.void]


@dataclass(frozen=True, slots=True)
class HeardCall:
    """What one caller heard."""

    identified_s: float
    """When its UUID was sent, on the clock that all processes share."""
    is_lost: bool
    """Whether the server refused it, ended it, or did not read."""
    frames: Frames


class ScriptedCaller(Caller):
    """One caller."""

    def __init__(self, line: Sequence[bytes]) -> None:
        super().__init__()
        self._line = line
        self._heard: list[tuple[float, bytes]] = []

    def next_frame(self, number: int) -> bytes | None:
        """Return the line's next frame."""
        return self._line[number] if number < len(self._line) else None

    def hear(self, audio: bytes, now: float) -> None:
        """Keep it: it is looked at when all is over."""
        if audio:
            self._heard.append((now, audio))

    @property
    def is_lost(self) -> bool:
        """Whether it was not the caller who ended the call."""
        return self.failure is not None or self.hung_up_s is not None

    def frames(self) -> list[tuple[float, int, bool]]:
        """Return what came, as rows of FRAME."""
        return [(at_s, len(audio), has_sound(audio)) for at_s, audio in self._heard]


def lines(
    scripts: Sequence[Sequence[Spoken]], said: Sequence[Recording], seconds: float
) -> list[list[bytes]]:
    """Return what each call sends, frame by frame: the sound of a quiet line, and the utterances."""
    quiet = messages(caller_audio().quiet.astype("<i2").tobytes())
    spoken = [messages(recording.audio) for recording in said]
    sent = []
    for number, its_script in enumerate(scripts):
        line = [quiet[(number * 7 + at) % len(quiet)] for at in range(round(seconds / FRAME_S))]
        for utterance in its_script:
            begin = round(utterance.begins_s / FRAME_S)
            words = spoken[utterance.recording][: len(line) - begin]
            line[begin : begin + len(words)] = words
        sent.append(line)
    return sent


def heard_by(process: Instrument, deadline_s: float) -> tuple[list[HeardCall], LoopReport]:
    """Wait until all is over; return what was heard, and how the loop did. Raises InstrumentError."""
    found: dict[str, Any] = process.result(deadline_s)
    calls = [
        HeardCall(identified_s, is_lost, np.array(list(map(tuple, frames)), FRAME))
        for identified_s, is_lost, frames in found["calls"]
    ]
    return calls, LoopReport(**found["loop"])


def measure(port: int, calls: int, seconds: float) -> dict[str, Any]:
    """Call and return what was heard."""
    said = recordings()
    callers = [ScriptedCaller(line) for line in lines(script(calls, seconds, said), said, seconds)]
    loop = OpenLoop(port, ((number * SPACING_S, each) for number, each in enumerate(callers)))
    print("began", flush=True)
    report = asdict(loop.run())
    return {"loop": report, "calls": [(each.identified_s, each.is_lost, each.frames()) for each in callers]}


if __name__ == "__main__":
    serve(measure)
