"""One step: so many calls for a while, and everything that is to be known of it.

The callers are counted between two instants that everybody was told beforehand; the server's own figures
(work done, slots, CPU) are of the same time. What disturbed the machine is only held against a step that
was not held: nobody else's use of the cores can have helped the server.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psutil

from actors.errors import LinkError
from benchmarks.capacity.agenda import Timing
from benchmarks.capacity.callers import Call, CallersReport, Said
from benchmarks.capacity.content import understood
from benchmarks.capacity.crowd import (
    HEAD_START_S,
    REPORT_DEADLINE_S,
    CrowdOrder,
    crowd,
    invalid_because,
)
from benchmarks.capacity.judgement import broken_objectives, utilisation_percent
from benchmarks.capacity.peer_quality import PeerQuality
from benchmarks.capacity.prompts import Prompt
from benchmarks.capacity.resources import Look, ServerProcesses, Use
from benchmarks.capacity.result import Objectives, Service, Step
from benchmarks.capacity.scenario import Scenario
from benchmarks.capacity.standstill import stood_still, watching
from benchmarks.capacity.subject import Subject
from benchmarks.capacity.workload_meter import StatusLook, mean_calls, services, slot_percent
from ingress.caller.listening_quality import percentile
from ingress.link.records import CallRecord, TurnRecord
from ingress.server import observer

LOOK_EVERY_S = 1.0
RECORD_WAIT_S = 3.0
RECORDS_AT_A_TIME = 8
MAXIMUM_STOLEN_PERCENT = 5.0
MAXIMUM_STRANGERS_CORES = 0.25
MAXIMUM_UNREAD_PERCENT = 2.0
"""Of calls whose words cannot be checked, since the server's record of them was not to be had."""

STAGES = ("endpoint wait", "lease wait", "transcription", "dialog", "synthesis", "link", "playout wait")

OnSeconds = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Trial:
    """A step, and what its work took."""

    step: Step
    services: dict[str, Service]
    callers: tuple[CallersReport, ...]


@dataclass(frozen=True, slots=True)
class Trials:
    """Makes steps with one server."""

    subject: Subject
    prompts: Sequence[Prompt]
    scenario: Scenario
    objectives: Objectives

    async def run(
        self, calls: int, timing: Timing, seed: int, on_seconds: OnSeconds, *, at_random: bool = False
    ) -> Trial:
        """Make one step, with so many calls always or on average. Raises CallersError, LinkError."""
        begins_s = time.monotonic() + HEAD_START_S
        counted_from_s = begins_s + timing.warm_up_s
        counted_until_s = counted_from_s + timing.counted_s
        plan = self.scenario.at_random if at_random else self.scenario.steady
        planned = plan(calls, timing.total_s, seed)
        order = CrowdOrder(
            (self.subject.host, self.subject.port),
            self.prompts,
            planned,
            (begins_s, counted_from_s, counted_until_s, begins_s + timing.total_s),
            calls,
        )
        records = _Records(self.subject.port)
        processes = ServerProcesses(self.subject.port, self.subject.has_joined_ray)
        looking = asyncio.create_task(self._look(counted_from_s, counted_until_s))
        telling = asyncio.create_task(_tell(begins_s, timing.total_s, on_seconds))
        try:
            async with watching() as watch, crowd(order, records.take) as callers:
                measuring = [*callers.process_ids, watch.process_id]
                await _until(counted_from_s)
                before = processes.look(measuring)
                await _until(counted_until_s)
                after = processes.look(measuring)
                standstills = await watch.end()
                memory_bytes = await asyncio.to_thread(processes.memory_bytes)
                reports = await callers.reports(timing.after_s + REPORT_DEADLINE_S)
            looks = await looking
        finally:
            looking.cancel()
            telling.cancel()
            await asyncio.gather(looking, telling, return_exceptions=True)
        ended = await records.all()
        window = (counted_from_s, counted_until_s)
        still = stood_still(standstills, *window)
        return self._trial(calls, timing, window, ended, reports, looks, (before, after), memory_bytes, still)

    async def _look(self, from_s: float, until_s: float) -> list[StatusLook]:
        """Ask the server how it does, again and again."""
        looks = []
        due_s = from_s
        while due_s <= until_s:
            await _until(due_s)
            try:
                reply = await observer.status(self.subject.port)
            except LinkError:
                pass  # a gateway that has too much to do; the others will tell
            else:
                looks.append(StatusLook.of(reply.status, time.monotonic()))
            due_s += LOOK_EVERY_S
        return looks

    def _trial(
        self,
        calls: int,
        timing: Timing,
        window: tuple[float, float],
        ended: Sequence[tuple[Call, CallRecord | None]],
        reports: Sequence[CallersReport],
        looks: Sequence[StatusLook],
        between: tuple[Look, Look],
        memory_bytes: int,
        still: Sequence[str],
    ) -> Trial:
        counted = [pair for pair in ended if pair[0].began_s < window[1] and pair[0].left_s >= window[0]]
        arrived = [pair for pair in counted if pair[0].began_s >= window[0]]
        taken = [pair for pair in counted if not _is_refused(*pair)]
        turns = [_Turn(call, said, is_right) for call, said, is_right in self._said(taken)]
        turns = [turn for turn in turns if window[0] <= turn.said.ended_s < window[1]]
        times_ms = [turn.said.waited_ms for turn in turns]
        server_turns = [
            turn for _, record in taken if record for turn in record.turns if turn.kind == "utterance"
        ]
        quality = sum((report.quality for report in reports), PeerQuality.nothing())
        holes = sum(turn.underruns > 0 for turn in server_turns)
        use = between[1].since(between[0])
        slots = slot_percent(looks)
        machine_cores = len(os.sched_getaffinity(0))
        resources_used = utilisation_percent(
            use.cores,
            slots,
            machine_cores,
            self.subject.settings.server.media_workers,
            psutil.virtual_memory().percent / 100.0,
        )
        answered = any(turn.said.answer_ms is not None for turn in turns)
        step = Step(
            calls=calls,
            seconds=timing.counted_s,
            turns=len(turns),
            turn_p50_ms=percentile(times_ms, 50) if answered else None,
            turn_p95_ms=percentile(times_ms, 95) if answered else None,
            turn_p99_ms=percentile(times_ms, 99) if answered else None,
            stages_ms=mean_stages_ms(server_turns),
            lateness=quality.summary(),
            underruns=quality.underruns + holes,
            offered_calls=len(arrived),
            refused_calls=sum(_is_refused(*pair) for pair in arrived),
            content_errors=sum(not turn.is_right for turn in turns),
            cores=use.cores,
            slot_percent=slots,
            memory_bytes=memory_bytes,
            calls_mean=mean_calls(looks),
            dropped_calls=sum(_is_dropped(call) for call, _ in taken),
            late_shares=quality.late_shares(),
            level=max((look.level for look in looks), default=0),
            utilisation_percent=resources_used,
            broken=(),
            invalid=(),
        )
        broken = broken_objectives(step, self.objectives)
        invalid = [reason for report in reports for reason in invalid_because(report)]
        invalid += unread(taken)
        if broken:
            invalid += [*disturbances(use), *still]
        step = step.model_copy(update={"broken": broken, "invalid": tuple(invalid)})
        return Trial(step, services(looks), tuple(reports))

    def _said(self, ended: Sequence[tuple[Call, CallRecord | None]]) -> list[tuple[Call, Said, bool]]:
        """Return every utterance, and whether it was understood and answered."""
        found = []
        for call, record in ended:
            right = [said.answer_ms is not None for said in call.said]
            if record is not None and self.subject.keeps_words:
                texts = [self.prompts[said.prompt].text for said in call.said]
                heard = understood(texts, record.turns)
                right = [both[0] and both[1] for both in zip(right, heard, strict=True)]
            found += [(call, said, is_right) for said, is_right in zip(call.said, right, strict=True)]
        return found


