"""Is this linear audio, or µ-law labelled as linear?

`Dial(AudioSocket/…)` without `c(slin)` takes the caller's first codec (chan_audiosocket.c:236-251), and
Asterisk labels whatever comes as 8 kHz linear (res_audiosocket.c:251-253): 160 bytes of µ-law every 20 ms
where 320 bytes of linear audio belong. It would be heard as noise, and nothing else tells. 160 bytes every
10 ms, from a phone that packs 10 ms, are linear; so the messages' pace decides.
"""

from __future__ import annotations

from actors.messages import TELEPHONE_RATE_HZ

DISGUISED_BYTES = 160
OBSERVED_MESSAGES = 50
DECISIVE_SHARE = 0.8
"""Of the intervals: a few may be stretched by jitter or shortened by a burst."""
SHORTEST_INTERVAL_S = 0.015
LONGEST_INTERVAL_S = 0.030
"""Longer intervals are pauses of the stream and say nothing."""

ADVICE = (
    "the audio is a phone's codec (µ-law or A-law) labelled as linear; name the format in the dialplan: "
    "Dial(AudioSocket/host:port/uuid/c(slin))"
)


class CodecCheck:
    """Watches the first second of a stream."""

    def __init__(self) -> None:
        self._is_decided = False
        self._last_s: float | None = None
        self._intervals = 0
        self._slow_intervals = 0

    def is_disguised(self, size_bytes: int, rate_hz: int, now: float) -> bool:
        """Take one audio message; True once it is sure that the audio is not linear."""
        if self._is_decided:
            return False
        if size_bytes != DISGUISED_BYTES or rate_hz != TELEPHONE_RATE_HZ:
            self._is_decided = True
            return False
        if self._last_s is not None and now - self._last_s <= LONGEST_INTERVAL_S:
            self._intervals += 1
            self._slow_intervals += now - self._last_s >= SHORTEST_INTERVAL_S
        self._last_s = now
        if self._intervals < OBSERVED_MESSAGES:
            return False
        self._is_decided = True
        return self._slow_intervals >= DECISIVE_SHARE * self._intervals
