"""The audio clock's rules: when each frame leaves. Pure: `now` is an argument.

Asterisk does not pace what we send (app_audiosocket.c:198-216: a frame read from the socket becomes an
RTP packet at once), so this is the clock of the phone's audio. A frame is due at an absolute instant, so a
late one does not make the next one late ("sleep 20 ms after each write" loses 0.1 to 0.4 s in 5 s). The
interval is always the length of the frame that was sent, 20 ms or, throttled, 30.

All calls of a worker share one wheel of a few slots, phases spread over the 20 ms, so that 400 calls
are not one burst of 400 writes.

| a slot is late by | frames sent at once | its next deadline |
|---|---|---|
| less than a frame | 1 | a frame later |
| less than two frames | 2 | two frames later |
| more | 2 | a frame from now: the timeline shifts, what is still owed is never sent |

More than two would be worse than the gap: a phone answers a burst with a resynchronisation
(res_rtp_asterisk.c:5313-5323 jumps the timestamp at 80 ms of error).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Generic, TypeVar

from actors.telephone import FRAME_S

MAXIMUM_BURST_FRAMES = 2
LONG_GAP_S = 0.1
"""Two sends this far apart make Asterisk move its RTP timestamps (its tolerance is 80 ms and the frame)."""
EARLY_S = 0.0005
"""An event loop's timer may fire this much early; such a wake-up counts as on time."""
SLOTS = 10

C = TypeVar("C")


@dataclass(frozen=True, slots=True)
class Tick:
    """What to do at one wake-up of a slot."""

    frames: int
    """How many frames to send now: 1, or 2 after a stall."""
    due_s: float
    """When the first of them was due."""
    shift_s: float = 0.0
    """How far the timeline was moved: audio time that a stall took."""


class Slot(Generic[C]):
    """Calls that send at the same instants."""

    __slots__ = ("calls", "next_due_s")

    def __init__(self, start_s: float) -> None:
        self.next_due_s = start_s
        self.calls: tuple[C, ...] = ()
        """Replaced, never changed, so that a call may leave while its slot is being served."""

    def tick(self, now: float, frame_s: float) -> Tick:
        """Return how many frames of `frame_s` to send at `now`; one is due. Go on to the next deadline."""
        due_s = self.next_due_s
        if now - due_s < frame_s:
            self.next_due_s = due_s + frame_s
            return Tick(1, due_s)
        self.next_due_s = due_s + MAXIMUM_BURST_FRAMES * frame_s
        if self.next_due_s > now:
            return Tick(MAXIMUM_BURST_FRAMES, due_s)
        shift_s = now + frame_s - self.next_due_s
        self.next_due_s += shift_s
        return Tick(MAXIMUM_BURST_FRAMES, due_s, shift_s)


class Wheel(Generic[C]):
    """The slots of one worker."""

    def __init__(self, start_s: float) -> None:
        self._slots = [Slot[C](start_s + index * FRAME_S / SLOTS) for index in range(SLOTS)]

    @property
    def next_due_s(self) -> float:
        """When the next frame of any call is due; infinity without calls."""
        return min((slot.next_due_s for slot in self._slots if slot.calls), default=inf)

    def due(self, now: float) -> list[Slot[C]]:
        """Return the slots with calls whose frames are due at `now`; `tick` each of them."""
        latest_s = now + EARLY_S
        return [slot for slot in self._slots if slot.calls and slot.next_due_s <= latest_s]

    def add(self, call: C, now: float) -> None:
        """Put a call on the emptiest slot; its first frame is due within 20 ms."""
        slot = min(self._slots, key=lambda slot: len(slot.calls))
        behind_s = now - slot.next_due_s
        if not slot.calls and behind_s > 0.0:  # an idle slot goes on at its own phase
            slot.next_due_s += (int(behind_s / FRAME_S) + 1) * FRAME_S
        slot.calls = (*slot.calls, call)

    def remove(self, call: C) -> None:
        """Take a call off the wheel; unknown ones are ignored."""
        for slot in self._slots:
            if call in slot.calls:
                slot.calls = tuple(other for other in slot.calls if other is not call)
