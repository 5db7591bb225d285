"""Which calls are taken: a call is worth taking only if the cluster can hold it to its end.

What it can hold is counted twice. In calls: so many per slot that is ready, of the scarcer kind. And in
slots: those in use now, and a share of a slot kept for each caller who was taken and has not spoken yet;
calls that come in a rush use nothing at first and all together a moment later.

The classes share one capacity, as trunk groups do by reservation: a class is taken while all calls together
fill less than its share, so that the rest is free for those above it. An emergency is held back only by the
number of lines (and its extension's own limit), never by load: its work goes first in any case.

Calls that are there are never ended for load; what is refused is always a new one, with one of a few fixed
reasons, which can be counted.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from actors.manager.session_book import SessionBook
from actors.messages import EXTENSION_FULL, Admission, Level, Priority, SessionStarted, WorkKind
from actors.settings import AdmissionSettings
from actors.status import AdmissionStatus

ALONE_SHARE = 0.5
"""Of its even part of the free lines, what an ingress may fill while it cannot ask."""

UNLIMITED_CALLS = 1_000_000
"""What an ingress may hold alone when admission is off."""


class Reason(StrEnum):
    """Why a call is not taken."""

    EXTENSION = EXTENSION_FULL
    NOT_READY = "no speech worker is ready"
    LINES = "all lines are busy"
    KEPT = "the last lines are kept for more urgent calls"
    SLOTS = "the speech workers have no room for one more caller"
    LOADED = "background calls are not taken while the system is loaded"
    FULL = "the system is overloaded"


@dataclass(frozen=True, slots=True)
class SlotUse:
    """One kind's ready slots, and how busy they are."""

    slots: int
    busy_percent: float
    """Of the slots, mean over some seconds."""


class AdmissionBook:
    """The rule by which one more call is taken, and what came of it so far.

    `use` has the kinds of work that are planned; without any, no call can be held.
    """

    def __init__(self, settings: AdmissionSettings, sessions: SessionBook | None = None) -> None:
        """`sessions`: the calls there are. Calls that are taken are entered there."""
        self._settings = settings
        self._sessions = SessionBook() if sessions is None else sessions
        self._admitted = 0
        self._refused: Counter[str] = Counter()

    def admit(
        self, session: SessionStarted, level: Level, use: Mapping[WorkKind, SlotUse], now: float
    ) -> Admission:
        """Take a call, or say why not. One that is there already is taken again and counted once."""
        if session.session_id in self._sessions:
            return Admission(is_admitted=True)
        reason = self._obstacle(session, level, use, now)
        if reason is not None:
            self._refused[reason.value] += 1
            return Admission(is_admitted=False, reason=reason.value)
        self._admitted += 1
        self._sessions.begin(session, now)
        return Admission(is_admitted=True)

    def capacity(self, use: Mapping[WorkKind, SlotUse]) -> int:
        """Return how many calls the ready slots hold, those of the scarcer kind."""
        calls = math.floor(self._settings.calls_per_slot * _scarcer(use))
        maximum = self._settings.maximum_calls
        return calls if maximum is None else min(calls, maximum)

    def ceiling(self, priority: Priority, use: Mapping[WorkKind, SlotUse]) -> int:
        """Return how many calls of all classes there may be once one of this class is taken.

        At least one, where there is any capacity: a share of a single line is a line.
        """
        capacity = self.capacity(use)
        return min(capacity, max(1, math.floor(capacity * self._share_percent(priority) / 100.0)))

    def calls_alone(
        self, ingress_id: str, use: Mapping[WorkKind, SlotUse], now: float, ingresses: int = 1
    ) -> int:
        """Return how many calls an ingress may hold while it cannot ask.

        Those it has, and half of an even part of what ordinary calls have left, divided among the
        `ingresses` of the cluster; no more than it has while the slots are full. Together they cannot fill
        more than that.
        """
        if not self._settings.enabled:
            return UNLIMITED_CALLS
        own = len(self._sessions.of_ingress(ingress_id))
        if self._are_slots_full(Priority.NORMAL, use, now):
            return own
        room = max(0, self.ceiling(Priority.NORMAL, use) - len(self._sessions))
        sharers = max(ingresses, len(self._sessions.ingresses() | {ingress_id}))
        return own + math.floor(ALONE_SHARE * room / sharers)

    def status(self, use: Mapping[WorkKind, SlotUse]) -> AdmissionStatus:
        """Return the counts that people see."""
        return AdmissionStatus(
            capacity=self.capacity(use),
            calls=len(self._sessions),
            unspoken=len(self._sessions.unspoken_since()),
            admitted=self._admitted,
            refused=dict(self._refused),
        )

    def _obstacle(
        self, session: SessionStarted, level: Level, use: Mapping[WorkKind, SlotUse], now: float
    ) -> Reason | None:
        priority, limit = session.priority, session.extension_limit
        if limit is not None and self._sessions.of_extension(session.extension) >= limit:
            return Reason.EXTENSION
        if not self._settings.enabled:
            return None
        if not _scarcer(use):
            return Reason.NOT_READY
        if len(self._sessions) >= self.capacity(use):
            return Reason.LINES
        if priority is Priority.EMERGENCY:
            return None
        if len(self._sessions) >= self.ceiling(priority, use):
            return Reason.KEPT
        if level >= Level.FULL:
            return Reason.FULL
        if level >= Level.LOADED and priority is Priority.BACKGROUND:
            return Reason.LOADED
        if self._are_slots_full(priority, use, now):
            return Reason.SLOTS
        return None

    def _are_slots_full(self, priority: Priority, use: Mapping[WorkKind, SlotUse], now: float) -> bool:
        """Whether the slots in use and those kept leave a class nothing, in any kind of work."""
        reserve_s = self._settings.reserve_s
        unspoken = sum(now < since + reserve_s for since in self._sessions.unspoken_since())
        kept = unspoken / self._settings.calls_per_slot
        limit_percent = self._settings.slot_percent * self._share_percent(priority) / 100.0
        return any(
            of_kind.slots == 0 or of_kind.busy_percent + 100.0 * kept / of_kind.slots >= limit_percent
            for of_kind in use.values()
        )

    def _share_percent(self, priority: Priority) -> float:
        """Return the share that a class may fill: never less than the classes below it."""
        shares = {
            Priority.EMERGENCY: 100.0,
            Priority.HIGH: self._settings.high_percent,
            Priority.NORMAL: self._settings.normal_percent,
            Priority.BACKGROUND: self._settings.background_percent,
        }
        return max(percent for other, percent in shares.items() if other.rank >= priority.rank)


def _scarcer(use: Mapping[WorkKind, SlotUse]) -> int:
    return min((of_kind.slots for of_kind in use.values()), default=0)
