"""The server for Prometheus: the one live model, read when it is asked for.

Names, units and help follow https://prometheus.io/docs/practices/naming/. How many series there are depends
on the configuration and the fleet, never on calls. What the gateway alone knows is missing while it is away.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from actors.manager.admission import Reason
from actors.manager.throttle import LINES
from actors.messages import WorkKind
from actors.status import FleetStatus, PoolStatus
from ingress.link.live import Activity
from ingress.link.records import LATENESS_EDGES_MS, MediaHealth
from ingress.link.status import ServerStatus
from ingress.media.endings import Ending
from ingress.web.live import LiveModel
from ingress.web.processes import ProcessUse

REASONS = {signal: re.compile(re.escape(line).replace(r"\{\}", ".*")) for signal, line in LINES.items()}
"""How to find a signal in a reason for the level."""

Labels = tuple[str, ...]
Values = Iterable[tuple[Labels, float]]


class Metrics:
    """All metrics of one server."""

    def __init__(self, live: LiveModel) -> None:
        self._live = live
        self._registry = CollectorRegistry()
        self._model = _Model(live)
        self._registry.register(self._model)

    def text(self, processes: Mapping[str, ProcessUse], wrong_tokens: int = 0) -> bytes:
        """Return everything in Prometheus's text format.

        `processes`: what the server's processes use; `wrong_tokens`: how many clients have shown.
        """
        self._model.processes = processes
        self._model.wrong_tokens = wrong_tokens
        return generate_latest(self._registry) + generate_latest(self._live.totals.registry)


class _Model(Collector):
    """Makes metrics of the live model."""

    def __init__(self, live: LiveModel) -> None:
        self.processes: Mapping[str, ProcessUse] = {}
        self.wrong_tokens = 0
        self._live = live

    def describe(self) -> Iterable[Metric]:
        """Nothing is checked beforehand."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Return all metrics as they are now."""
        status = self._live.status
        yield _gauge("build_info", "The version that runs.", [((version("raymal"),), 1)], "version")
        manager_is_up = status is not None and status.manager_answers
        yield _gauge(
            "up",
            "Whether a process answers: the gateway to the web process, the manager to the gateway.",
            [(("gateway",), status is not None), (("manager",), manager_is_up)],
            "process",
        )
        yield from self._of_calls()
        yield _counter(
            "web_wrong_tokens",
            "Tokens of HTTP clients that were not the server's.",
            [((), self.wrong_tokens)],
        )
        yield from _of_processes(self.processes)
        if status is None:
            return
        yield from _of_server(status)
        yield from _of_media(status)
        yield from _of_level(status)
        if status.fleet is not None:
            yield from _of_fleet(status.fleet)

    def _of_calls(self) -> Iterator[Metric]:
        totals = self._live.totals
        activities: Counter[Labels] = Counter()
        for (name, what), count in self._live.activities.items():
            activities[totals.label(name), what] += count
        return_legs: Counter[str] = Counter()
        for name, count in self._live.return_legs.items():
            return_legs[totals.label(name)] += count
        names = dict.fromkeys((*totals.extensions, *(name for name, _ in activities)))
        yield _gauge(
            "calls",
            "Running calls by what they do now; refused ones hear that all lines are busy.",
            [((name, what), activities[name, what]) for name in names for what in Activity],
            "extension",
            "activity",
        )
        yield _gauge(
            "return_legs",
            "Return legs of running calls that are there now.",
            [((name,), return_legs[name]) for name in names],
            "extension",
        )
        yield _gauge(
            "web_readers",
            "Readers of changes: event streams, and the web process itself.",
            [((), self._live.readers)],
        )


def _of_server(status: ServerStatus) -> Iterator[Metric]:
    gauges = (
        ("ready", "Whether a turn can be served.", status.is_ready),
        ("places", "Calls that the manager was asked to take, or has taken.", status.places),
        ("waiting_callers", "Callers who wait for a gateway or for speech workers.", status.waiting_callers),
        ("longest_wait_seconds", "Longest wait of those, until now.", status.longest_wait_s),
        ("extensions", "Configured extensions.", len(status.extensions)),
        ("extensions_version", "Version of the extensions, for new calls.", status.extensions_version),
        ("unmade_phrases", "Fixed phrases that could not be made; a tone takes their place.",
         sum(status.unmade_phrases.values())),
        ("processes_beside_audio", "Processes that are not behind the audio clock on the cores they share.",
         sum(not (rank.is_media or rank.is_behind_media) for rank in status.ranks)),
    )  # fmt: skip
    for name, text, value in gauges:
        yield _gauge(name, text, [((), value)])
    counters = (
        ("cache_hits", "Sentences of answers that came from the cache.", status.cache_hits),
        ("cache_misses", "Sentences of answers that had to be synthesised.", status.cache_misses),
        ("transcriptions_begun_ahead", "Transcriptions begun at a pause.", status.ahead_begun),
        ("transcriptions_used_ahead", "Those of them that were used.", status.ahead_used),
        (
            "lost_records",
            "Records of finished calls that could not be kept or written.",
            status.dropped_records,
        ),
    )
    for name, text, value in counters:
        yield _counter(name, text, [((), value)])


def _of_media(status: ServerStatus) -> Iterator[Metric]:
    workers = [(worker.name, worker.health) for worker in status.media_workers if worker.health is not None]

    def each(value: str) -> Values:
        return [((name,), float(getattr(health, value))) for name, health in workers]

    yield _gauge("media_calls", "Calls on the audio clock of a media worker.", each("calls"), "worker")
    yield _gauge("media_connections", "Open AudioSocket connections.", each("connections"), "worker")
    yield _gauge(
        "frame_seconds",
        "Length of the audio frames: 0.03 when the server is loaded.",
        [((name,), health.frame_ms / 1000.0) for name, health in workers],
        "worker",
    )
    yield _lateness(workers)
    yield _counter(
        "timeline_shifts",
        "Stalls of a media worker so long that its calls lost audio time.",
        each("timeline_shifts"),
        "worker",
    )
    yield _counter(
        "connections_ended",
        "AudioSocket connections that ended, calls among them, by reason.",
        [
            ((name, ending.value), health.closed_peers.get(ending.value, 0))
            for name, health in workers
            for ending in Ending
        ],
        "worker",
        "reason",
    )


