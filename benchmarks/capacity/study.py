"""The whole measurement: search for the limit, confirm what was held, then offer more than that.

The search is made with admission off, or it would find the limit that was configured. What it finds is
then configured, and one and a half, two and three times as many calls are offered: those that are
taken must not notice, the others must be refused. A server that was running before is left as it is;
its own admission, if it is on, may then be what limits.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Protocol

from actors.errors import RaymalError
from actors.settings import SpeechSettings
from benchmarks.capacity.agenda import OVERLOADS, Agenda, Timing
from benchmarks.capacity.judgement import headroom_percent, limited_by, next_limit
from benchmarks.capacity.limits import admission_limits, scarcer_slots
from benchmarks.capacity.prompts import Prompt, recorded_prompts, scripted_prompts, synthesised_prompts
from benchmarks.capacity.resources import SERVER_PARTS
from benchmarks.capacity.result import CapacityResult, Machine, Objectives, Step, Workload
from benchmarks.capacity.scenario import Scenario
from benchmarks.capacity.search import CapacitySearch, retreat
from benchmarks.capacity.subject import Subject, running, started
from benchmarks.capacity.trial import Trial, Trials
from benchmarks.harness import machine

PACKAGES = ("ray", "faster-whisper", "ctranslate2", "hibari-tts", "onnxruntime", "numpy", "uvloop")
FIRST_CALLS = 4
WITHOUT_ADMISSION = ("--set", "admission.enabled=false")
SEED_STRIDE = 1_000
"""Between the seeds of two measurements: every step has its own."""
RETRIES = 2
"""Of a step that says nothing, because the machine was disturbed."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be measured."""

    port: int | None
    """Of a running server; None: one is started."""
    flags: tuple[str, ...]
    """Of the server to start."""
    minutes: float
    objectives: Objectives
    utterance_s: float
    period_s: float
    call_s: float
    seed: int
    with_overload: bool
    first_calls: int
    maximum_calls: int | None
    recordings: Path | None
    command: str


class Progress(Protocol):
    """What a measurement reports while it runs."""

    def begin(self, text: str, seconds: float | None = None) -> None:
        """Something begins, and takes so long if that is known."""

    def line(self, text: str) -> None:
        """Something is over, or has failed."""


