"""What a gateway keeps of finished calls: the newest in memory, all of them in a file if one is configured.

A line of the file holds the media worker's record, without a word of what was said, and what the call used
according to the manager; a refused call has used nothing.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from actors.messages import SessionSummary
from ingress.configuration.settings import RecordSettings
from ingress.gateway.call_log_file import CallRecordFile
from ingress.link.records import CallRecord, TurnRecord
from ingress.link.status import TurnsStatus

KEPT_RECORDS = 256
"""Finished calls whose records can still be asked for."""
RECENT_TURNS = 100
"""Finished turns of all calls that the status looks at: a fault shows within seconds, and passes when it is
mended."""
WORDS = {"heard", "answered"}
"""Fields of a turn that hold what was said: they may be asked for on this machine, and go to no file."""


class CallLedger:
    """Records of finished calls and totals of their turns."""

    def __init__(self, settings: RecordSettings) -> None:
        self.cache_hits = 0
        self.cache_misses = 0
        self._turns: deque[TurnRecord] = deque(maxlen=RECENT_TURNS)
        self._records: dict[str, CallRecord] = {}
        """Oldest first."""
        self._file: CallRecordFile | None = None
        if settings.file is not None:
            self._file = CallRecordFile(Path(settings.file).expanduser())

    @property
    def dropped_records(self) -> int:
        """Lines that the file could not take."""
        return self._file.dropped if self._file is not None else 0

    def record(self, call_id: str) -> CallRecord | None:
        """Return a recent call's record; None if it is unknown, not over, or too long ago."""
        return self._records.get(call_id)

    def take_turn(self, record: TurnRecord) -> None:
        """Count a finished turn."""
        self.cache_hits += record.stages.cache_hits
        self.cache_misses += record.stages.cache_misses
        self._turns.append(record.model_copy(update=dict.fromkeys(WORDS)))

    def recent_turns(self) -> TurnsStatus:
        """Return how the newest turns went."""
        problems = Counter(turn.problem for turn in self._turns if turn.problem is not None)
        return TurnsStatus(
            turns=len(self._turns),
            failed=problems.total(),
            without_words=sum(not turn.was_understood and turn.problem is None for turn in self._turns),
            problems=dict(problems.most_common()),
        )

    def take_call(self, record: CallRecord) -> None:
        """Keep a call's record in memory."""
        self._records.pop(record.call_id, None)
        self._records[record.call_id] = record
        if len(self._records) > KEPT_RECORDS:
            del self._records[next(iter(self._records))]

    def write(self, record: CallRecord, summary: SessionSummary | None) -> None:
        """Have a call's line written, if there is a file."""
        if self._file is not None:
            self._file.append(
                {
                    "ended_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
                    "call": record.model_dump(exclude={"turns": {"__all__": WORDS}, "unfinished": WORDS}),
                    "session": summary and asdict(summary),
                }
            )

    async def close(self) -> None:
        """Write what is still to be written. Idempotent."""
        file, self._file = self._file, None
        if file is not None:
            await asyncio.to_thread(file.close)
