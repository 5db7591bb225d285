"""What a gateway keeps of finished calls: the newest in memory, all of them in a file if one is configured.

A line of the file holds the media worker's record, without a word of what was said, and what the call used
according to the manager; a refused call has used nothing.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from actors.messages import SessionSummary
from ingress.configuration.settings import RecordSettings
from ingress.gateway.call_log_file import CallRecordFile
from ingress.link.records import CallRecord, TurnRecord
from ingress.link.status import TurnsStatus

KEPT_RECORDS = 256
"""Finished calls whose records can still be asked for."""
KNOWN_RECORDS = 1_024
"""Ids of records, to know those that are sent again after a link broke: as many as a media worker keeps."""
RECENT_TURNS = 100
"""Finished turns of all calls that the status looks at: a fault shows within seconds, and passes when it is
mended."""
WORDS = {"heard", "answered"}
"""Fields of a turn that hold what was said: they may be asked for on this machine, and go to no file."""


@dataclass(frozen=True, slots=True)
class _Taken:
    """A record that is not written yet."""

    acknowledge: Callable[[], None]
    is_repeated: bool


class CallLedger:
    """Records of finished calls and totals of their turns."""

    def __init__(self, settings: RecordSettings) -> None:
        self.cache_hits = 0
        self.cache_misses = 0
        self._turns: deque[TurnRecord] = deque(maxlen=RECENT_TURNS)
        self._records: dict[str, CallRecord] = {}
        """Oldest first."""
        self._taken: dict[str, _Taken] = {}
        """By the records' ids. Each is written when its call's place has been given back."""
        self._written: dict[str, None] = {}
        """Ids, the oldest first."""
        self._is_closed = False
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
        silent = [turn for turn in self._turns if not turn.was_understood and turn.problem is None]
        doubts = Counter(turn.doubt for turn in silent if turn.doubt is not None)
        return TurnsStatus(
            turns=len(self._turns),
            failed=problems.total(),
            without_words=len(silent),
            doubts=dict(doubts.most_common()),
            problems=dict(problems.most_common()),
        )

    def take_call(
        self, record: CallRecord, acknowledge: Callable[[], None] = lambda: None, is_repeated: bool = False
    ) -> bool:
        """Keep a call's record in memory, for `write`; return False if it was taken before.

        `acknowledge` is called once the record is written, or lost and counted, or was before.
        """
        if record.record_id in self._written:
            acknowledge()
            return False
        was_taken = record.record_id in self._taken
        self._taken[record.record_id] = _Taken(acknowledge, is_repeated)
        if was_taken:
            return False
        self._records.pop(record.call_id, None)
        self._records[record.call_id] = record
        if len(self._records) > KEPT_RECORDS:
            del self._records[next(iter(self._records))]
        return True

    def write(self, record: CallRecord, summary: SessionSummary | None) -> None:
        """Have a call's line written, if there is a file; one that was sent again, unless it is there.

        Once the ledger is closed nothing is written or acknowledged: the next gateway is sent the record.
        """
        if self._is_closed:
            return
        if self._file is None:
            self._is_written(record.record_id)
            return
        taken, loop = self._taken.get(record.record_id), asyncio.get_running_loop()

        def written() -> None:  # in the file's thread
            with suppress(RuntimeError):  # the gateway has ended: the next one is sent the record
                loop.call_soon_threadsafe(self._is_written, record.record_id)

        self._file.append(
            {
                "ended_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "call": record.model_dump(exclude={"turns": {"__all__": WORDS}, "unfinished": WORDS}),
                "session": summary and asdict(summary),
            },
            unless=record.record_id if taken is not None and taken.is_repeated else None,
            done=written,
        )

    def _is_written(self, record_id: str) -> None:
        self._written[record_id] = None
        if len(self._written) > KNOWN_RECORDS:
            del self._written[next(iter(self._written))]
        taken = self._taken.pop(record_id, None)
        if taken is not None:
            taken.acknowledge()

    async def close(self) -> None:
        """Write what is still to be written. Idempotent."""
        self._is_closed = True
        file, self._file = self._file, None
        if file is not None:
            await asyncio.to_thread(file.close)
