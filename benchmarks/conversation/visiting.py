"""The third part: visits at the doorman's server, both legs of each, and what came of them."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from uuid import UUID

from actors.errors import RaymalError
from benchmarks.conversation.calling import HOST, RECORD_WAIT_S, script
from benchmarks.conversation.model import AsideServer
from benchmarks.conversation.speakers import SPEAKERS, Speaker
from benchmarks.conversation.visits import Act, Keyed, Kind, Loud, Said, Silent, Visit, visits
from benchmarks.harness.server import RAYMAL, free_port
from benchmarks.hearing.levels import limited
from benchmarks.hearing.material import Half
from ingress.caller.caller import CallResult, place_call
from ingress.caller.conversation import CallTurn
from ingress.caller.ring import ringing
from ingress.caller.script import CallScript, Pause, Press, Speak, Step
from ingress.link.records import CallOutcome, CallRecord
from ingress.server import observer

FLOW = Path(__file__).parents[2] / "examples" / "doorman" / "doorman.yaml"
AT_A_TIME = 4
NOISE_S = 3.0
OPEN_SAID_S = 1.5
"""Least length of what the visitor hears of an open door, in any language."""
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
    """The reason, where the call ended as wanted; else the result, or what went wrong."""
    is_as_scripted: bool
    is_open: bool
    has_consent: bool
    """The resident really said a yes, or pressed it, before the door was open."""
    turns: Sequence[tuple[str, str, str]] = ()
    """Of the server's record: what kind on which leg, what was heard, what was answered."""
    failure: str | None = None
    """Why a turn of it was not served as it should be; None: all were."""

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


def has_consented(visit: Visit, resident: Iterable[CallTurn], until_s: float) -> bool:
    """Return whether the resident had said a yes by then, to its end. Both by the resident's clock."""
    return any(turn.step in visit.consents and turn.spoke_until_s <= until_s for turn in resident)


def ended(
    language: str, visit: Visit, record: CallRecord | None, has_consent: bool = False, problem: str = ""
) -> VisitEnd:
    """Return what came of a visit. `problem`: what went wrong, on either leg."""
    outcome = record.outcome if record is not None else CallOutcome()
    name, value = OPEN_DOOR
    is_open = outcome.variables.get(name) == value or outcome.reason == "allowed"
    came = outcome.reason if outcome.result in ("ended", "transfer") else outcome.result.value
    end = problem or ("no record" if record is None else came)
    records = record.turns if record is not None else ()
    return VisitEnd(
        language,
        visit.kind,
        visit.number,
        end,
        end in visit.ends,
        is_open,
        has_consent,
        tuple((f"{turn.kind}, {turn.leg}", turn.heard or "", turn.answered or "") for turn in records),
        next((turn.problem for turn in records if turn.problem is not None), None),
    )


@dataclass(slots=True)
class _Residents:
    """Return legs that are awaited, and those that are under way."""

    waiting: dict[UUID, CallScript] = field(default_factory=dict)
    talking: dict[UUID, asyncio.Task[CallResult]] = field(default_factory=dict)

    def ring(self, call_id: UUID) -> None:
        """Let the resident of a call answer, once."""
        if (made := self.waiting.pop(call_id, None)) is not None:
            self.talking[call_id] = asyncio.create_task(place_call(made))

    async def leave(self, call_id: UUID) -> CallResult | None:
        """Return what the resident did, None without one. Raises CallError, TimeoutError."""
        self.waiting.pop(call_id, None)
        if (talking := self.talking.pop(call_id, None)) is None:
            return None
        async with asyncio.timeout(RECORD_WAIT_S):
            return await talking


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
    loop = asyncio.get_running_loop()

    def ring(body: bytes) -> None:
        call_id = UUID(json.loads(body)["variables"]["RAYMAL_UUID"])
        loop.call_soon_threadsafe(residents.ring, call_id)

    with ringing(ring) as url, _configuration(language, url) as (file, port, return_port):
        # After those of every benchmark, of which one turns silence off.
        limit = ("--set", f"call_limits.no_input_s={NO_INPUT_S}")
        command = (*RAYMAL, "--no-ray", "--config", str(file), *limit)
        async with AsideServer("doorman", command) as server_port:

            async def one(visit: Visit, visitor: Sequence[Step], resident: Sequence[Step]) -> VisitEnd:
                async with room:
                    call = script(port, visitor)
                    answer = script(return_port, resident)
                    residents.waiting[call.call_id] = CallScript(
                        HOST, return_port, call.call_id, answer.steps, max_call_s=answer.max_call_s
                    )
                    end = await _visited(language, visit, call, residents, server_port)
                on_done()
                return end

            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(*each)) for each in scripts]
    return [task.result() for task in tasks]


async def _visited(
    language: str, visit: Visit, call: CallScript, residents: _Residents, server_port: int
) -> VisitEnd:
    record, resident, ended_s, problem = None, None, -inf, ""
    try:
        await place_call(call)
        ended_s = asyncio.get_running_loop().time()
        record = await observer.call_record(server_port, str(call.call_id), RECORD_WAIT_S)
    except RaymalError as error:
        problem = str(error)
    try:
        resident = await residents.leave(call.call_id)
    except RaymalError as error:
        problem = problem or f"the resident's leg: {error}"
    except TimeoutError:
        problem = problem or "the resident's leg did not end with the call"
    # A yes while "the door is open" was said already is none that opened it.
    has_consent = resident is not None and has_consented(
        visit, resident.turns, ended_s - OPEN_SAID_S - resident.started_s
    )
    return ended(language, visit, record, has_consent, problem)


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

[privacy]
keep_transcripts = true

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
