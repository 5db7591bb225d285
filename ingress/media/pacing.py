"""The audio clock: when each frame leaves.

Asterisk does not pace what we send (app_audiosocket.c:198-216: a frame read from the socket becomes an
RTP packet at once), so this is the clock of the phone's audio. A frame is due at an absolute instant,
and the next one is due when its audio has been played; a late frame does not make the next one late, so
nothing accumulates ("sleep 20 ms after each write" loses 0.1 to 0.4 s in 5 s).

Normally a frame is 20 ms. A throttled server sends 30 ms every 30 ms: a third fewer wake-ups and the same
audio. The length may change at any frame, because the interval is always the length of what was sent.

All calls of a worker share one wheel of a few slots, phases spread over the 20 ms, so that 400 calls
are not one burst of 400 writes. A slot is one clock for all its calls.

A stall of less than two frames is caught up with two frames back to back. After a longer one the timeline
shifts: two frames go, the third follows a frame's time later, and what is still owed is forgiven, because a
phone answers a burst with a resynchronisation, which is worse than the gap (res_rtp_asterisk.c:5313-5323
jumps the timestamp at 80 ms of error).
"""

from __future__ import annotations

from dataclasses import dataclass

from actors.telephone import FRAME_S

MAXIMUM_BURST_FRAMES = 2
"""More in a row would be discarded or resynchronised by the phone."""
LONG_GAP_S = 0.1
"""Two sends this far apart make Asterisk move its RTP timestamps (its tolerance is 80 ms and the frame)."""

EARLY_S = 0.0005
"""An event loop's timer may fire this much early; such a wake-up counts as on time."""


@dataclass(frozen=True, slots=True)
class Tick:
    """What to do at one wake-up of a slot."""

    frames: int
    """How many frames to send now: 0 (too early), 1, or 2 after a stall."""
    due_s: float
    """When the first of them was due."""
    shift_s: float
    """How far the timeline was moved: audio time that a stall took."""


class SlotClock:
    """Absolute deadlines of one slot."""

    __slots__ = ("next_due_s",)

    def __init__(self, start_s: float) -> None:
        self.next_due_s = start_s

    def tick(self, now: float, frame_s: float = FRAME_S) -> Tick:
        """Say how many frames of `frame_s` to send at `now`, and move on to the next deadline."""
        due_s = self.next_due_s
        lateness_s = now - due_s
        if lateness_s < -EARLY_S:
            return Tick(0, due_s, 0.0)
        if lateness_s < frame_s:
            self.next_due_s += frame_s
            return Tick(1, due_s, 0.0)
        self.next_due_s += MAXIMUM_BURST_FRAMES * frame_s
        shift_s = 0.0
        if self.next_due_s <= now:
            shift_s = now + frame_s - self.next_due_s
            self.next_due_s += shift_s
        return Tick(MAXIMUM_BURST_FRAMES, due_s, shift_s)


class Wheel:
    """The slots of one worker, phases spread evenly over a frame."""

    def __init__(self, start_s: float, slots: int = 10) -> None:
        self.clocks = tuple(SlotClock(start_s + index * FRAME_S / slots) for index in range(slots))

    def restart(self, slot: int, now: float) -> None:
        """Move an idle slot's clock to its first deadline after `now`, on its own phase."""
        clock = self.clocks[slot]
        behind_s = now - clock.next_due_s
        if behind_s > 0.0:
            clock.next_due_s += (int(behind_s / FRAME_S) + 1) * FRAME_S
