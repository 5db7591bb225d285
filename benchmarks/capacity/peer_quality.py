"""When the frames came, of many calls together, in a form that can be added up.

Lateness is counted in buckets of 0.1 ms, so that reports of several processes can be merged; percentiles
could not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from actors.telephone import TELEPHONE_RATE_HZ
from ingress.caller.listening_quality import ReceivedFrame, lateness_ms, phone_holes_ms
from ingress.link.records import LatenessSummary

BUCKETS_PER_MS = 10
CURVE_MS = (0.5, 1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 100.0, 150.0, 250.0, 500.0)
"""Where the curve of lateness is drawn."""


@dataclass(frozen=True, slots=True)
class PeerQuality:
    """Of frames that came in the counted time."""

    frames: int = 0
    underruns: int = 0
    """Holes at a phone's buffer."""
    maximum_ms: float = 0.0
    late: Counter[int] = field(default_factory=Counter)
    """Frames by lateness, in tenths of a millisecond."""

    @classmethod
    def of(
        cls, arrived_s: Sequence[float], samples: Sequence[int], window: tuple[float, float]
    ) -> PeerQuality:
        """Judge one call's frames, in the order of their arrival, those in the window counted.

        Lateness is against the timeline of the frame that came best (`ingress.caller.listening_quality`).
        """
        frames = [
            ReceivedFrame(at_s, count / TELEPHONE_RATE_HZ)
            for at_s, count in zip(arrived_s, samples, strict=True)
        ]
        judged = zip(frames, lateness_ms(frames), phone_holes_ms(frames), strict=True)
        counted = [(late, hole) for frame, late, hole in judged if window[0] <= frame.arrived_s < window[1]]
        late_ms = [late for late, _ in counted]
        return cls(
            frames=len(counted),
            underruns=sum(hole > 0 for _, hole in counted),
            maximum_ms=max(late_ms, default=0.0),
            late=Counter(round(late * BUCKETS_PER_MS) for late in late_ms),
        )

    def __add__(self, other: PeerQuality) -> PeerQuality:
        return PeerQuality(
            self.frames + other.frames,
            self.underruns + other.underruns,
            max(self.maximum_ms, other.maximum_ms),
            self.late + other.late,
        )

    def percentile_ms(self, percent: float) -> float:
        """Return the nearest-rank percentile, to a tenth of a millisecond; 0.0 of no frame."""
        seen = 0
        for bucket in sorted(self.late):
            seen += self.late[bucket]
            if seen >= self.frames * percent / 100.0:
                return bucket / BUCKETS_PER_MS
        return 0.0

    def summary(self) -> LatenessSummary:
        """Return the figures that are compared with an objective."""
        return LatenessSummary(
            frames=self.frames,
            p50_ms=self.percentile_ms(50),
            p99_ms=self.percentile_ms(99),
            p999_ms=self.percentile_ms(99.9),
            maximum_ms=self.maximum_ms,
        )

    def late_shares(self) -> tuple[tuple[float, float], ...]:
        """Return the share of frames that were later than each of `CURVE_MS`."""
        if not self.frames:
            return ()
        return tuple(
            (
                limit_ms,
                sum(frames for bucket, frames in self.late.items() if bucket > limit_ms * BUCKETS_PER_MS)
                / self.frames,
            )
            for limit_ms in CURVE_MS
        )