@dataclass(frozen=True, slots=True)
class _Turn:
    call: Call
    said: Said
    is_right: bool


class _Records:
    """The server's records of calls that end, asked for as they do: it keeps the newest only."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._places = asyncio.Semaphore(RECORDS_AT_A_TIME)
        self._asked: list[asyncio.Task[tuple[Call, CallRecord | None]]] = []

    def take(self, call: Call) -> None:
        """A call has ended."""
        self._asked.append(asyncio.create_task(self._ask(call)))

    async def all(self) -> list[tuple[Call, CallRecord | None]]:
        """Return all calls with what the server has of them; None if it could not be asked in time."""
        return list(await asyncio.gather(*self._asked))

    async def _ask(self, call: Call) -> tuple[Call, CallRecord | None]:
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
    order = [name for name in STAGES if name in sums]
    return {name: sums[name] / len(answered) for name in order}


def unread(taken: Sequence[tuple[Call, CallRecord | None]]) -> list[str]:
    """Return that too few of the calls' records were to be had, if so: what was said in them is not known."""
    missing = sum(record is None for call, record in taken if call.call_id)
    if 100.0 * missing <= MAXIMUM_UNREAD_PERCENT * len(taken):
        return []
    return [f"the server's records of {missing} of {len(taken)} calls could not be read"]


def disturbances(use: Use) -> list[str]:
    """Return who else used the machine so much that a step that was not held says nothing."""
    reasons = []
    if use.stolen_percent > MAXIMUM_STOLEN_PERCENT:
        reasons.append(f"the host took {use.stolen_percent:.0f} % of the cores")
    if use.strangers_cores > MAXIMUM_STRANGERS_CORES:
        reasons.append(f"other programs used {use.strangers_cores:.2f} cores")
    return reasons


def _is_refused(call: Call, record: CallRecord | None) -> bool:
    """Whether it was told that all lines are busy, or hung up on at once."""
    return record.was_refused if record is not None else call.was_hung_up_on


def _is_dropped(call: Call) -> bool:
    return call.failure is not None or call.was_hung_up_on


async def _until(at_s: float) -> None:
    await asyncio.sleep(max(0.0, at_s - time.monotonic()))


async def _tell(begins_s: float, total_s: float, on_seconds: OnSeconds) -> None:
    while (passed_s := time.monotonic() - begins_s) < total_s:
        on_seconds(max(0.0, passed_s))
        await asyncio.sleep(0.5)
