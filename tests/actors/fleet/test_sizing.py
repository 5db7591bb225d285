"""Counts and shares of workers from the nodes' resources."""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.engines.registry import check_names
from actors.errors import ConfigurationError
from actors.fleet.gpu_memory import TYPE_LABEL, USABLE, memory_gb
from actors.fleet.sizing import FleetPlan, NodeResources, WorkerGroup, ingress_reserve, plan
from actors.messages import FurtherEngine, WorkKind
from actors.settings import CoquiSettings, FleetSettings, SpeechSettings, WhisperSettings
from benchmarks.seed_design.resource_manager import concurrency

GB = 10**9
STT, TTS = WorkKind.TRANSCRIPTION, WorkKind.SYNTHESIS
CPU_ONLY = SpeechSettings(whisper=WhisperSettings(device="cpu"))


COQUI, MOUTH = FurtherEngine("coqui", "pt"), FurtherEngine("own:Mouth", "en")


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


@pytest.mark.parametrize(
    ("cpus", "cores", "gigabytes", "workers"),
    [
        (8, 4, 16, 3),
        (4, 2, 16, 2),
        (2, 1, 16, 1),
        (16, 8, 32, 6),
        (12, 6, 16, 5),
        (4, 4, 16, 3),
        (2, 8, 16, 2),
        (3.5, 8, 16, 2),
        (8, 3.5, 16, 2),
        (0.5, 0.5, 1, 1),
    ],
)
def test_the_tiers_count_physical_cores(cpus: float, cores: float, gigabytes: float, workers: int) -> None:
    """Threads of a core are none; a limit of the CPUs still counts."""
    node = replace(pbx(cpus, gigabytes), physical_cores=cores)
    assert counts([node], FleetSettings(), CPU_ONLY) == (workers, workers)
    reason = plan([node], FleetSettings(), CPU_ONLY).groups[0].reason
    assert reason.startswith(f"beside an ingress on {min(cpus, cores):g} cores")


@given(st.integers(1, 128), st.integers(1, 128), st.integers(1, 600))
def test_the_tiers_are_the_usual_designs(cpus: int, cores: int, gigabytes: int) -> None:
    """As benchmarks/seed_design has them, for physical cores and GB."""
    node = replace(pbx(max(cpus, cores), gigabytes), physical_cores=cores)
    assert counts([node], FleetSettings(), CPU_ONLY) == (concurrency(cores, gigabytes),) * 2


def test_memory_limits_a_worker_node() -> None:
    """A node of many cores and little memory runs as many pairs as its memory holds."""
    assert counts([NodeResources("w", 64, 8 * GB)], FleetSettings(), CPU_ONLY) == (6, 6)


def test_two_cores_hold_four_workers_by_fractions() -> None:
    """On two cores beside Asterisk one CPU is promised: a quarter to each of the four workers."""
    made = plan([pbx(2, 23)], FleetSettings(), CPU_ONLY)
    assert [(group.count, group.cpus, group.gpus) for group in made.groups] == [(2, 0.25, 0), (2, 0.25, 0)]


def gpu_node(gpus: float = 1, accelerator: str = "T4", **labels: str) -> NodeResources:
    labelled = {TYPE_LABEL: accelerator, **{key.replace("_", "-"): value for key, value in labels.items()}}
    return NodeResources("g", 16, 64 * GB, gpus=gpus, labels=labelled)


def groups(made: FleetPlan) -> dict[WorkKind, WorkerGroup]:
    """Return the groups of a plan for one node."""
    return {group.kind: group for group in made.groups}


def test_one_worker_of_many_slots_fills_a_gpu() -> None:
    """An engine that decodes batches gets one worker per GPU; a voice that needs none stays on the cores."""
    made = groups(plan([gpu_node(2)], FleetSettings(), SpeechSettings()))
    transcription, synthesis = made[STT], made[TTS]
    assert (transcription.count, transcription.gpus, transcription.slots) == (2, 1.0, 8)
    assert transcription.reason == "2 GPU of 16 GB, 2 GB a worker, 8 at a time: 2"
    assert (synthesis.count, synthesis.gpus, synthesis.slots) == (16, 0.0, 1)


def test_an_engine_without_batches_shares_a_gpu_by_processes() -> None:
    """One request at a time: four processes to a GPU, as far as its memory goes."""
    one_by_one = SpeechSettings(whisper=WhisperSettings(batch_size=1))
    made = groups(plan([gpu_node(2)], FleetSettings(), one_by_one))
    assert (made[STT].count, made[STT].gpus, made[STT].slots) == (8, 0.25, 1)
    made = groups(plan([gpu_node(2, "P4")], FleetSettings(), one_by_one))
    assert (made[STT].count, made[STT].gpus) == (6, 0.3333)


