"""More callers than there is room for: who is served, who is refused and how soon, and who else notices.

A real `raymal serve` with engines that only take their time, and room for a few dozen calls. Some calls
stand from before the load until after it and talk all the time (strict peers, which drop what Asterisk
would drop). Beside them callers come in an open loop, at 1, 2 and 10 times what the rest of the lines can
take: as many as come, whatever becomes of them. All is measured from outside, at the callers' sockets.

The server has one core, its callers the other, and on its core the audio clock goes first. What the whole
machine's CPU says is taken out of the ladder's signals: here the callers are on that machine too. With
`--ray` the speech workers run on a private Ray, and no core is set apart.

Run as `python -m benchmarks.overload`. Exit code 1 if a criterion is missed, 2 if it could not be measured
or was disturbed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import floor
from pathlib import Path

from rich.console import Console

from actors.errors import RaymalError
from actors.settings import AdmissionSettings
from actors.status import AdmissionStatus
from benchmarks.faults.core_use import Snapshot
from benchmarks.faults.report import outcome_table, write_figures
from benchmarks.faults.server import Server, serving, wait_for
from benchmarks.faults.verdicts import exit_code
from benchmarks.faults.workplace import Workplace, check_machine, workplace
from benchmarks.harness.machine import Machine
from benchmarks.harness.server_process import ServerError
from benchmarks.overload.judgement import Measured, Phase, Seen, verdicts
from benchmarks.overload.newcomers import coming_callers
from benchmarks.overload.speech import CHARACTERS_PER_S, GREETING, PERIOD_S
from benchmarks.overload.standing import standing_calls
from ingress.link.status import ServerStatus

SLOTS = 4
CALLS_PER_SLOT = 12
STANDING = 12
SETTINGS: Mapping[str, object] = {
    "speech.scripted.stt_delay_s": 0.2,
    "speech.scripted.tts_delay_s": 0.05,
    "speech.scripted.speech_rate_characters_per_s": CHARACTERS_PER_S,
    "admission.calls_per_slot": CALLS_PER_SLOT,
    "cache.memory_bytes": 0,  # every answer is synthesized
    "throttle.cpu_percent": [101, 101, 101],
}
REALTIME = "server.realtime_priority=10"
"""Gateway and speech workers share the media worker's core: the audio clock goes first (docs/audio.md).
Needs root."""
FLAGS = (
    "--stt", "scripted", "--tts", "scripted", "--greeting", GREETING,
    "--max-transcriptions", f"{SLOTS}", "--max-syntheses", f"{SLOTS}",
    *(part for key, value in SETTINGS.items() for part in ("--set", f"{key}={value}")),
)  # fmt: skip
CALM_TRIES = 2
LOOK_S = 1.0
"""Between two looks at the server's status."""
GIVE_BACK_S = 5.0
"""For the places of callers who have left."""
LAST_ANSWER_S = 1.5
"""What was said just before the end is answered."""
LEAST_WIDTH = 120


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured."""

    loads: tuple[float, ...] = (1.0, 2.0, 10.0)
    alone_s: float = 20.0
    """Of the standing calls without newcomers, before and after."""
    measured_s: float = 40.0
    """Of each load."""
    stays_s: tuple[float, float] = (8.0, 16.0)
    """Least and greatest time that newcomers want to stay."""

    @property
    def mean_stay_s(self) -> float:
        """Of the newcomers; also how long they come before they are measured."""
        return sum(self.stays_s) / 2


QUICK = Extent(loads=(2.0, 10.0), alone_s=4.0, measured_s=4.0, stays_s=(5.0, 7.0))


def measure(place: Workplace, extent: Extent, on_ray: bool, settings: Sequence[str] = ()) -> Measured:
    """Measure everything on a fresh server with further `settings`. Raises RaymalError."""
    flags = (*FLAGS, *(part for setting in settings for part in ("--set", setting)))
    kind = () if on_ray else ("--no-ray",)
    with (
        serving(place, *flags, kind=kind, is_pinned=not on_ray) as server,
        standing_calls(server.port, STANDING) as standing,
    ):
        place.say(f"{STANDING} calls begin to talk")
        if wait_for(lambda: _admission(server).calls == STANDING, 20.0) is None:
            raise ServerError(f"not all of {STANDING} calls were taken: {_admission(server)}")
        time.sleep(PERIOD_S + 1.0)  # all have spoken
        capacity = floor(_admission(server).capacity * AdmissionSettings().normal_percent / 100.0)
        phases = [_calm(place, server, extent, on_ray)]
        for seed, load in enumerate(extent.loads, 1):
            phases.append(_loaded(place, server, load, capacity, extent, seed, on_ray))
            wait_for(lambda: _admission(server).calls == STANDING, GIVE_BACK_S)
        if extent is not QUICK:
            phases.append(_alone(place, server, "after", extent, on_ray))
        refused = _admission(server).refused
        time.sleep(LAST_ANSWER_S)
        calls = standing.end()
    return Measured(capacity, calls, phases, refused)


def _calm(place: Workplace, server: Server, extent: Extent, on_ray: bool) -> Phase:
    """Return the time that all others are compared with: the first of a few that was not disturbed."""
    for _ in range(CALM_TRIES):
        phase = _alone(place, server, "before", extent, on_ray)
        if not phase.is_disturbed:
            break
    return phase


def _alone(place: Workplace, server: Server, name: str, extent: Extent, on_ray: bool) -> Phase:
    place.say(f"{name}: {STANDING} calls alone")
    begin_s = time.monotonic()
    seen = _watched(place, server, lambda: time.monotonic() - begin_s >= extent.alone_s, on_ray)
    return Phase(name, 0.0, begin_s, time.monotonic(), seen)


def _loaded(
    place: Workplace, server: Server, load: float, capacity: int, extent: Extent, seed: int, on_ray: bool
) -> Phase:
    place.say(f"{load:g} times the callers that there is room for")
    per_second = load * (capacity - STANDING) / extent.mean_stay_s
    seconds = extent.mean_stay_s + extent.measured_s
    with coming_callers(server.port, per_second, seconds, extent.stays_s, seed) as coming:
        seen = _watched(place, server, lambda: coming.is_over, on_ray)
        stream = coming.stream()
    begin_s = stream.began_s + extent.mean_stay_s
    return Phase(f"{load:g} times", load, begin_s, stream.until_s, seen, stream)


def _watched(place: Workplace, server: Server, is_over: Callable[[], bool], on_ray: bool) -> Seen:
    """Look at the server until it is over."""
    before = None if on_ray else Snapshot.of(server, place.server_core)
    most_calls, level, reasons = 0, 0, tuple[str, ...]()
    while not is_over():
        status = _status(server)
        assert status.fleet is not None
        assert status.decision is not None
        most_calls = max(most_calls, status.fleet.admission.calls)
        if status.level > level:
            level, reasons = status.level, status.decision.reasons
        wait_for(is_over, LOOK_S)
    use = None if before is None else Snapshot.of(server, place.server_core) - before
    return Seen(most_calls, level, reasons, use)


def _status(server: Server) -> ServerStatus:
    status = server.status()
    if status is None or status.fleet is None:
        raise ServerError("the gateway does not answer")
    return status


def _admission(server: Server) -> AdmissionStatus:
    fleet = _status(server).fleet
    assert fleet is not None
    return fleet.admission


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, judge, report; return the exit code."""
    options = _options(arguments)
    console = Console(width=max(LEAST_WIDTH, Console().width))
    extent = QUICK if options.quick else Extent()
    try:
        machine = Machine.this(("numpy", "uvloop", "ray"))
        console.print(str(machine), highlight=False)
        cores = check_machine(needs_root=False)
        with tempfile.TemporaryDirectory(prefix="overload-") as name:
            os.environ |= {"RAYMAL_RUNTIME": name, "RAYMAL_CACHE": f"{name}/phrases"}
            place = workplace(Path(name), cores, lambda text: console.print(text, highlight=False))
            settings = [*([REALTIME] if os.geteuid() == 0 else []), *options.set]
            place.say(f"further settings: {', '.join(settings) or 'none'}")
            measured = measure(place, extent, options.ray, settings)
    except RaymalError as error:
        console.print(f"[red]not measured:[/] {error}", highlight=False)
        return 2
    except KeyboardInterrupt:
        console.print("interrupted")
        return 130
    rows = verdicts(measured)
    console.print(outcome_table(rows))
    if options.json:
        write_figures(options.json, machine, "benchmarks.overload", arguments, rows, **_figures(measured))
    return exit_code(row for of_phase in rows.values() for row in of_phase)


def _figures(measured: Measured) -> dict[str, object]:
    """Return what the rows were made from."""
    return {
        "capacity": measured.capacity,
        "standing": len(measured.standing),
        "refused": dict(measured.refused),
        "phases": [asdict(phase) for phase in measured.phases],
        "answer_times_ms": {
            phase.name: [call.answer_times_ms(phase.begin_s, phase.end_s) for call in measured.standing]
            for phase in measured.phases
        },
    }


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.overload", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--quick", action="store_true", help="under 40 s; too few turns to conclude from")
    parser.add_argument("--ray", action="store_true", help="the speech workers on a private Ray")
    parser.add_argument(
        "--set", action="append", default=[], metavar="SETTING=VALUE", help="further settings of the server"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
