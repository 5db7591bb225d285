"""The page on resources says what the code does: every table of it is read and compared."""

from __future__ import annotations

import asyncio
import json
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from actors.fleet import gpu_memory as gpu_places
from actors.fleet.node_notation import parse_nodes
from actors.fleet.sizing import GIGABYTE, NodeResources, plan
from actors.manager.admission import AdmissionBook, Reason, SlotUse
from actors.manager.resource_manager import INGRESS_TIMEOUT_S
from actors.manager.throttle import LINES, Ladder, Signals
from actors.messages import Decision, Level, Priority, SessionStarted, WorkKind
from actors.pool.leased_pool import HOLD_MARGIN_S
from actors.registration import NOT_SHARED
from actors.settings import (
    GPU_BATCH_SIZE,
    AdmissionSettings,
    FleetSettings,
    SpeechSettings,
    ThrottleSettings,
)
from ingress.cli import main
from ingress.configuration.settings import CacheSettings, RecordSettings
from ingress.gateway.call_log import CallLedger
from ingress.gateway.call_log_file import MODE, QUEUE_LINES
from ingress.gateway.gateway import FIRST_WARMING_S
from ingress.link.records import CallRecord, LatenessSummary
from ingress.media.call import MAXIMUM_TURN_RECORDS
from ingress.phrases.fixed import TEXTS

PAGE = (Path(__file__).parents[2] / "docs" / "resources.md").read_text()
SECTIONS: dict[str, type[BaseModel]] = {
    "fleet": FleetSettings,
    "throttle": ThrottleSettings,
    "admission": AdmissionSettings,
    "cache": CacheSettings,
    "records": RecordSettings,
}
UNITS = {"_ms": "ms", "_s": "s", "_percent": "%", "_bytes": "bytes", "_cpus": "cores", "_calls": "calls"}
"""What a key's ending says about its unit."""

FREE = {kind: SlotUse(10, 0.0) for kind in WorkKind}
HUNDRED = AdmissionSettings(calls_per_slot=10.0)
"""A hundred lines on ten slots of each kind."""


def table(header: str, after: str = "") -> list[list[str]]:
    """Return the rows of the first table with this header below the line `after`, cell by cell."""
    assert after in PAGE, f"docs/resources.md has no {after!r}"
    rows = PAGE.partition(after)[2] if after else PAGE
    assert header in rows, f"docs/resources.md has no table {header!r}"
    lines = rows.partition(header)[2].splitlines()[2:]
    found: list[list[str]] = []
    for line in lines:
        if not line.startswith("|"):
            break
        found.append([cell.strip() for cell in line.strip("|").split("|")])
    return found


def written(value: Any) -> str:
    """Return a default as the page writes it."""
    return "unset" if value is None else f"`{json.dumps(value)}`"


@pytest.mark.parametrize("section", SECTIONS)
def test_every_setting_is_there_with_its_unit_and_default(section: str) -> None:
    """All keys of the section in the code's order, none that does not exist, nothing unexplained."""
    rows = table("| key | unit | default | meaning |", f"### `[{section}]`")
    fields = SECTIONS[section].model_fields
    assert [row[0] for row in rows] == [f"`{name}`" for name in fields]
    for (_, unit, default, meaning), (name, field) in zip(rows, fields.items(), strict=True):
        assert default == written(field.default), name
        assert meaning, name
        for ending, expected in UNITS.items():
            if name.endswith(ending):
                assert unit == expected or unit.startswith(f"{expected} "), name
        if isinstance(field.default, (int, float)) and not isinstance(field.default, bool):
            assert unit, f"{name} is a number of what?"


def test_thresholds_are_those_of_the_code() -> None:
    """Each signal with its three thresholds; above 100 % is never."""
    rows = table("| signal | unit | of | busy | loaded | full |")
    assert [row[0] for row in rows] == [f"`{name}`" for name in LINES]
    for name, unit, owner, *thresholds in rows:
        name = name.strip("`")
        values = getattr(ThrottleSettings(), name)
        is_percent = name.endswith("_percent")
        assert unit == ("%" if is_percent else "ms")
        assert owner in ("an ingress", "the cluster")
        assert thresholds == ["never" if is_percent and it > 100 else f"{it:g}" for it in values]


