"""How loaded the fleet is, and each ingress.

| ladder | moved by |
|---|---|
| the cluster's | waiting for slots, slots in use |
| one for each ingress | its late frames, its gateway's event loop, CPU and memory of its machine |

An ingress observes the higher of the two levels, so one overloaded PBX does not slow the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from actors.manager.admission import SlotUse
from actors.manager.throttle import Ladder, Signals
from actors.messages import IngressSignals, Level, WorkKind
from actors.percentiles import Window
from actors.settings import ThrottleSettings

ADMISSION_WINDOW_S = 10.0
"""Slots in use are a mean over this long when a call is to be admitted: a turn or two."""


@dataclass(slots=True)
class _Busyness:
    """Slots of one kind in use, as an area under the time."""

    short: Window
    """Percent of the slots; over the throttle's window."""
    long: Window
    """The same; over the admission's."""
    slots: int = 0
    busy: int = 0
    since: float | None = None
    area: float = 0.0
    """Busy slots times seconds since the last step."""
    room: float = 0.0
    """Slots times seconds."""


class Overload:
    """All ladders of a fleet."""

    def __init__(self, settings: ThrottleSettings) -> None:
        self._settings = settings
        self.cluster = Ladder(settings)
        self._ladders: dict[str, Ladder] = {}
        self._signals: dict[str, IngressSignals] = {}
        self._cpu: dict[str, Window] = {}
        """Of each ingress's machine: a speech model may fill it for a second."""
        self._waits = Window(settings.window_s)
        self._busyness = {
            kind: _Busyness(Window(settings.window_s), Window(ADMISSION_WINDOW_S)) for kind in WorkKind
        }

    # Signals

    def lease_waited(self, wait_ms: float, now: float) -> None:
        """Count how long a final request waited until it got its slot or gave up."""
        self._waits.add(wait_ms, now)

    def slots_are(self, kind: WorkKind, slots: int, busy: int, now: float) -> None:
        """Note how many slots of a kind exist and are in use from now on."""
        self._advance(self._busyness[kind], now)
        self._busyness[kind].slots, self._busyness[kind].busy = slots, busy

    def ingress_is(self, ingress_id: str, signals: IngressSignals, now: float) -> None:
        """Take in an ingress's newest signals."""
        self._signals[ingress_id] = signals
        self._cpu.setdefault(ingress_id, Window(self._settings.window_s)).add(signals.cpu_percent, now)
        self._ladders.setdefault(ingress_id, Ladder(self._settings))

    def forget(self, ingress_id: str) -> None:
        """Forget an ingress."""
        self._signals.pop(ingress_id, None)
        self._cpu.pop(ingress_id, None)
        self._ladders.pop(ingress_id, None)

    # Conclusions

    def step(self, longest_wait_ms: float, now: float) -> None:
        """Move all ladders; call it about twice a second.

        `longest_wait_ms`: of the final requests that wait now. A queue that does not move shows here only.
        """
        for busyness in self._busyness.values():
            self._advance(busyness, now)
            if busyness.room > 0:
                percent = 100.0 * busyness.area / busyness.room
                busyness.short.add(percent, now)
                busyness.long.add(percent, now)
            busyness.area = busyness.room = 0.0
        self.cluster.step(
            Signals(
                lease_wait_p95_ms=max(self._waits.percentile(95.0, now), longest_wait_ms),
                slot_percent=max(busyness.short.mean(now) for busyness in self._busyness.values()),
            ),
            now,
        )
        for ingress_id, ladder in self._ladders.items():
            signals = self._signals[ingress_id]
            ladder.step(
                Signals(
                    lateness_p99_ms=signals.lateness_p99_ms,
                    loop_lag_ms=signals.loop_lag_ms,
                    cpu_percent=self._cpu[ingress_id].mean(now),
                    memory_percent=signals.memory_percent,
                ),
                now,
            )

    def level(self, ingress_id: str) -> tuple[Level, tuple[str, ...]]:
        """Return the level that an ingress has to observe, and why."""
        ladders = [self.cluster, *([self._ladders[ingress_id]] if ingress_id in self._ladders else [])]
        level = max(ladder.level for ladder in ladders)
        reasons = tuple(reason for ladder in ladders if ladder.level == level for reason in ladder.reasons)
        return level, reasons if level else ()

    def signals(self, ingress_id: str) -> IngressSignals:
        """Return an ingress's newest signals."""
        return self._signals.get(ingress_id, IngressSignals())

    def use(self, now: float) -> Mapping[WorkKind, SlotUse]:
        """Return the slots of each kind and how full they were lately."""
        return {
            kind: SlotUse(busyness.slots, busyness.long.mean(now))
            for kind, busyness in self._busyness.items()
        }

    def _advance(self, busyness: _Busyness, now: float) -> None:
        if busyness.since is not None:
            span_s = max(0.0, now - busyness.since)
            busyness.area += busyness.busy * span_s
            busyness.room += busyness.slots * span_s
        busyness.since = now
