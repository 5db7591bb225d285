"""Counts and shares of workers from the nodes' resources."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import ConfigurationError
from actors.messages import WorkKind
from actors.settings import CoquiSettings, FleetSettings, SpeechSettings, WhisperSettings
from actors.sizing import NodeResources, ingress_reserve, ingress_tier, plan

GB = 10**9
CPU_ONLY = SpeechSettings(whisper=WhisperSettings(device="cpu"))


def pbx(cpus: float, gigabytes: float, gpus: float = 0.0) -> NodeResources:
    return NodeResources("pbx", cpus, int(gigabytes * GB), gpus, hosts_ingress=True)


def counts(nodes: list[NodeResources], fleet: FleetSettings, speech: SpeechSettings) -> tuple[int, int]:
    made = plan(nodes, fleet, speech)
    return made.count(WorkKind.TRANSCRIPTION), made.count(WorkKind.SYNTHESIS)


@pytest.mark.parametrize(
    ("cpus", "gigabytes", "workers"),
    [
        (1, 1, 1),
        (1, 64, 1),
        (2, 3.9, 1),
        (2, 4, 2),
        (3, 64, 2),
        (4, 7.9, 2),
        (4, 8, 3),
        (5, 8, 4),
        (7, 8, 6),
        (8, 16, 6),
        (64, 256, 6),
    ],
)
def test_one_pbx_gets_the_three_tiers(cpus: float, gigabytes: float, workers: int) -> None:
    """One machine beside Asterisk gets the tier of its cores and memory, for both kinds."""
    assert counts([pbx(cpus, gigabytes)], FleetSettings(), CPU_ONLY) == (workers, workers)


def test_a_machine_sold_as_8_gib_counts_as_8_gb() -> None:
    """The kernel of a machine with 8 GiB reports a little less, which is still the top tier."""
    assert ingress_tier(4, 8_200_000_000) == 3


def test_the_pbx_keeps_cores_that_a_worker_node_gives() -> None:
    """A node without an ingress runs one worker of each kind per core; the same node with one fewer."""
    worker_node = NodeResources("w", 8, 32 * GB)
    assert counts([worker_node], FleetSettings(), CPU_ONLY) == (8, 8)
    assert counts([worker_node, pbx(8, 32)], FleetSettings(), CPU_ONLY) == (14, 14)


def test_memory_limits_a_worker_node() -> None:
    """A node of many cores and little memory runs as many pairs as its memory holds."""
    assert counts([NodeResources("w", 64, 8 * GB)], FleetSettings(), CPU_ONLY) == (6, 6)


def test_two_cores_hold_four_workers_by_fractions() -> None:
    """On two cores beside Asterisk one CPU is promised: a quarter to each of the four workers."""
    made = plan([pbx(2, 23)], FleetSettings(), CPU_ONLY)
    assert [(group.count, group.cpus, group.gpus) for group in made.groups] == [(2, 0.25, 0), (2, 0.25, 0)]


def test_a_gpu_node_transcribes_on_its_gpus() -> None:
    """Four transcription workers share a GPU; the voice that needs none stays on the cores."""
    made = plan([NodeResources("g", 16, 64 * GB, gpus=2)], FleetSettings(), SpeechSettings())
    transcription, synthesis = made.groups
    assert (transcription.count, transcription.gpus) == (8, 0.25)
    assert (synthesis.count, synthesis.gpus) == (16, 0.0)


def test_two_kinds_share_the_gpus_evenly() -> None:
    """With a neural voice on the GPU each kind gets half of its places."""
    speech = SpeechSettings(tts="coqui", coqui=CoquiSettings(device="cuda"))
    assert counts([NodeResources("g", 8, 64 * GB, gpus=1)], FleetSettings(), speech) == (2, 2)


def test_an_override_beyond_the_gpus_places_makes_the_fractions_smaller() -> None:
    """Ten workers on two GPUs are five to a GPU, a fifth each."""
    fleet = FleetSettings(max_concurrent_transcriptions=10)
    made = plan([NodeResources("g", 8, 64 * GB, gpus=2)], fleet, SpeechSettings())
    assert (made.groups[0].count, made.groups[0].gpus) == (10, 0.2)


def test_an_engine_that_must_have_a_gpu_says_so() -> None:
    """device=cuda with no GPU anywhere is a clear configuration error."""
    speech = SpeechSettings(whisper=WhisperSettings(device="cuda"))
    with pytest.raises(ConfigurationError, match=r"speech\.whisper\.device.*no node offers a GPU"):
        plan([pbx(4, 8)], FleetSettings(), speech)


def test_an_engine_that_must_have_a_gpu_runs_only_where_one_is() -> None:
    """device=cuda puts no worker of that kind on a CPU node."""
    speech = SpeechSettings(whisper=WhisperSettings(device="cuda"))
    made = plan([pbx(4, 8), NodeResources("g", 8, 64 * GB, gpus=1)], FleetSettings(), speech)
    assert {group.node_id for group in made.groups if group.kind is WorkKind.TRANSCRIPTION} == {"g"}


def test_threads_divide_the_count() -> None:
    """An engine of two threads gets half as many workers."""
    speech = SpeechSettings(whisper=WhisperSettings(device="cpu", threads=2))
    assert counts([NodeResources("w", 8, 32 * GB)], FleetSettings(), speech) == (4, 8)


def test_an_override_is_spread_in_proportion() -> None:
    """A total for the fleet goes to the nodes in the proportion of their own counts."""
    nodes = [NodeResources("a", 4, 32 * GB), NodeResources("b", 8, 32 * GB)]
    made = plan(nodes, FleetSettings(max_concurrent_transcriptions=6), CPU_ONLY)
    per_node = {group.node_id: group.count for group in made.groups if group.kind is WorkKind.TRANSCRIPTION}
    assert per_node == {"a": 2, "b": 4}


def test_every_group_states_its_reason() -> None:
    """Each count comes with one line that explains it."""
    fleet = FleetSettings(max_concurrent_synthesis=3)
    reasons = [group.reason for group in plan([pbx(4, 8)], fleet, CPU_ONLY).groups]
    assert reasons == ["beside an ingress on 4 cores and 8 GB: 3", "MAX_CONCURRENT_SYNTHESIS=3"]


def test_no_node_no_worker() -> None:
    """Without nodes there is nothing to plan."""
    assert plan([], FleetSettings(), CPU_ONLY).groups == ()


node = st.builds(
    NodeResources,
    node_id=st.text("abcdef", min_size=1, max_size=6),
    cpus=st.one_of(st.integers(0, 64), st.floats(0, 64, allow_nan=False)).map(float),
    memory_bytes=st.integers(0, 256 * GB),
    gpus=st.integers(0, 8).map(float),
    hosts_ingress=st.booleans(),
)
nodes = st.lists(node, min_size=1, max_size=6, unique_by=lambda node: node.node_id)
override = st.none() | st.integers(1, 200)
engines = st.builds(
    SpeechSettings,
    tts=st.sampled_from(["hibari", "coqui", "scripted"]),
    whisper=st.builds(WhisperSettings, threads=st.integers(1, 8)),
)


@given(nodes, override, override, engines)
def test_a_plan_always_fits_and_honours_the_totals(
    nodes: list[NodeResources],
    transcriptions: int | None,
    synthesis: int | None,
    speech: SpeechSettings,
) -> None:
    """Shares never exceed a node's budget or any one GPU; totals are kept; no kind is left out."""
    fleet = FleetSettings(max_concurrent_transcriptions=transcriptions, max_concurrent_synthesis=synthesis)
    made = plan(nodes, fleet, speech)
    for kind, total in ((WorkKind.TRANSCRIPTION, transcriptions), (WorkKind.SYNTHESIS, synthesis)):
        assert made.count(kind) == total if total else made.count(kind) >= 1
    for node in nodes:
        here = [group for group in made.groups if group.node_id == node.node_id]
        budget = node.cpus - (ingress_reserve(node.cpus) if node.hosts_ingress else 0)
        assert sum(group.count * group.cpus for group in here) <= budget + 1e-9
        on_gpu = [group for group in here if group.gpus]
        places = sum(int(node.gpus) * math.floor(1 / group.gpus + 1e-9) for group in on_gpu[:1])
        assert sum(group.count for group in on_gpu) <= places


@given(node, st.integers(1, 16))
def test_more_cores_never_mean_fewer_workers(node: NodeResources, more: int) -> None:
    """A node with more cores, all else equal, gets at least as many workers."""
    larger = NodeResources(
        node.node_id, node.cpus + more, node.memory_bytes, node.gpus, hosts_ingress=node.hosts_ingress
    )
    before = counts([node], FleetSettings(), SpeechSettings())
    after = counts([larger], FleetSettings(), SpeechSettings())
    assert after[0] >= before[0]
    assert after[1] >= before[1]