@pytest.mark.parametrize(
    ("node", "workers"),
    [
        (gpu_node(accelerator="GeForce-RTX-5090"), 1),
        (gpu_node(accelerator="A100"), 4),
        (gpu_node(accelerator="A100", raymal_gpu_memory_gb="12"), 1),
        (gpu_node(raymal_gpu_memory_gb="24.5"), 3),
    ],
)
def test_gpu_memory_is_that_of_the_label_or_of_the_type(node: NodeResources, workers: int) -> None:
    """The label wins over the type of accelerator; an unknown type counts as 8 GB."""
    speech = SpeechSettings(whisper=WhisperSettings(batch_size=1, gpu_memory_gb=7))
    assert groups(plan([node], FleetSettings(), speech))[STT].count == workers


def test_a_batch_may_be_asked_for_on_cores() -> None:
    """A batch that the operator wrote is the number of slots also on a CPU; unset it is one."""
    speech = SpeechSettings(whisper=WhisperSettings(device="cpu", batch_size=4))
    made = plan([NodeResources("w", 2, 32 * GB)], FleetSettings(), speech)
    assert (made.count(STT), made.slots(STT), made.slots(TTS)) == (2, 8, 2)


def test_two_kinds_on_one_gpu_take_what_their_memory_takes() -> None:
    """Whisper and XTTS on 8 GB: one of each, and fractions as their memory."""
    speech = SpeechSettings(tts="coqui")
    made = groups(plan([gpu_node(1, "P4")], FleetSettings(), speech))
    assert (made[STT].count, made[STT].slots, made[STT].gpus) == (1, 8, 0.3333)
    assert (made[TTS].count, made[TTS].slots, made[TTS].gpus) == (1, 1, 0.6666)


def test_on_several_gpus_any_worker_may_lie_beside_any_other() -> None:
    """Ray chooses the GPU, so each worker counts as much as the largest."""
    speech = SpeechSettings(tts="coqui")
    made = groups(plan([gpu_node(2, "P4")], FleetSettings(), speech))
    assert [(made[kind].count, made[kind].gpus) for kind in WorkKind] == [(1, 1.0), (1, 1.0)]
    made = groups(plan([gpu_node(2, "L4")], FleetSettings(), speech))
    assert [(made[kind].count, made[kind].gpus) for kind in WorkKind] == [(2, 0.3333), (4, 0.3333)]


def test_what_the_gpu_has_no_room_for_goes_to_the_cores() -> None:
    """With device=auto a model that does not fit runs on the CPU, and the reason says so."""
    speech = SpeechSettings(tts="coqui", whisper=WhisperSettings(gpu_memory_gb=6.5))
    made = groups(plan([gpu_node(1, "P4")], FleetSettings(), speech))
    assert made[STT].gpus == 1.0
    assert (made[TTS].count, made[TTS].gpus) == (8, 0.0)
    assert made[TTS].reason.startswith("no room in 8 GB of GPU memory; 16 cores")


def test_each_model_of_a_worker_takes_gpu_memory() -> None:
    """One for two languages, or the main one again, is one."""
    models = {"en": "bundled-en", "es": "bundled-en", "pt": "bundled"}
    whisper = WhisperSettings(batch_size=1, gpu_memory_gb=6.0, models=models)
    assert whisper.model_count == 2
    for node, count in ((gpu_node(raymal_gpu_memory_gb="24.5"), 1), (gpu_node(raymal_gpu_memory_gb="27"), 2)):
        made = groups(plan([node], FleetSettings(), SpeechSettings(whisper=whisper)))
        assert made[STT].count == count


def test_an_override_on_gpus_is_met_with_slots_and_bounded_by_memory() -> None:
    """20 at a time are three workers of six slots; 1,000 are as many as fit, and a problem."""
    made = plan([gpu_node(2)], FleetSettings(max_concurrent_transcriptions=20), SpeechSettings())
    assert (groups(made)[STT].count, groups(made)[STT].slots, made.problems) == (3, 6, ())
    made = plan([gpu_node(2)], FleetSettings(max_concurrent_transcriptions=1000), SpeechSettings())
    assert (groups(made)[STT].count, groups(made)[STT].gpus) == (14, 0.1428)
    assert made.problems == (
        "node g: MAX_CONCURRENT_TRANSCRIPTIONS=1000 asks for 125 transcription workers, of 2 GB each; "
        "14 fit on 2 GPU of 16 GB",
    )