class Study:
    """One measurement."""

    def __init__(self, request: Request, progress: Progress, agenda: Agenda | None = None) -> None:
        """Without an agenda, one for the request's minutes. Raises ValueError when they are too few."""
        self._request = request
        self._progress = progress
        self._agenda = agenda or Agenda.of(request.minutes, request.with_overload)
        self._trials_made = 0
        self._steps: list[Step] = []
        self._overload_steps: list[Step] = []

    async def run(self) -> CapacityResult:
        """Measure. Raises RaymalError."""
        request = self._request
        if request.port is not None:
            trials = await self._trials(await running(request.port))
            held = await self._find(trials)
            if held is not None and request.with_overload:
                await self._overload(trials, held)
        else:
            async with started((*request.flags, *WITHOUT_ADMISSION), self._progress.begin) as subject:
                trials = await self._trials(subject)
                held = await self._find(trials)
            if held is not None and request.with_overload:
                await self._overload_limited(trials, held)
        return self._result(trials, held)

    async def _trials(self, subject: Subject) -> Trials:
        request = self._request
        self._progress.begin("preparing what callers say")
        prompts = await asyncio.to_thread(self._prompts, subject)
        scenario = Scenario([prompt.duration_s for prompt in prompts], request.period_s, request.call_s)
        return Trials(subject, prompts, scenario, request.objectives)

    def _prompts(self, subject: Subject) -> list[Prompt]:
        if subject.is_scripted:
            return scripted_prompts(subject.settings.speech.scripted.transcript)
        if self._request.recordings is not None:
            return recorded_prompts(self._request.recordings, self._request.utterance_s)
        return synthesised_prompts(self._request.utterance_s)

    async def _find(self, trials: Trials) -> Trial | None:
        """Search and confirm; return the longest run at what is held, None if nothing is."""
        maximum = self._request.maximum_calls or trials.subject.maximum_calls
        search = CapacitySearch(self._request.first_calls, min(maximum, trials.subject.maximum_calls))
        found: dict[int, Trial] = {}
        left = self._agenda.search_steps
        while left > 0 and (calls := search.next_calls) is not None:
            left -= 1
            trial = await self._try(trials, calls, self._agenda.step, "searching")
            for _ in range(min(RETRIES, left)):
                if trial.step.invalid:
                    left -= 1
                    trial = await self._try(trials, calls, self._agenda.step, "again, it was disturbed")
            search.take(calls, trial.step.is_held)
            if trial.step.is_held:
                found[calls] = trial
        return await self._confirm(trials, found, left)

    async def _confirm(self, trials: Trials, found: dict[int, Trial], left: int) -> Trial | None:
        """Hold the greatest number for long; less, as often as there is time for it, if that fails."""
        calls = max(found, default=0)
        time_left_s = self._agenda.confirmation.total_s + left * self._agenda.step.total_s
        while calls > 0 and time_left_s >= self._agenda.confirmation.total_s:
            time_left_s -= self._agenda.confirmation.total_s
            trial = await self._try(trials, calls, self._agenda.confirmation, "confirming")
            if trial.step.is_held:
                return trial
            found = {held: earlier for held, earlier in found.items() if held < calls}
            calls = retreat(calls)
        return found[max(found)] if found else None

    async def _overload(self, trials: Trials, held: Trial) -> None:
        # Calls have to be refused here; those that are taken have to be served as well as before.
        objectives = trials.objectives.model_copy(update={"refused_percent": 100.0})
        trials = replace(trials, objectives=objectives)
        for ratio in OVERLOADS:
            calls = round(held.step.calls * ratio)
            trial = await self._try(trials, calls, self._agenda.step, "overload", at_random=True)
            self._overload_steps.append(trial.step)

    async def _overload_limited(self, trials: Trials, held: Trial) -> None:
        """Offer too much to a server with the limits found. What was held is kept if that fails."""
        limits = admission_limits(round(held.step.calls), scarcer_slots(held.services))
        settings = (("--set", f"admission.{name}={value}") for name, value in limits.items())
        flags = (*self._request.flags, *chain.from_iterable(settings))
        try:
            async with started(flags, self._progress.begin) as limited:
                await self._overload(replace(trials, subject=limited), held)
        except RaymalError as error:
            self._overload_steps.clear()
            self._progress.line(f"the overload was not measured: {error}")

    async def _try(
        self, trials: Trials, calls: int, timing: Timing, what: str, *, at_random: bool = False
    ) -> Trial:
        self._trials_made += 1
        self._progress.begin(f"{what}: {calls} calls", timing.total_s)
        seed = self._request.seed * SEED_STRIDE + self._trials_made
        trial = await trials.run(calls, timing, seed, at_random=at_random)
        if not at_random:
            self._steps.append(trial.step)
        verdict = "; ".join((*trial.step.broken, *trial.step.invalid)) or "held"
        self._progress.line(f"{calls} calls: {verdict}")
        return trial

    def _result(self, trials: Trials, held: Trial | None) -> CapacityResult:
        request, subject = self._request, trials.subject
        calls_held = round(held.step.calls) if held is not None else 0
        broken = [step for step in self._steps if step.broken and step.calls > calls_held]
        # A disturbed step shows what the host did, not what limits: only if there is no other.
        least = min(broken, key=lambda step: (bool(step.invalid), step.calls), default=None)
        if least is None:
            limit = "nothing that was found: no more calls were tried"
        else:
            limit = limited_by(least, held.step if held is not None else None)
        here = machine.Machine.this(PACKAGES)
        lengths_s = [prompt.duration_s for prompt in trials.prompts]
        return CapacityResult(
            taken_at=datetime.now(UTC).isoformat(timespec="seconds"),
            raymal=f"{version('raymal')} ({here.commit})",
            command=request.command,
            seed=request.seed,
            machine=Machine.of(here),
            models=models(subject.settings.speech),
            workload=Workload(
                speech=self._speech(subject),
                language=subject.settings.speech.first_language,
                utterance_s=sum(lengths_s) / len(lengths_s),
                period_s=request.period_s,
                call_s=request.call_s,
            ),
            objectives=request.objectives,
            steps=tuple(self._steps),
            confirmed=held.step if held is not None else None,
            overload=tuple(self._overload_steps),
            calls_held=calls_held,
            limited_by=limit,
            headroom_percent=headroom_percent(held.step) if held is not None else {},
            core_s_per_call_minute=core_s_per_call_minute(held.step) if held is not None else None,
            services=held.services if held is not None else {},
            next_limit=next_limit(held.step, limit) if held is not None else "not known",
        )

    def _speech(self, subject: Subject) -> str:
        if subject.is_scripted:
            return "scripted"
        return "synthesised" if self._request.recordings is None else "recorded"


def core_s_per_call_minute(step: Step) -> float | None:
    """Return what a minute of a call costs the server, all its processes on this machine together."""
    if not step.calls_mean:
        return None
    return 60.0 * sum(step.cores.get(part, 0.0) for part in SERVER_PARTS) / step.calls_mean


def models(speech: SpeechSettings) -> dict[str, str]:
    """Return engine and model of each kind of work."""
    names = {"whisper": speech.whisper.model, "hibari": speech.hibari.voice, "coqui": speech.coqui.model}
    return {
        kind: f"{engine} {names.get(engine, '')}".strip()
        for kind, engine in (("transcription", speech.stt), ("synthesis", speech.tts))
    }
