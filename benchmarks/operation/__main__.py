"""What a live page, Prometheus and changing extensions cost running calls.

The same calls are measured at a server without a web process and without operators, and at one with both. The
two take turns, in pairs; each pair gives a ratio. Run as `python -m benchmarks.operation`. Exit code 1 if a
target is missed, 2 if the run is invalid or could not be made.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from rich.console import Console

from actors.percentiles import percentile
from benchmarks.harness import command
from benchmarks.harness.caller_audio import caller_audio
from benchmarks.harness.command import Report, progress_bar
from benchmarks.harness.load_generator import Load
from benchmarks.harness.outcomes import Outcome, judged, shown
from benchmarks.harness.server import RAYMAL, Server, free_port
from benchmarks.harness.workplace import check_machine
from benchmarks.operation.operators import EXTENSIONS, Operators, operating
from benchmarks.pacing.measurement import Contestant, Measurement, measure
from benchmarks.pacing.report import as_json, summary
from ingress.caller.listening_quality import PHONE_BUFFER_MS
from ingress.server.runtime_directory import RuntimeDirectory

PROGRAM = "benchmarks.operation"
PACKAGES = ("fastapi", "uvicorn", "prometheus-client", "uvloop")
CPU_RATIO = 1.03
WARM_UP_S = 4.0
SCRAPE_S = 0.05
EDGE_RATIO = 0.005
"""Missing audio below this is the edge of the measured time: a late last frame."""
ALL_READERS = 3
"""The page, the reader of events, and the web process itself."""
SCRIPTED: tuple[str, ...] = (
    *(*RAYMAL, "--no-ray", "--stt", "scripted", "--tts", "scripted", "--greeting", "", "--max-calls", "1000"),
    *("--set", "admission.enabled=false", "--set", "throttle.enabled=false"),
    *("--set", "speech.scripted.stt_delay_s=0.05", "--set", "speech.scripted.tts_delay_s=0.02"),
    *("--set", "fleet.max_concurrent_transcriptions=8", "--set", "fleet.max_concurrent_synthesis=8"),
)
"""Turns without models: what is measured is the calls' own process, at one level of load."""
ALONE = Contestant("alone", lambda: (*SCRIPTED, "--set", "web.enabled=false"))


@dataclass
class Operated:
    """A server that is operated."""

    core: int
    """The operators'."""
    port: int = field(default_factory=free_port)
    seen: list[Operators] = field(default_factory=list)
    """Of each measurement."""
    folder: tempfile.TemporaryDirectory[str] = field(
        default_factory=lambda: tempfile.TemporaryDirectory(prefix="bench-")
    )

    @property
    def contestant(self) -> Contestant:
        """As it is measured. Its configuration is a file of its own, into which new extensions go."""
        file = Path(self.folder.name, "raymal.toml")
        file.write_text("")
        web = ("--set", f"web.port={self.port}", "--config", str(file))
        return Contestant("operated", lambda: (*SCRIPTED, *web))

    @contextmanager
    def beside(self, server: Server) -> Iterator[None]:
        """Operate it for the time of the body."""
        web_socket = RuntimeDirectory.of_port(server.port).web_socket
        with operating(self.port, web_socket, self.core) as operators:
            self.seen.append(operators)
            yield