def test_an_engine_of_another_package_is_planned_by_its_table() -> None:
    """Without one it is a thread on a CPU; values may come from flags, as text."""
    speech = SpeechSettings(stt="own:Ears", tts="own:Mouth", mouth={"device": "cuda", "gpu_memory_gb": "8"})
    made = groups(plan([gpu_node()], FleetSettings(), speech))
    assert (made[STT].gpus, made[STT].threads) == (0.0, 1)
    assert (made[TTS].count, made[TTS].gpus > 0.0) == (1, True)
    check_names(speech)
    with pytest.raises(ConfigurationError, match=r"^speech\.mouth: device = 'tpu'"):
        check_names(SpeechSettings(tts="own:Mouth", mouth={"device": "tpu"}))


def test_an_engine_that_must_have_a_gpu_says_so() -> None:
    """device=cuda with no GPU anywhere, or none large enough, is a problem that says what to do."""
    speech = SpeechSettings(whisper=WhisperSettings(device="cuda", gpu_memory_gb=20))
    made = plan([pbx(4, 8)], FleetSettings(), speech)
    assert made.count(STT) == 0
    assert made.count(TTS) == 3
    assert made.impossible == made.problems
    assert "speech.whisper.device is 'cuda' but no node offers a GPU" in made.problems[0]
    made = plan([pbx(4, 8), gpu_node()], FleetSettings(), speech)
    assert "no GPU has room for a worker's 20 GB" in made.impossible[0]
    assert "which is taken to be 16 GB" in made.impossible[0]


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


@pytest.mark.parametrize(("reserved", "workers"), [(0, 8), (3, 5), (7.5, 1), (None, 6)])
def test_the_operator_says_what_the_pbx_keeps(reserved: float | None, workers: int) -> None:
    """reserved_cpus replaces the tiers; what is left is sized like a node of its own."""
    made = plan([pbx(8, 32)], FleetSettings(reserved_cpus=reserved), CPU_ONLY)
    assert (made.count(STT), made.count(TTS)) == (workers, workers)
    promised = sum(group.count * group.cpus for group in made.groups)
    assert promised <= 8 - (1 if reserved is None else reserved)


def test_a_reserve_of_all_cores_leaves_the_work_to_other_nodes() -> None:
    """An ingress that gives nothing gets no worker as long as another node can have them."""
    fleet = FleetSettings(reserved_cpus=8)
    made = plan([pbx(8, 32), NodeResources("w", 4, 32 * GB)], fleet, CPU_ONLY)
    assert {group.node_id for group in made.groups} == {"w"}
    assert counts([pbx(8, 32)], fleet, CPU_ONLY) == (1, 1)


def test_a_draining_node_gets_nothing() -> None:
    """Its share is not replaced elsewhere; when all are leaving, that is a problem."""
    leaving = NodeResources("d", 8, 32 * GB, is_draining=True)
    assert counts([leaving, NodeResources("w", 4, 32 * GB)], FleetSettings(), CPU_ONLY) == (4, 4)
    made = plan([leaving], FleetSettings(), CPU_ONLY)
    assert not made.groups
    assert made.impossible[0] == "no node for transcription: every node is being drained"


def test_labels_dedicate_nodes() -> None:
    """A node does the kind of work that its label names, or none."""
    nodes = [
        NodeResources("a", 4, 32 * GB, labels={"raymal-work": "transcription"}),
        NodeResources("b", 2, 32 * GB, labels={"raymal-work": "synthesis"}),
        NodeResources("c", 8, 32 * GB, labels={"raymal-work": "none"}),
    ]
    made = plan(nodes, FleetSettings(), CPU_ONLY)
    assert {(group.node_id, group.kind, group.count) for group in made.groups} == {
        ("a", STT, 4),
        ("b", TTS, 2),
    }
    assert not made.problems


def test_labels_that_leave_a_kind_without_a_node_are_a_problem() -> None:
    """No worker is put on a node that the operator excludes, not even the one that is needed."""
    nodes = [NodeResources("a", 4, 32 * GB, labels={"raymal-work": "transcription"})]
    made = plan(nodes, FleetSettings(max_concurrent_synthesis=2), CPU_ONLY)
    assert (made.count(STT), made.count(TTS)) == (4, 0)
    assert made.impossible == ("no node for synthesis: the label raymal-work keeps every node from it",)


