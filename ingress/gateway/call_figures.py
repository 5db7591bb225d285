"""What the gateway counted of one call, for its session in the ResourceManager.

Totals, never differences: a report that is lost or told twice changes nothing. The media worker's record of
the whole call has the last word, because this gateway may not have seen its beginning.
"""

from __future__ import annotations

from dataclasses import replace

from actors.messages import SessionActivity, SessionFigures
from ingress.link.records import CallRecord, TurnRecord


class CallFigures:
    """The figures of one call so far."""

    def __init__(self) -> None:
        self.current = SessionFigures()
        self._finished_turn = 0
        """Newest turn that is over: what its task still says is late."""

    def heard_caller(self) -> None:
        """The caller has spoken."""
        self.current = replace(self.current, has_spoken=True)

    def turned_to(self, turn: int, activity: SessionActivity) -> None:
        """The call's turn has come to another stage."""
        if turn > self._finished_turn:
            self.current = replace(self.current, activity=activity)

    def finished(self, record: TurnRecord) -> None:
        """A turn has been played, was interrupted or failed: the server listens again."""
        self._finished_turn = max(self._finished_turn, record.turn)
        so_far = self.current
        self.current = replace(
            so_far,
            activity=SessionActivity.LISTENING,
            has_spoken=so_far.has_spoken or record.kind == "utterance",
            turns=so_far.turns + 1,
            failed_turns=so_far.failed_turns + (record.failure is not None),
            interruptions=so_far.interruptions + record.was_interrupted,
            underruns=so_far.underruns + record.underruns,
            cache_hits=so_far.cache_hits + record.stages.cache_hits,
            cache_misses=so_far.cache_misses + record.stages.cache_misses,
        )

    def ended(self, record: CallRecord) -> None:
        """The call is over."""
        self.current = replace(
            self.current,
            activity=SessionActivity.LISTENING,
            turns=record.turns_taken,
            interruptions=record.interruptions,
            underruns=record.underruns,
            lateness_p99_ms=record.lateness.p99_ms,
            lateness_maximum_ms=record.lateness.maximum_ms,
        )
