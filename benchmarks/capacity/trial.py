"""One step: so many calls for a while, and what was measured of it.

Callers are counted between two instants that all processes know beforehand; the server's own figures (work
done, slots, CPU) are of the same time.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

import psutil

from actors.errors import LinkError
from actors.messages import WorkKind
from actors.percentiles import percentile
from benchmarks.capacity.agenda import Timing
from benchmarks.capacity.callers import Call, CallersReport, Order, Said
from benchmarks.capacity.content import understood
from benchmarks.capacity.crowd import HEAD_START_S, REPORT_DEADLINE_S, crowd
from benchmarks.capacity.judgement import STAGES, broken_objectives, utilisation_percent
from benchmarks.capacity.peer_quality import PeerQuality
from benchmarks.capacity.prompts import Prompt
from benchmarks.capacity.resources import ServerProcesses, Use
from benchmarks.capacity.result import Objectives, Service, Step
from benchmarks.capacity.scenario import Scenario
from benchmarks.capacity.standstill import Standstill, seen_by, watching
from benchmarks.capacity.subject import Subject
from benchmarks.capacity.validity import (
    MAXIMUM_CPU_PERCENT,
    MAXIMUM_LATENESS_MS,
    disturbances,
    standstills,
    unread,
)
from benchmarks.capacity.workload_meter import StatusLook, mean_calls, services, slot_percent
from ingress.link.records import CallRecord, TurnRecord
from ingress.server import observer

LOOK_EVERY_S = 1.0
RECORD_WAIT_S = 3.0
RECORDS_AT_A_TIME = 8

Ended = tuple[Call, CallRecord | None]
"""A call that is over as its caller saw it, and the server's record of it, if it was to be had."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A step, and what its work took."""

    step: Step
    services: dict[WorkKind, Service]


@dataclass(frozen=True, slots=True)
class Trials:
    """Makes steps with one server."""

    subject: Subject
    prompts: Sequence[Prompt]
    scenario: Scenario
    objectives: Objectives

    async def run(self, calls: int, timing: Timing, seed: int, *, at_random: bool = False) -> Trial:
        """Make one step, with so many calls always or on average. Raises CallersError, InstrumentError."""
        plan = self.scenario.at_random if at_random else self.scenario.steady
        begins_s = time.monotonic() + HEAD_START_S
        from_s = begins_s + timing.warm_up_s
        until_s = from_s + timing.counted_s
        order = Order(
            self.subject.host,
            self.subject.port,
            begins_s,
            from_s,
            until_s,
            begins_s + timing.total_s,
            plan(calls, timing.total_s, seed),
            [prompt.audio for prompt in self.prompts],
        )
        records = _Records(self.subject.port)
        processes = ServerProcesses(self.subject.port, self.subject.has_joined_ray)
        looking = asyncio.create_task(self._look(from_s, until_s))
        try:
            with watching() as watch:
                async with crowd(order, calls, records.take) as callers:
                    measuring = [*callers.process_ids, watch.process.pid]
                    await _until(from_s)
                    before = processes.look(measuring)
                    await _until(until_s)
                    use = processes.look(measuring).since(before)
                    stood_still = await asyncio.to_thread(seen_by, watch)
                    memory_bytes = await asyncio.to_thread(processes.memory_bytes)
                    reports = await callers.reports(timing.after_s + REPORT_DEADLINE_S)
            looks = await looking
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
        found = _Found(order, await records.all(), reports, looks, use, memory_bytes, stood_still)
        return Trial(self._step(calls, found), services(looks))

    async def _look(self, from_s: float, until_s: float) -> list[StatusLook]:
        """Ask the server for its status, again and again."""
        looks = []
        due_s = from_s
        while due_s <= until_s:
            await _until(due_s)
            try:
                status = await observer.status(self.subject.port)
            except LinkError:
                pass  # the gateway has too much to do: one look less
            else:
                looks.append(StatusLook.of(status, time.monotonic()))
            due_s += LOOK_EVERY_S
        return looks

    def _step(self, calls: int, found: _Found) -> Step:
        order, use = found.order, found.use
        from_s, until_s = order.counted_from_s, order.counted_until_s
        counted = [it for it in found.ended if it[0].began_s < until_s and it[0].left_s >= from_s]
        arrived = [it for it in counted if it[0].began_s >= from_s]
        taken = [it for it in counted if not _is_refused(*it)]
        turns = [it for it in self._turns(taken) if from_s <= it[0].ended_s < until_s]
        was_answered = any(said.answer_ms is not None for said, _ in turns)

        def turn_ms(percent: float) -> float | None:
            return percentile((said.waited_ms for said, _ in turns), percent) if was_answered else None

        recorded = [
            turn for _, record in taken if record for turn in record.turns if turn.kind == "utterance"
        ]
        quality = sum((report.quality for report in found.reports), PeerQuality())
        slots = slot_percent(found.looks)
        step = Step(
            calls=calls,
            seconds=until_s - from_s,
            turns=len(turns),
            turn_p50_ms=turn_ms(50),
            turn_p95_ms=turn_ms(95),
            turn_p99_ms=turn_ms(99),
            stages_ms=mean_stages_ms(recorded),
            lateness=quality.summary(),
            underruns=quality.underruns + sum(turn.underruns > 0 for turn in recorded),
            offered_calls=len(arrived),
            refused_calls=sum(_is_refused(*it) for it in arrived),
            content_errors=sum(not is_right for _, is_right in turns),
            cores=use.cores,
            slot_percent=slots,
            memory_bytes=found.memory_bytes,
            calls_mean=mean_calls(found.looks),
            dropped_calls=sum(call.failure is not None or call.was_hung_up_on for call, _ in taken),
            late_shares=quality.late_shares(),
            level=max((look.level for look in found.looks), default=0),
            utilisation_percent=utilisation_percent(
                use.cores,
                slots,
                len(os.sched_getaffinity(0)),
                self.subject.settings.server.media_workers,
                psutil.virtual_memory().percent / 100.0,
            ),
            broken=(),
            invalid=(),
        )
        broken = broken_objectives(step, self.objectives)
        invalid = unread(taken)
        for report in found.reports:
            invalid += report.loop.invalid_because(MAXIMUM_LATENESS_MS, MAXIMUM_CPU_PERCENT)
        if broken:
            invalid += [*disturbances(use), *standstills(found.stood_still, from_s, until_s)]
        return step.model_copy(update={"broken": broken, "invalid": tuple(invalid)})

    def _turns(self, ended: Sequence[Ended]) -> list[tuple[Said, bool]]:
        """Return every utterance, and whether it was understood and answered."""
        found: list[tuple[Said, bool]] = []
        for call, record in ended:
            right = [said.answer_ms is not None for said in call.said]
            if record is not None and self.subject.keeps_words:
                texts = [self.prompts[said.prompt].text for said in call.said]
                heard = understood(texts, record.turns)
                right = [both[0] and both[1] for both in zip(right, heard, strict=True)]
            found += zip(call.said, right, strict=True)
        return found


