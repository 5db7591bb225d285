"""Is this linear audio, or µ-law labelled as linear?

`Dial(AudioSocket/…)` without `c(slin)` takes the caller's first codec (chan_audiosocket.c:236-251), and
Asterisk labels everything as 8 kHz linear (res_audiosocket.c:251-253): 160 bytes of µ-law every 20 ms
where 320 bytes of linear audio belong. 160 bytes every 10 ms are linear; so the messages' pace decides,
counted over windows because what is read together says nothing about single intervals.
"""

from __future__ import annotations

from actors.telephone import TELEPHONE_RATE_HZ

DISGUISED_BYTES = 160
WINDOW_S = 0.2
WINDOWS = 5
DECISIVE_WINDOWS = 4
"""A window may be thinned by a short pause or filled by a burst."""
SLOWEST_LINEAR_HZ = 75.0
"""Messages a second: 100 of linear audio, 50 of disguised."""
LONGEST_MESSAGE_INTERVAL_S = 0.1
"""A longer one is a pause of the stream: the window begins anew after it."""

ADVICE = (
    "the audio is a phone's codec (µ-law or A-law) labelled as linear; name the format in the dialplan: "
    "Dial(AudioSocket/host:port/uuid/c(slin))"
)


class CodecCheck:
    """Watches the beginning of a stream."""

    def __init__(self) -> None:
        self._since_s = self._last_s = float("-inf")
        self._messages = 0
        self._windows = 0
        self._slow_windows = 0

    def is_disguised(self, size_bytes: int, rate_hz: int, now: float) -> bool | None:
        """Take one audio message; return whether the audio is not linear, for good, once that is sure."""
        if size_bytes != DISGUISED_BYTES or rate_hz != TELEPHONE_RATE_HZ:
            return False
        since_last_s = now - self._last_s
        self._last_s = now
        if since_last_s > LONGEST_MESSAGE_INTERVAL_S:
            self._since_s, self._messages = now, 0
            return None
        self._messages += 1
        elapsed_s = now - self._since_s
        if elapsed_s < WINDOW_S:
            return None
        self._windows += 1
        self._slow_windows += self._messages / elapsed_s < SLOWEST_LINEAR_HZ
        self._since_s, self._messages = now, 0
        if self._windows < WINDOWS:
            return None
        return self._slow_windows >= DECISIVE_WINDOWS
