"""The architecture, checked: imports only go down, and heavy libraries stay where they belong."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

FLOORS: dict[str, list[set[str]]] = {
    "actors": [
        {
            "checks",
            "errors",
            "messages",
            "percentiles",
            "plugins",
            "sentences",
            "settings",
            "speakable",
            "status",
            "telephone",
        },
        {"machine", "voices"},
        {"leases", "liveness", "engines"},
        {"fleet", "workers", "pool"},
        {"manager"},
        {"local", "cluster"},
        {"api"},
    ],
    "ingress": [
        {"audiosocket", "configuration", "link", "access"},
        {"media", "phrases", "recordings", "dialogs", "caller"},
        {"gateway", "web"},
        {"server"},
        {"commands"},
        {"cli", "__main__"},
    ],
}
"""Rooms, bottom up; a room imports from its own floor and from those below it."""
APART = {("gateway", "media"), ("media", "gateway")}
"""Processes that meet in `link` alone."""
PURE = {
    "actors": {"errors", "messages", "percentiles", "sentences", "settings", "status"},
    "actors.api": {"cutting", "errors", "tokens"},
    "actors.checks": {"hosts", "languages"},
    "actors.engines": {"ctranslate2_file", "phonemes", "whisper_attempt", "whisper_prompt"},
    "actors.fleet": {"gpu_memory", "node_notation", "ray_address", "sizing"},
    "actors.leases": {"book", "queue"},
    "actors.machine": {"control_groups", "limits", "order", "processes", "use"},
    "actors.manager": {"admission", "lease_accounts", "overload", "session_book", "throttle"},
    "actors.plugins": {"lookup", "mistakes"},
    "actors.pool": {"registration"},
    "actors.speakable": {
        "abbreviations", "characters", "clauses", "english", "figures", "french", "german", "italian",
        "markup", "pieces",
        "portuguese", "scripts", "spanish", "spelling", "text", "words",
    },
    "actors.voices": {"kokoro_release"},
    "ingress": {"audiosocket"},
    "ingress.access": {
        "attempts", "connection_rate", "invitations", "log_limit", "networks", "private_files", "tokens",
    },
    "ingress.caller": {"conversation", "listening_quality", "outcome", "script", "word_errors"},
    "ingress.configuration": {
        "contradictions", "extension_book", "extension_tables", "extensions", "phrases", "settings",
    },
    "ingress.dialogs": {"actions", "answers", "file_content", "json_form", "outcome", "state", "texts"},
    "ingress.dialogs.flow": {
        "answers", "checking", "drawing", "model", "progress", "replies", "texts", "wording",
    },
    "ingress.dialogs.llm": {"api_key", "conversation", "memory", "prompt", "settings", "texts", "thoughts"},
    "ingress.dialogs.matching": {
        "answers", "dates", "expected", "names", "numbers", "phrases", "tokens", "vocabulary",
    },
    "ingress.dialogs.webhook": {"answer", "circuit", "signature"},
    "ingress.gateway": {"call_language", "decision_history", "early_speech", "lead", "trace_spans"},
    "ingress.link": {"framing", "live", "messages", "records", "status"},
    "ingress.media": {
        "call", "call_limits", "codec_check", "endings", "idle_sound", "keys", "lateness", "leg_turns",
        "no_input", "pacing", "playout", "receiver", "resampling", "tones", "turn", "turn_queue",
        "turn_sequence",
    },
    "ingress.media.hearing": {"endpointing", "events", "spectrum", "stream_time", "utterance", "vad"},
    "ingress.media.recording": {"alignment"},
    "ingress.phrases": {"key", "memory", "pace"},
    "ingress.web": {"history", "words"},
    "ingress.recordings": {"names", "retention", "wave_header"},
    "ingress.server.doctor": {"finding"},
}  # fmt: skip
"""Rules and words: no clock, no socket, no Ray."""
CLOCKS_AND_IO = {"asyncio", "socket", "time", "subprocess", "threading", "ray", "uvloop"}
ONLY_HERE = {
    "ray": ["actors.cluster", "actors.api"],
    "av": ["actors.api.recordings"],
    "fastapi": ["actors.api", "ingress.web"],
    "starlette": ["actors.api", "ingress.web"],
    "torch": ["actors.engines.coqui"],
    "TTS": ["actors.engines.coqui"],
    "hibari": ["actors.engines.hibari"],
    "faster_whisper": ["actors.engines.whisper", "actors.engines.whisper_model"],
    "ctranslate2": ["actors.engines.whisper", "actors.engines.whisper_model"],
    "webrtcvad": ["ingress.media.hearing.vad"],
    "espeakng_loader": ["actors.engines.espeak_library"],
    "ttspico": ["actors.engines.pico"],
    "onnxruntime": ["ingress.media.hearing.silero", "actors.engines.kokoro", "actors.engines.piper"],
    "uvloop": ["ingress.media.worker"],
    "asyncpg": ["ingress.server.extension_database"],
    "openai": ["ingress.dialogs.llm.endpoint"],
    "jsonschema": ["ingress.dialogs.lookups", "ingress.dialogs.llm.tools"],
    "xllamacpp": ["ingress.dialogs.llm.local_model"],
    "opentelemetry": ["ingress.gateway.trace_export"],
}
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in ("actors", "ingress")
    for path in sorted((ROOT / package).rglob("*.py"))
}


def floor_of(module: str) -> int | None:
    """Return the number of the floor that the module's room stands on."""
    package, room = module.split(".")[:2]
    return next((number for number, rooms in enumerate(FLOORS[package]) if room in rooms), None)


