"""How this ingress does, for the ladder: its media workers first, then the gateway's loop, then the machine.

Late frames are what callers would hear, so they come first; the CPU reads half at real saturation elsewhere
and full when speech models do nothing but their work. Asked once per heartbeat: nothing here waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from actors.messages import IngressSignals
from ingress.gateway.loop_lag import LoopLag
from ingress.gateway.machine_load import MachineLoad
from ingress.gateway.media_peer import MediaLink


class SignalMeter:
    """Puts an ingress's signals together."""

    def __init__(self, media: Collection[MediaLink]) -> None:
        """`media`: the links of the moment, by reference."""
        self.lag = LoopLag()
        """To be run by whoever owns this."""
        self._media = media
        self._machine = MachineLoad()

    def signals(self) -> IngressSignals:
        """Return the signals; what is counted is counted since the last time."""
        now = asyncio.get_running_loop().time()
        return IngressSignals(
            lateness_p99_ms=max((media.lateness_p99_ms(now) for media in self._media), default=0.0),
            loop_lag_ms=self.lag.take_ms(),
            timeline_shifts=sum(media.take_timeline_shifts() for media in self._media),
            cpu_percent=self._machine.cpu_percent(),
            memory_percent=self._machine.memory_percent(),
        )