@pytest.mark.parametrize(
    ("label", "value", "advice"),
    [
        ("raymal-work", "stt", "use transcription, synthesis or none"),
        ("raymal-gpu-memory-gb", "plenty", "use a number of GB"),
        ("raymal-gpu-memory-gb", "-1", "use a number of GB"),
    ],
)
def test_an_unknown_label_is_a_problem_and_ignored(label: str, value: str, advice: str) -> None:
    """One line names the node, the label, its value and what would be right."""
    node = NodeResources("a" * 56, 4, 32 * GB, labels={label: value}, address="10.0.0.7")
    made = plan([node], FleetSettings(), CPU_ONLY)
    assert (made.count(STT), made.count(TTS)) == (4, 4)
    assert made.problems == (f"node 10.0.0.7: label {label}={value!r} is ignored: {advice}",)
    assert not made.impossible


labels = st.fixed_dictionaries(
    {},
    optional={
        "raymal-work": st.sampled_from(["transcription", "synthesis", "none", "?"]),
        "raymal-gpu-memory-gb": st.sampled_from(["1", "8", "24", "80", "?"]),
        TYPE_LABEL: st.sampled_from(["T4", "H100", "unheard-of"]),
    },
)
node = st.builds(
    NodeResources,
    node_id=st.text("abcdef", min_size=1, max_size=6),
    cpus=st.one_of(st.integers(0, 64), st.floats(0, 64, allow_nan=False)).map(float),
    memory_bytes=st.integers(0, 256 * GB),
    gpus=st.one_of(st.integers(0, 8), st.sampled_from([0.25, 0.5, 1.5])).map(float),
    hosts_ingress=st.booleans(),
    labels=labels,
    is_draining=st.booleans(),
)
nodes = st.lists(node, min_size=1, max_size=6, unique_by=lambda node: node.node_id)
override = st.none() | st.integers(1, 200)
fleets = st.builds(
    FleetSettings,
    max_concurrent_transcriptions=override,
    max_concurrent_synthesis=override,
    reserved_cpus=st.none() | st.floats(0, 16),
)
device = st.sampled_from(["auto", "cpu", "cuda"])
engines = st.builds(
    SpeechSettings,
    tts=st.sampled_from(["hibari", "coqui", "scripted"]),
    whisper=st.builds(
        WhisperSettings,
        threads=st.integers(1, 8),
        device=device,
        batch_size=st.none() | st.integers(1, 16),
        gpu_memory_gb=st.floats(0.1, 20),
    ),
    coqui=st.builds(CoquiSettings, device=device, gpu_memory_gb=st.floats(0.1, 20)),
)


def needs(speech: SpeechSettings) -> dict[WorkKind, float]:
    """Return the GPU memory of one worker of each kind that may use a GPU."""
    return {STT: speech.whisper.gpu_memory_gb, TTS: speech.coqui.gpu_memory_gb}


def fullest(
    room: float, sizes: dict[WorkKind, float], most: dict[WorkKind, int], need: dict[WorkKind, float]
) -> float:
    """Return the most memory that workers whose fractions fit into `room` of one GPU can take together."""
    best = 0.0
    for first in range(min(most.get(STT, 0), math.floor(room / sizes[STT] + 1e-9)) + 1):
        left = room - first * sizes[STT]
        second = min(most.get(TTS, 0), math.floor(left / sizes[TTS] + 1e-9))
        best = max(best, first * need[STT] + second * need[TTS])
    return best


@given(nodes, fleets, engines)
def test_a_plan_always_fits(nodes: list[NodeResources], fleet: FleetSettings, speech: SpeechSettings) -> None:
    """CPU shares stay within a node's budget; any workers that Ray puts on one GPU fit in its memory."""
    made = plan(nodes, fleet, speech)
    for node in nodes:
        here = [group for group in made.groups if group.node_id == node.node_id]
        reserve = ingress_reserve(node.cpus) if fleet.reserved_cpus is None else fleet.reserved_cpus
        budget = max(0.0, node.cpus - reserve) if node.hosts_ingress else node.cpus
        assert sum(group.count * group.cpus for group in here) <= budget + 1e-9
        on_gpu = {group.kind: group for group in here if group.gpus}
        if not on_gpu:
            continue
        whole = max(1, int(node.gpus))
        room = min(1.0, node.gpus)
        assert all(0 < group.gpus <= room for group in on_gpu.values())
        try:
            memory = memory_gb(node.labels)
        except ValueError:
            memory = 8.0
        sizes = {kind: on_gpu[kind].gpus if kind in on_gpu else 9.0 for kind in WorkKind}
        most = {kind: group.count for kind, group in on_gpu.items()}
        assert fullest(room, sizes, most, needs(speech)) <= memory * USABLE * room + 1e-6
        # All of them find a place, in any order.
        if whole == 1:
            assert sum(group.count * group.gpus for group in on_gpu.values()) <= room + 1e-9
        else:
            [size] = {group.gpus for group in on_gpu.values()}
            assert sum(most.values()) <= whole * math.floor(1 / size + 1e-9)