def _lateness(workers: Iterable[tuple[str, MediaHealth]]) -> Metric:
    family = HistogramMetricFamily(
        "raymal_frame_lateness_seconds",
        "Send time of audio frames minus their due time.",
        labels=("worker",),
    )
    for name, health in workers:
        totals = health.lateness_totals
        edges = (f"{edge_ms / 1000.0:g}" for edge_ms in LATENESS_EDGES_MS)
        buckets = [*zip(edges, map(float, totals.within), strict=True), ("+Inf", float(totals.frames))]
        family.add_metric((name,), buckets=buckets, sum_value=totals.late_ms / 1000.0)
    return family


def _of_level(status: ServerStatus) -> Iterator[Metric]:
    yield _gauge("level", "Level of load: 0 normal, 1 busy, 2 loaded, 3 full.", [((), status.level)])
    reasons = status.decision.reasons if status.decision is not None else ()
    yield _gauge(
        "level_reason",
        "Whether a signal holds the level where it is; the unit is in its name in [throttle].",
        [((signal,), any(map(pattern.match, reasons))) for signal, pattern in REASONS.items()],
        "signal",
    )


def _of_fleet(fleet: FleetStatus) -> Iterator[Metric]:
    pools: dict[WorkKind, PoolStatus] = {
        WorkKind.TRANSCRIPTION: fleet.transcription,
        WorkKind.SYNTHESIS: fleet.synthesis,
    }

    def each(value: str) -> Values:
        return [((kind,), float(getattr(pool, value))) for kind, pool in pools.items()]

    yield _gauge("workers_planned", "Speech workers that the plan asks for.", each("planned"), "kind")
    yield _gauge("workers_ready", "Speech workers that have loaded their model.", each("ready"), "kind")
    yield _gauge(
        "engine_workers_ready",
        "Synthesis workers that have loaded a text-to-speech engine.",
        [((engine.name,), float(engine.ready)) for engine in fleet.engines],
        "engine",
    )
    yield _gauge("slots", "Slots of all ready speech workers.", each("slots"), "kind")
    yield _gauge("slots_busy", "Slots in use.", each("busy"), "kind")
    yield _gauge("leases_waiting", "Requests that wait for a slot.", each("waiting"), "kind")
    waits = SummaryMetricFamily(
        "raymal_lease_wait_seconds", "Waiting for a slot, of all finished work.", labels=("kind",)
    )
    for kind, pool in pools.items():
        waits.add_metric((kind,), count_value=pool.tally.count, sum_value=pool.tally.lease_wait_ms / 1000.0)
    yield waits
    yield _counter(
        "work",
        "Finished transcriptions and syntheses.",
        [
            row
            for kind, pool in pools.items()
            for row in (
                ((kind, "done"), pool.tally.count - pool.tally.failed),
                ((kind, "failed"), pool.tally.failed),
            )
        ],
        "kind",
        "outcome",
    )
    for name, text, field in (
        ("work_seconds", "Time that speech workers worked.", "processing_ms"),
        ("work_audio_seconds", "Length of the audio that they heard or made.", "audio_ms"),
    ):
        rows = [((kind,), float(getattr(pool.tally, field)) / 1000.0) for kind, pool in pools.items()]
        yield _counter(name, text, rows, "kind")
    gauges = (
        ("cluster_calls", "Calls of all servers of the cluster.", fleet.sessions),
        ("cluster_servers", "Servers that share the speech workers.", fleet.ingresses),
        ("cluster_nodes", "Machines of the fleet.", len(fleet.nodes)),
        (
            "cluster_capacity_calls",
            "Calls that the ready slots hold; 0: not known yet.",
            fleet.admission.capacity,
        ),
        ("cluster_problems", "Speech workers that could not start.", len(fleet.problems)),
    )
    for name, text, value in gauges:
        yield _gauge(name, text, [((), value)])
    yield _counter(
        "cluster_calls_admitted", "Calls that were given a place.", [((), fleet.admission.admitted)]
    )
    yield _counter(
        "cluster_calls_refused",
        "Calls of all servers that were given no place, by reason.",
        [((reason,), fleet.admission.refused.get(reason, 0)) for reason in Reason],
        "reason",
    )


def _of_processes(processes: Mapping[str, ProcessUse]) -> Iterator[Metric]:
    rows = sorted(processes.items())
    yield _gauge(
        "processes", "Running processes of the server.", [((n,), use.processes) for n, use in rows], "process"
    )
    yield _counter(
        "process_cpu_seconds", "CPU time, user and system.", [((n,), use.cpu_s) for n, use in rows], "process"
    )
    yield _gauge(
        "process_resident_memory_bytes",
        "Resident memory.",
        [((n,), use.memory_bytes) for n, use in rows],
        "process",
    )


def _gauge(name: str, text: str, values: Values, *labels: str) -> Metric:
    family = GaugeMetricFamily(f"raymal_{name}", text, labels=labels)
    for of, value in values:
        family.add_metric(of, float(value))
    return family


def _counter(name: str, text: str, values: Values, *labels: str) -> Metric:
    family = CounterMetricFamily(f"raymal_{name}", text, labels=labels)
    for of, value in values:
        family.add_metric(of, float(value))
    return family
