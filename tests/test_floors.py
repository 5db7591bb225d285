"""The architecture, checked: imports only go down, and heavy libraries stay where they belong."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

FLOORS: dict[str, list[str]] = {
    "words": [
        "actors.errors", "actors.messages", "actors.pool.speech_pool", "actors.registration", "actors.settings",
        "ingress.capacity_result", "ingress.endings", "ingress.exit_codes", "ingress.extensions",
        "ingress.link_messages", "ingress.metrics", "ingress.settings", "ingress.utterance",
    ],
    "rules": [
        "actors.manager.admission", "actors.leases.deadlines", "actors.fleet.gpu_memory", "actors.fleet.node_notation", "actors.manager.lease_accounts",
        "actors.leases.queue",
        "actors.leases.book", "actors.manager.overload", "actors.manager.percentiles", "actors.sentences", "actors.manager.session_book",
        "actors.fleet.sizing", "actors.manager.throttle",
        "ingress.capacity.agenda", "ingress.capacity.content", "ingress.capacity.judgement",
        "ingress.capacity.limits", "ingress.capacity.peer_quality", "ingress.capacity.plots",
        "ingress.capacity.scenario", "ingress.capacity.search", "ingress.capacity.svg",
        "ingress.capacity.workload_meter",
        "ingress.audiosocket", "ingress.call", "ingress.call_figures", "ingress.codec_check",
        "ingress.decision_history", "ingress.endpointing", "ingress.inbound", "ingress.listening_quality",
        "ingress.pacing", "ingress.phrase_cache", "ingress.phrase_key", "ingress.planning",
        "ingress.playout", "ingress.tones",
        "ingress.turn", "ingress.uplink", "ingress.word_errors",
    ],
    "engines": [
        "actors.engines",
        "ingress.silero", "ingress.vad",
    ],
    "workers": [
        "actors.manager.decision_board", "actors.fleet.fleet", "actors.leases.desk", "actors.manager.resource_manager",
        "actors.workers.stt_worker", "actors.workers.tts_worker", "actors.workers.work_meter",
        "ingress.dialogs", "ingress.engine_version", "ingress.hearing", "ingress.phrase_store",
        "ingress.phrases",
    ],
    "wires": [
        "actors.cluster", "actors.pool.leased_pool", "actors.pool.manager_client", "actors.local", "actors.cluster.ray_head",
        "actors.workers.worker_thread",
        "ingress.call_ledger", "ingress.call_records", "ingress.call_work",
        "ingress.capacity", "ingress.caller", "ingress.child", "ingress.configuration",
        "ingress.departures", "ingress.frame_clock",
        "ingress.gateway", "ingress.line", "ingress.link", "ingress.listeners", "ingress.logs",
        "ingress.loop_lag", "ingress.machine_load", "ingress.media_link", "ingress.media_worker",
        "ingress.observer", "ingress.pauses", "ingress.places", "ingress.runtime_directory",
        "ingress.scheduling", "ingress.server", "ingress.session", "ingress.shared_synthesis",
        "ingress.signal_meter", "ingress.speaker", "ingress.supervisor", "ingress.turns", "ingress.warming",
        "ingress.wave_files",
    ],
    "doors": [
        "ingress.__main__", "ingress.cli", "ingress.commands",
    ],
}  # fmt: skip
ORDER = list(FLOORS)
PURE_FLOORS = ("words", "rules")
CLOCKS_AND_IO = {"asyncio", "socket", "time", "subprocess", "threading", "ray", "uvloop"}
ONLY_HERE = {
    "ray": ["actors.cluster"],
    "torch": ["actors.engines.coqui"],
    "TTS": ["actors.engines.coqui"],
    "hibari": ["actors.engines.hibari"],
    "faster_whisper": ["actors.engines.whisper"],
    "ctranslate2": ["actors.engines.whisper"],
    "webrtcvad": ["ingress.vad"],
    "onnxruntime": ["ingress.silero"],
    "uvloop": ["ingress.media_worker"],
}

MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in ("actors", "ingress")
    for path in sorted((ROOT / package).rglob("*.py"))
}


def floor_of(module: str) -> int | None:
    """Return the floor's number; None for the packages themselves, which import nothing.

    A module of a package may stand lower than the package: the lowest floor that names it counts.
    """
    for number, floor in enumerate(ORDER):
        for name in FLOORS[floor]:
            if module == name or module.startswith(f"{name}."):
                return number
    return None


def imports_of(path: Path) -> set[str]:
    """Return the absolute names that a file imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


@pytest.mark.parametrize("module", [name for name in MODULES if name not in ("actors", "ingress")])
def test_every_module_has_a_floor_and_imports_only_go_down(module: str) -> None:
    """A module imports from its own floor or from one below it."""
    floor = floor_of(module)
    assert floor is not None, f"{module} stands on no floor: add it to FLOORS"
    for imported in imports_of(MODULES[module]):
        if imported in MODULES and imported not in ("actors", "ingress"):
            imported_floor = floor_of(imported)
            assert imported_floor is not None
            assert imported_floor <= floor, f"{module} imports {imported}, which is a floor above it"
        if module.startswith("actors."):
            assert imported.split(".")[0] != "ingress", f"{module} imports the ingress"


@pytest.mark.parametrize(
    "module",
    [name for name in MODULES if floor_of(name) is not None and ORDER[floor_of(name) or 0] in PURE_FLOORS],
)
def test_words_and_rules_have_no_clock_no_sockets_no_ray(module: str) -> None:
    """The two lowest floors are pure."""
    roots = {name.split(".")[0] for name in imports_of(MODULES[module])}
    assert not roots & CLOCKS_AND_IO


@pytest.mark.parametrize("library", sorted(ONLY_HERE))
def test_heavy_libraries_stay_in_their_one_file(library: str) -> None:
    """Ray, the model libraries and the event loop are imported in one place each."""
    users = [
        module
        for module, path in MODULES.items()
        if any(name == library or name.startswith(f"{library}.") for name in imports_of(path))
    ]
    strangers = [
        user
        for user in users
        if not any(user == room or user.startswith(f"{room}.") for room in ONLY_HERE[library])
    ]
    assert not strangers


@pytest.mark.parametrize("package", ["actors", "ingress", "actors.engines.registry", "ingress.cli"])
def test_importing_a_package_loads_no_model_library_and_no_ray(package: str) -> None:
    """`import actors` and `import ingress`, and even the whole command line, stay light."""
    heavy = ["ray", "torch", "ctranslate2", "onnxruntime", "faster_whisper", "TTS", "hibari"]
    program = f"import sys, {package}; print([name for name in {heavy!r} if name in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, cwd=ROOT
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "[]"


def test_no_wall_clock_in_deadlines() -> None:
    """An NTP step must not move a deadline: only monotonic clocks are read."""
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert (node.value.id, node.attr) != ("time", "time"), f"{module} reads time.time()"