def test_effects_of_the_levels_are_those_of_the_code() -> None:
    """What each level does, as a decision and the admission have it."""
    decisions = [Decision(level=level) for level in Level]
    yes_no = {True: "yes", False: "no"}
    assert table("| | normal | busy | loaded | full |") == [
        ["transcription begins in a pause", *(yes_no[it.allows_ahead] for it in decisions)],
        ["frames", *(f"{it.frame_ms} ms" for it in decisions)],
        ["a doubtful transcript is decoded again with 30 s", *(yes_no[it.allows_retry] for it in decisions)],
        ["short wordings are preferred", *(yes_no[it.prefers_short_answers] for it in decisions)],
        ["new calls", *(_who_is_taken(level) for level in Level)],
    ]
    assert "From *loaded* on background work" in PAGE


def _who_is_taken(level: Level) -> str:
    taken = {priority for priority in Priority if _is_taken(priority, level)}
    if taken == set(Priority):
        return "all"
    return "not background" if taken == set(Priority) - {Priority.BACKGROUND} else ", ".join(sorted(taken))


def _is_taken(priority: Priority, level: Level, busy_percent: float = 0.0) -> bool:
    book = AdmissionBook(HUNDRED)
    use = {kind: SlotUse(10, busy_percent) for kind in WorkKind}
    return book.admit(SessionStarted("a", "i", "e", priority), level, use, 0.0).is_admitted


def test_classes_are_as_the_page_says() -> None:
    """Lines, the limit on slots and the levels, each tried on the book itself."""
    rows = table("| class | taken up to | while slots in use and kept are under | at loaded | at full |")
    assert [row[0] for row in rows] == list(Priority)
    for name, lines, limit, at_loaded, at_full in rows:
        priority = Priority(name)
        assert AdmissionBook(HUNDRED).ceiling(priority, FREE) == int(lines)
        assert _is_taken(priority, Level.LOADED) == (at_loaded == "yes")
        assert _is_taken(priority, Level.FULL) == (at_full == "yes")
        if limit == "no limit":
            assert _is_taken(priority, Level.NORMAL, busy_percent=100.0)
        else:
            percent = float(limit.removesuffix(" %"))
            assert _is_taken(priority, Level.NORMAL, percent - 0.01)
            assert not _is_taken(priority, Level.NORMAL, percent + 0.01)


def test_reasons_for_refusal_are_all_there() -> None:
    """Every reason that can be counted is explained, and no other."""
    assert sorted(row[0] for row in table("| reason | when |")) == sorted(Reason)


def test_the_example_of_a_reason_is_one() -> None:
    """The line that the page shows is what the ladder says."""
    ladder = Ladder(ThrottleSettings())
    for now in (0.0, 1.0):
        ladder.step(Signals(lateness_p99_ms=24.0), now)
    assert f"`{ladder.reasons[0]}`" in PAGE


def test_counts_of_workers_are_those_of_the_plan() -> None:
    """Each node of the page, planned alone with the default engines."""
    rows = table("| node | ingress | transcription slots | synthesis slots |")
    assert len(rows) >= 8
    for hardware, ingress, transcription, synthesis in rows:
        figures = re.fullmatch(r"(\d+) cores?, (\d+) GB(?:, (\d+) GPU)?", hardware)
        assert figures is not None, hardware
        cpus, gigabytes, gpus = (int(figure or 0) for figure in figures.groups())
        node = NodeResources("n", cpus, gigabytes * GIGABYTE, gpus, hosts_ingress=ingress == "yes")
        planned = plan([node], FleetSettings(), SpeechSettings())
        slots = [str(planned.slots(kind)) for kind in (WorkKind.TRANSCRIPTION, WorkKind.SYNTHESIS)]
        assert slots == [transcription, synthesis], hardware