@dataclass(frozen=True, slots=True)
class _Found:
    """What came of a step, before anything is made of it."""

    order: Order
    ended: list[Ended]
    reports: list[CallersReport]
    looks: list[StatusLook]
    use: Use
    memory_bytes: int
    stood_still: list[Standstill]


class _Records:
    """The server's records of calls that end, asked for at once: it keeps the newest only."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._places = asyncio.Semaphore(RECORDS_AT_A_TIME)
        self._asked: list[asyncio.Task[Ended]] = []

    def take(self, call: Call) -> None:
        """Ask for the record of a call that has ended."""
        self._asked.append(asyncio.create_task(self._ask(call)))

    async def all(self) -> list[Ended]:
        """Return all calls with what the server has of them; None if it could not be asked in time."""
        return list(await asyncio.gather(*self._asked))

    async def _ask(self, call: Call) -> Ended:
        if not call.call_id:
            return call, None
        async with self._places:
            try:
                return call, await observer.call_record(self._port, call.call_id, RECORD_WAIT_S)
            except LinkError:
                return call, None


def mean_stages_ms(turns: Sequence[TurnRecord]) -> dict[str, float]:
    """Return the mean of each stage over all answered turns; a stage that did not happen took no time."""
    answered = [turn for turn in turns if turn.first_answer_ms is not None]
    sums: dict[str, float] = {}
    for turn in answered:
        for name, took_ms in turn.stage_times_ms():
            sums[name] = sums.get(name, 0.0) + took_ms
    return {name: sums[name] / len(answered) for name in STAGES if name in sums}


def _is_refused(call: Call, record: CallRecord | None) -> bool:
    """Whether it heard that all lines are busy, or was hung up on at once."""
    return record.was_refused if record is not None else call.was_hung_up_on


async def _until(at_s: float) -> None:
    await asyncio.sleep(max(0.0, at_s - time.monotonic()))
