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
        "ingress.capacity_result", "ingress.media.endings", "ingress.server.exit_codes", "ingress.configuration.extensions",
        "ingress.link.messages", "ingress.link.records", "ingress.configuration.settings", "ingress.media.hearing.events",
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
        "ingress.audiosocket", "ingress.media.call", "ingress.gateway.call_figures", "ingress.media.codec_check",
        "ingress.gateway.decision_history", "ingress.media.hearing.endpointing", "ingress.media.resampling", "ingress.caller.listening_quality",
        "ingress.media.pacing", "ingress.phrases.memory", "ingress.phrases.key", "ingress.planning",
        "ingress.media.playout", "ingress.media.tones",
        "ingress.media.turn", "ingress.media.receiver", "ingress.caller.word_errors",
    ],
    "engines": [
        "actors.engines",
        "ingress.media.hearing.silero", "ingress.media.hearing.vad",
    ],
    "workers": [
        "actors.manager.decision_board", "actors.fleet.fleet", "actors.leases.desk", "actors.manager.resource_manager",
        "actors.workers.stt_worker", "actors.workers.tts_worker", "actors.workers.work_meter",
        "ingress.dialogs", "ingress.phrases.engine_version", "ingress.media.hearing.hearing", "ingress.phrases.disk",
        "ingress.phrases.fixed",
    ],
    "wires": [
        "actors.cluster", "actors.pool.leased_pool", "actors.pool.manager_client", "actors.local", "actors.cluster.ray_head",
        "actors.workers.worker_thread",
        "ingress.gateway.call_log", "ingress.gateway.call_log_file", "ingress.gateway.call",
        "ingress.capacity", "ingress.caller.caller", "ingress.server.child", "ingress.configuration.loading",
        "ingress.media.closing", "ingress.media.frame_clock",
        "ingress.gateway.gateway", "ingress.media.connection", "ingress.link.link", "ingress.server.ports", "ingress.server.logs",
        "ingress.gateway.loop_lag", "ingress.gateway.machine_load", "ingress.gateway.media_peer", "ingress.media.worker",
        "ingress.server.observer", "ingress.media.gc_schedule", "ingress.gateway.admission", "ingress.server.runtime_directory",
        "ingress.media.scheduling", "ingress.media.calls", "ingress.media.leg", "ingress.phrases.shared_synthesis",
        "ingress.gateway.signals", "ingress.phrases.speaker", "ingress.server.supervisor", "ingress.gateway.turn_runner", "ingress.phrases.warming",
        "ingress.caller.wave_files",
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
    "webrtcvad": ["ingress.media.hearing.vad"],
    "onnxruntime": ["ingress.media.hearing.silero"],
    "uvloop": ["ingress.media.worker"],
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