def test_figures_that_are_not_settings_are_those_of_the_code() -> None:
    """Each names the constant it comes from."""
    rows = table("| figure | value | in the code |")
    assert rows
    for _, value, place in rows:
        module, _, constant = place.strip("`").rpartition(".")
        assert float(value.removesuffix(" s")) == getattr(import_module(module), constant), place


def test_settings_that_may_differ_between_ingresses_are_named() -> None:
    """All that a cluster does not ask to be equal, and no other."""
    named = re.search(r"own affair is meant\s+\((.*?), and `\[cache\]`\)", PAGE, re.DOTALL)
    assert named is not None
    assert set(re.findall(r"`(\w+)`", named[1])) == NOT_SHARED


def test_the_plan_that_is_shown_is_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    """The command of the page, run, prints what stands below it."""
    shown = re.search(r"```\n\$ raymal (cluster plan .*)\n((?:.*\n)+?)```", PAGE)
    assert shown is not None
    assert main(shown[1].split()) == 0
    assert capsys.readouterr().out == shown[2]


def test_parts_of_a_machine_have_the_defaults_of_the_page() -> None:
    """Each part can be written so, and counts as the page says when it is left out."""
    rows = table("| part | is | unsaid |")
    (whole,) = parse_nodes("+".join(row[0].strip("`") for row in rows))
    assert (whole.cpus, whole.memory_bytes, whole.gpus) == (8.0, 16 * GIGABYTE, 1.0)
    assert whole.gpu_memory_bytes == 24 * GIGABYTE
    (bare,) = parse_nodes("1gpu")
    assert [row[2] for row in rows] == [
        f"{bare.cpus:g}",
        f"{bare.memory_bytes / GIGABYTE / bare.cpus:g} GB a core",
        "none; 1 if their memory is said",
        f"{gpu_places.UNKNOWN_MEMORY_GB:g} GB",
    ]
    assert (parse_nodes("8cpu")[0].gpus, parse_nodes("24gbgpu")[0].gpus) == (0.0, 1.0)


def test_figures_in_the_text_are_those_of_the_code() -> None:
    """What a sentence says in passing."""
    assert gpu_places.USABLE == 0.9
    assert "nine tenths" in PAGE
    assert gpu_places.WORKERS_PER_GPU == 4
    assert "four workers at most" in PAGE
    assert f"(whisper: {GPU_BATCH_SIZE})" in PAGE
    assert f"ends by itself, {HOLD_MARGIN_S:g} s after its work's deadline" in PAGE
    assert f"silent for {INGRESS_TIMEOUT_S:g} s" in PAGE.replace("\n", " ")
    assert f"for up to {FIRST_WARMING_S:g} s before the" in PAGE
    assert f"newest {MAXIMUM_TURN_RECORDS} turns" in PAGE
    assert f"up to {QUEUE_LINES:,} wait" in PAGE
    assert f"mode {MODE:04o}" in PAGE
    assert f"work has {SpeechSettings().transcription_deadline_s:g} s" in PAGE
    languages = list(TEXTS)
    assert f"{', '.join(languages[:-1])} and {languages[-1]}" in PAGE


def test_fields_of_a_record_are_named(tmp_path: Path) -> None:
    """The line that is written has these fields and no other."""
    file = tmp_path / "calls.jsonl"
    ledger = CallLedger(RecordSettings(file=str(file)))
    nothing = LatenessSummary(frames=0, p50_ms=0.0, p99_ms=0.0, p999_ms=0.0, maximum_ms=0.0)
    known = {"call_id": "c", "extension": "e", "end_reason": "r", "lateness": nothing, "turns": ()}
    counts = dict.fromkeys(CallRecord.model_fields.keys() - {"priority", "was_refused"} - known.keys(), 0)
    record = CallRecord.model_validate({**counts, **known})
    ledger.write(record, None)
    asyncio.run(ledger.close())
    written_line = json.loads(file.read_text())
    assert [row[0] for row in table("| field | has |")] == [f"`{name}`" for name in written_line]
    assert {"was_refused", "end_reason"} <= written_line["call"].keys()
    assert written_line["session"] is None