@given(nodes, fleets, engines)
def test_a_plan_honours_totals_labels_and_departures(
    nodes: list[NodeResources], fleet: FleetSettings, speech: SpeechSettings
) -> None:
    """Totals are never passed, on cores met; no kind is silently left out or put where it may not work."""
    made = plan(nodes, fleet, speech)
    by_id = {node.node_id: node for node in nodes}
    totals = {STT: fleet.max_concurrent_transcriptions, TTS: fleet.max_concurrent_synthesis}
    for kind, total in totals.items():
        groups = [group for group in made.groups if group.kind is kind]
        assert any(kind in line or "device" in line for line in made.impossible) or made.count(kind) >= 1
        if total is not None:
            assert made.slots(kind) <= total
            if groups and all(group.slots == 1 and not group.gpus for group in groups):
                assert made.slots(kind) == total
    for group in made.groups:
        node = by_id[group.node_id]
        assert group.count >= 1
        assert group.slots >= 1
        assert group.threads >= 1
        assert group.reason
        assert not node.is_draining
        assert node.labels.get("raymal-work") in (None, "?", group.kind)
        if (speech.whisper if group.kind is STT else speech.coqui).device == "cuda" and (
            group.kind is STT or speech.tts == "coqui"
        ):
            assert group.gpus > 0


@given(nodes, fleets, engines, st.randoms(use_true_random=False))
def test_the_order_of_the_nodes_means_nothing(
    nodes: list[NodeResources], fleet: FleetSettings, speech: SpeechSettings, random: Random
) -> None:
    """The same machines in another order get the same plan."""
    shuffled = list(nodes)
    random.shuffle(shuffled)
    assert plan(shuffled, fleet, speech) == plan(nodes, fleet, speech)


@given(node, st.integers(1, 16), engines, st.none() | st.floats(0, 16))
def test_more_cores_never_mean_fewer_workers(
    node: NodeResources, more: int, speech: SpeechSettings, reserved: float | None
) -> None:
    """A node with more cores, all else equal, gets at least as many workers."""
    fleet = FleetSettings(reserved_cpus=reserved)
    before = counts([node], fleet, speech)
    after = counts([replace(node, cpus=node.cpus + more)], fleet, speech)
    assert after[0] >= before[0]
    assert after[1] >= before[1]


@given(nodes, node, engines)
def test_another_node_never_means_fewer_slots(
    nodes: list[NodeResources], joining: NodeResources, speech: SpeechSettings
) -> None:
    """What joins adds."""
    joining = replace(joining, node_id="joining")
    before, after = plan(nodes, FleetSettings(), speech), plan([*nodes, joining], FleetSettings(), speech)
    for kind in WorkKind:
        assert after.slots(kind) >= before.slots(kind)


def test_a_worker_has_room_for_all_engines() -> None:
    """Threads are those of the largest; of a GPU's memory each takes its part."""
    speech = SpeechSettings(
        tts="hibari",
        coqui=CoquiSettings(threads=4, device="cpu"),
        mouth={"device": "auto", "gpu_memory_gb": 4},
    )
    one = groups(plan([pbx(8, 32)], FleetSettings(), speech))[TTS]
    several = groups(plan([pbx(8, 32)], FleetSettings(), speech, [COQUI]))[TTS]
    assert (one.threads, one.count, several.threads, several.count) == (1, 6, 4, 1)
    made = groups(plan([gpu_node(1, "P4")], FleetSettings(), speech, [MOUTH]))[TTS]
    assert (made.count, made.gpus > 0.0) == (1, True)
    both = speech.model_copy(update={"coqui": CoquiSettings(threads=4, gpu_memory_gb=4.0)})
    made = groups(plan([gpu_node(1, "P4")], FleetSettings(), both, [MOUTH, COQUI]))[TTS]
    assert made.gpus == 0.0, "8 GB and whisper's 2 do not fit into 8"


def test_an_engine_that_must_have_a_gpu_takes_the_others_along() -> None:
    """Any worker has to serve any request, so all are on GPUs; without one the problem names the engine."""
    speech = SpeechSettings(tts="hibari", coqui=CoquiSettings(device="cuda"))
    made = plan([gpu_node(1), NodeResources("w", 4, 16 * GB)], FleetSettings(), speech, [COQUI])
    assert [group.node_id for group in made.groups if group.kind is TTS] == ["g"]
    made = plan([pbx(4, 8)], FleetSettings(), speech, [COQUI])
    assert made.impossible[0].startswith("speech.coqui.device is 'cuda' but no node offers a GPU")