@cache
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


@pytest.mark.parametrize("module", [name for name in MODULES if "." in name])
def test_imports_only_go_down(module: str) -> None:
    """Every room has a floor; nothing imports upwards, nor measuring programs, nor actors the ingress."""
    package, room = module.split(".")[:2]
    floor = floor_of(module)
    assert floor is not None, f"{room} has no floor: add it to FLOORS"
    for imported in imports_of(MODULES[module]):
        assert imported.split(".")[0] != "benchmarks", f"{module} imports {imported}"
        if imported not in MODULES or "." not in imported:
            continue
        imported_package, imported_room = imported.split(".")[:2]
        if imported_package != package:
            assert package == "ingress", f"{module} imports {imported}"
            continue
        assert (room, imported_room) not in APART, f"{module} imports {imported}"
        below = (floor_of(imported) or 0) <= floor
        assert below, f"{module} imports {imported}, which is a floor above it"


@pytest.mark.parametrize("module", [f"{room}.{name}" for room, names in PURE.items() for name in names])
def test_words_and_rules_have_no_clock_no_sockets_no_ray(module: str) -> None:
    """What decides is given the time, and does nothing."""
    roots = {name.split(".")[0] for name in imports_of(MODULES[module])}
    assert not roots & CLOCKS_AND_IO


@pytest.mark.parametrize("library", sorted(ONLY_HERE))
def test_heavy_libraries_stay_in_their_one_file(library: str) -> None:
    """Ray, the model libraries, the event loop and the database are imported in one place each."""
    for module, path in MODULES.items():
        uses = any(name == library or name.startswith(f"{library}.") for name in imports_of(path))
        if uses:
            assert any(f"{module}.".startswith(f"{room}.") for room in ONLY_HERE[library]), module


@pytest.mark.parametrize(
    "program",
    [
        "import actors, ingress",
        "import actors.engines.registry",
        "import ingress.dialogs.registry, ingress.configuration.loading",
        "from ingress.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass",
    ],
)
def test_the_packages_and_the_help_load_nothing_heavy(program: str) -> None:
    """No model library, no numpy, no hearing and no Ray."""
    heavy = [*ONLY_HERE, "numpy", "ingress.media.hearing"]
    program += f"\nimport sys; print([name for name in {heavy!r} if name in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, cwd=ROOT
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "[]"


def test_few_files_lie_outside_the_rooms() -> None:
    """A stranger looks for a room; what belongs to all of them is short."""
    assert len(list((ROOT / "ingress").glob("*.py"))) <= 4
    assert len(list((ROOT / "actors").glob("*.py"))) <= 9


def test_no_wall_clock_in_deadlines() -> None:
    """An NTP step must not move a deadline: only monotonic clocks are read."""
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert (node.value.id, node.attr) != ("time", "time"), f"{module} reads time.time()"
