"""The third part: visits at the doorman's server, both legs of each, and what came of them."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from actors.errors import RaymalError
from benchmarks.conversation.calling import HOST, RECORD_WAIT_S, script
from benchmarks.conversation.model import AsideServer
from benchmarks.conversation.ring import ringing
from benchmarks.conversation.speakers import SPEAKERS, Speaker
from benchmarks.conversation.visits import Act, Keyed, Kind, Loud, Said, Silent, Visit, visits
from benchmarks.harness.server import RAYMAL, free_port
from benchmarks.hearing.levels import limited
from benchmarks.hearing.material import Half
from ingress.caller.caller import CallResult, place_call
from ingress.caller.script import CallScript, Pause, Press, Speak, Step
from ingress.link.records import CallOutcome
from ingress.server import observer

FLOW = Path(__file__).parents[2] / "examples" / "doorman" / "doorman.yaml"
AT_A_TIME = 2
NOISE_S = 3.0
NO_INPUT_S = 4.0
"""Less than usual: silences are waited for."""
OPEN_DOOR = ("DOOR", "open")
QUICK = (Kind.YES, Kind.NO)
"""One each in a quick run."""


@dataclass(frozen=True, slots=True)
class VisitEnd:
    """One visit that is over."""

    language: str
    kind: Kind
    number: int
    end: str
    """The dialog's reason, or the result; why there is none of both."""
    is_as_scripted: bool
    is_open: bool
    has_consent: bool

    @property
    def is_safe(self) -> bool:
        """No door was opened without a yes of the resident."""
        return self.has_consent or not self.is_open


def planned(language: str, is_quick: bool) -> list[Visit]:
    """Return the visits of a run."""
    every = visits(language)
    if not is_quick:
        return every
    return [next(visit for visit in every if visit.kind is kind) for kind in QUICK]


def ended(language: str, visit: Visit, outcome: CallOutcome | None, problem: str = "") -> VisitEnd:
    """Return what came of a visit. `problem`: why there is no outcome."""
    name, value = OPEN_DOOR
    is_open = outcome is not None and (outcome.variables.get(name) == value or outcome.reason == "allowed")
    end = problem or "no record" if outcome is None else outcome.reason or outcome.result.value
    is_as_scripted = outcome is not None and end in visit.ends
    return VisitEnd(language, visit.kind, visit.number, end, is_as_scripted, is_open, visit.has_consent)


@dataclass(slots=True)
class _Residents:
    """Return legs that are awaited, and those that are under way."""

    waiting: dict[UUID, CallScript] = field(default_factory=dict)
    talking: dict[UUID, asyncio.Task[CallResult]] = field(default_factory=dict)

    def ring(self, call_id: UUID) -> None:
        """Let the resident of a call answer, once."""
        if (made := self.waiting.pop(call_id, None)) is not None:
            self.talking[call_id] = asyncio.create_task(place_call(made))

    async def leave(self, call_id: UUID) -> None:
        """Wait for the end of a call's return leg, whatever it was."""
        self.waiting.pop(call_id, None)
        if (talking := self.talking.pop(call_id, None)) is not None:
            await asyncio.wait([talking], timeout=RECORD_WAIT_S)
            talking.cancel()
            await asyncio.gather(talking, return_exceptions=True)


def measure(language: str, made: Sequence[Visit], on_done: Callable[[], None]) -> list[VisitEnd]:
    """Make these visits at a server of their own. Raises ServerError, EngineError, ConfigurationError."""
    speakers = SPEAKERS[language]
    scripts = [
        (
            visit,
            _steps(visit.visitor, speakers[visit.number % len(speakers)]),
            _steps(visit.resident, speakers[(visit.number + 1) % len(speakers)]),
        )
        for visit in made
    ]
    return asyncio.run(_measure(language, scripts, on_done))


async def _measure(
    language: str,
    scripts: Sequence[tuple[Visit, Sequence[Step], Sequence[Step]]],
    on_done: Callable[[], None],
) -> list[VisitEnd]:
    residents, room = _Residents(), asyncio.Semaphore(AT_A_TIME)
    async with ringing(residents.ring) as url:
        with _configuration(language, url) as (file, port, return_port):
            command = (*RAYMAL, "--no-ray", "--config", str(file))
            async with AsideServer("doorman", command) as server_port:

                async def one(visit: Visit, visitor: Sequence[Step], resident: Sequence[Step]) -> VisitEnd:
                    async with room:
                        call = script(port, visitor)
                        answer = script(return_port, resident)
                        residents.waiting[call.call_id] = CallScript(
                            HOST, return_port, call.call_id, answer.steps, max_call_s=answer.max_call_s
                        )
                        outcome, problem = None, ""
                        try:
                            await place_call(call)
                            record = await observer.call_record(server_port, str(call.call_id), RECORD_WAIT_S)
                            outcome = record.outcome if record is not None else None
                        except RaymalError as error:
                            problem = str(error)
                        await residents.leave(call.call_id)
                    end = ended(language, visit, outcome, problem)
                    on_done()
                    return end

                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(one(*each)) for each in scripts]
    return [task.result() for task in tasks]


def _steps(acts: Sequence[Act], speaker: Speaker) -> list[Step]:
    return [_step(act, speaker) for act in acts]


def _step(act: Act, speaker: Speaker) -> Step:
    match act:
        case Said(text, into_answer_s):
            return Speak(speaker.say(text), into_answer_s)
        case Keyed(keys, into_answer_s):
            return Press(keys, into_answer_s)
        case Silent(pause_s):
            return Pause(pause_s)
        case Loud(noise, seed):
            # The half that nothing was tuned on.
            samples = limited(noise.samples(NOISE_S, Half.REPORT, seed))
            return Speak(samples.astype("<i2").tobytes())


@contextmanager
def _configuration(language: str, ring_url: str) -> Iterator[tuple[Path, int, int]]:
    """Yield the file of a doorman in a language, and the ports of both legs."""
    port, return_port = free_port(), free_port()
    tts = "kokoro" if language == "pt" else "hibari"
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        file = Path(folder, "raymal.toml")
        file.write_text(
            f"""
[speech]
tts = "{tts}"
language = "{language}"

[admission]
enabled = false

[call_limits]
no_input_s = {NO_INPUT_S}

[extensions.door]
port = {port}
return_port = {return_port}
dialog.name = "flow"
dialog.flow.file = "{FLOW}"
endpointing.end_silence_ms = 600

[extensions.door.dialog.flow.lookups.ring]
method = "POST"
url = "{ring_url}?apartment={{apartment}}"
body = {{variables = {{RAYMAL_UUID = "{{uuid}}"}}}}
deadline_s = 5.0
"""
        )
        yield file, port, return_port
