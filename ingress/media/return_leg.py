"""A call's second connection, on the extension's return port, with the UUID of the call.

It has a socket, a protocol, a hearing and a place on the clock of its own, so what goes wrong there costs it
alone. It ends by itself, at the dialog's wish, or after the call, when what is queued for it has been played.
"""

from __future__ import annotations

import logging
from time import monotonic

from ingress.media.call import Call
from ingress.media.endings import Ending, Refusal
from ingress.media.leg import Leg, LegState

log = logging.getLogger(__name__)


class ReturnLeg(Leg):
    """The return leg of a call."""

    _hung_up = Ending.RETURN_LEG
    _first: Leg
    """The caller's, from the UUID on; it may have ended."""

    def _identify(self, call_id: str, now: float) -> None:
        first = self._calls.join(self, call_id)
        if isinstance(first, Refusal):
            self.end(first.ending, f"return leg of call {call_id} refused: {first.detail}")
            return
        self._first, first.return_leg = first, self
        self._extension = first.extension  # as the call began with it
        self._go_live(first.call, first.call.join(now), now)
        log.info("return leg of call %s joined from %s", call_id, self._connection.peer)
        self._forward()

    def end(self, ending: Ending, detail: str = "") -> None:
        """End the connection; what somebody says who hangs up is said to its end, and an answer."""
        if ending is self._hung_up and self._state is LegState.LIVE and not self._call.is_over:
            now = monotonic()
            self._pass_on(self._hearing.digit(now), now)
        super().end(ending, detail)

    def _end_as_planned(self, call: Call) -> None:
        if call.is_over or call.refusal is not None:
            self.end(Ending.CALL_OVER)
        else:
            self.end(Ending.DIALOG)

    def _end_live(self, ending: Ending, detail: str, now: float) -> None:
        """The leg is gone; the call goes on if its caller is there."""
        lateness = self._lateness.summary()
        self._first.return_leg = None
        self._call.leave(now)
        self._forward()
        log.info(
            "return leg of call %s ended: %s; %.1f s, lateness p99 %.1f ms, at most %.1f ms, "
            "%d gaps of 100 ms and more",
            self._call.call_id,
            detail,
            now - self._started_s,
            lateness.p99_ms,
            lateness.maximum_ms,
            self._long_gaps,
        )
        self._calls.return_leg_ended(self, self._connection, ending)

    @property
    def _name(self) -> str:
        return f"{super()._name} (return leg)"