def targets(pairs: Sequence[tuple[Measurement, Measurement]], seen: Sequence[Operators]) -> list[Outcome]:
    """Return what is asked of the operated server, against the one that was alone."""
    ratios = [operated.cpu_percent_per_call / alone.cpu_percent_per_call for alone, operated in pairs]
    operated = [pair[1] for pair in pairs]
    is_disturbed = any(each.invalid_because() for pair in pairs for each in pair)
    holes = sum(each.judgement.holes for each in operated)
    missing = max(each.judgement.missing_ratio for each in operated)
    lost = sum(each.heard.report.lost_calls for each in operated)
    scrapes_s = [scrape_s for each in seen for scrape_s in each.scrape_s]
    slowest_s = percentile(scrapes_s, 95.0) if scrapes_s else float("inf")
    problems = sum(each.problems for each in seen)
    first = next((each.problem for each in seen if each.problem), "")
    readers = min(each.readers for each in seen)
    calls = operated[0].calls
    return [
        judged(
            f"CPU of the calls' process at {calls} calls, operated over alone",
            f"{CPU_RATIO:g}x",
            f"{median(ratios):.3f}x (pairs: {', '.join(f'{ratio:.3f}' for ratio in ratios)})",
            median(ratios) <= CPU_RATIO,
            is_disturbed,
        ),
        judged(
            f"underruns at {PHONE_BUFFER_MS:.0f} ms while operated",
            "none, no audio missing, no call lost",
            f"{holes}, {missing:.2%} missing, {lost} lost",
            holes == lost == 0 and missing < EDGE_RATIO,
            is_disturbed,
        ),
        judged(
            "scrapes, p95",
            f"{SCRAPE_S * 1_000:g} ms",
            f"{slowest_s * 1_000:.1f} ms of {len(scrapes_s)}",
            slowest_s <= SCRAPE_S,
            is_disturbed,
        ),
        judged(
            "what operators asked for",
            "all done",
            f"{problems} problems: {first}" if problems else "all done",
            not problems,
        ),
        judged("readers of events", f"{ALL_READERS}", f"{readers}", readers >= ALL_READERS),
        shown(
            "done",
            f"{sum(each.changes for each in seen)} changes of {EXTENSIONS} extensions, "
            f"{sum(each.events for each in seen)} events read, a scrape of "
            f"{seen[-1].scraped_bytes / 1_000:.0f} KB",
        ),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparison and return the exit code."""
    parser = command.parser(PROGRAM, __doc__)
    add = parser.add_argument
    add("--calls", type=int, default=200, help="at a time (200)")
    add("--seconds", type=float, default=15.0, help="measured, each time (15)")
    add("--pairs", type=int, default=5, help="of measurements (5)")
    options = parser.parse_args(arguments)
    if not (1 <= options.calls <= 900 and options.seconds >= 1 and options.pairs >= 1):
        parser.error("--calls is 1 to 900, --seconds and --pairs are at least 1")

    def measure_all(console: Console) -> Report:
        cores = check_machine()
        os.sched_setaffinity(0, {cores[-1]})
        operated, audio = Operated(cores[-1]), caller_audio()
        load = Load(options.calls, WARM_UP_S, options.seconds, cores[1])
        pairs: list[tuple[Measurement, Measurement]] = []
        with operated.folder, progress_bar(console) as progress:
            bar = progress.add_task("", total=2 * options.pairs)

            def measured(contestant: Contestant, is_operated: bool) -> Measurement:
                progress.update(bar, description=contestant.name, refresh=True)
                beside = {"beside": operated.beside} if is_operated else {}
                result = measure(contestant, load, cores[0], audio, **beside)
                console.print(summary(result), highlight=False)
                progress.advance(bar)
                return result

            makers: list[Callable[[], Measurement]] = [
                lambda: measured(ALONE, is_operated=False),
                lambda: measured(operated.contestant, is_operated=True),
            ]
            for number in range(options.pairs):  # each begins as often as the other
                order = (0, 1) if number % 2 == 0 else (1, 0)
                found = {index: makers[index]() for index in order}
                pairs.append((found[0], found[1]))
        results = [each for pair in pairs for each in pair]
        invalid = [
            f"{each.contestant.name}: {reason}" for each in results for reason in each.invalid_because()
        ]
        figures = {"callers": audio.source} | as_json(results)
        ratios = [after.cpu_percent_per_call / before.cpu_percent_per_call for before, after in pairs]
        figures |= {
            "cpu_ratio": median(ratios),
            "scrape_s": [it for each in operated.seen for it in each.scrape_s],
        }
        return Report({"operation": targets(pairs, operated.seen)}, figures, invalid)

    return command.run(PROGRAM, PACKAGES, measure_all, options.json, arguments)


if __name__ == "__main__":
    sys.exit(main())
