"""The tables of docs/resources.md say what the code does."""

from __future__ import annotations

import json
import re
from importlib import import_module
from pathlib import Path

import pytest
from pydantic import BaseModel

from actors.fleet.sizing import GIGABYTE, NodeResources, plan
from actors.manager.admission import Reason
from actors.manager.throttle import LINES
from actors.messages import WorkKind
from actors.settings import AdmissionSettings, FleetSettings, SpeechSettings, ThrottleSettings
from ingress.cli import main
from ingress.configuration.settings import CacheSettings, RecordSettings

PAGE = (Path(__file__).parents[2] / "docs" / "resources.md").read_text()
SECTIONS: dict[str, type[BaseModel]] = {
    "fleet": FleetSettings,
    "throttle": ThrottleSettings,
    "admission": AdmissionSettings,
    "cache": CacheSettings,
    "records": RecordSettings,
}


def table(header: str, after: str = "") -> list[list[str]]:
    """Return the rows of the first table with this header below the line `after`, cell by cell."""
    _, _, rows = PAGE[PAGE.index(after) :].partition(header)
    assert rows, f"docs/resources.md has no table {header!r}"
    lines = rows.splitlines()[2:]
    end = next((number for number, line in enumerate(lines) if not line.startswith("|")), len(lines))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[:end]]


@pytest.mark.parametrize("section", SECTIONS)
def test_every_setting_is_there_with_its_default(section: str) -> None:
    """All keys of the section in the code's order, and none that does not exist."""
    rows = table("| key | unit | default | meaning |", f"### `[{section}]`")
    fields = SECTIONS[section].model_fields
    defaults = {name: field.default for name, field in fields.items()}
    written = {name: "unset" if it is None else f"`{json.dumps(it)}`" for name, it in defaults.items()}
    assert {row[0].strip("`"): row[2] for row in rows} == written


def test_thresholds_and_reasons_are_those_of_the_code() -> None:
    """Each signal with its three thresholds, above 100 % is never; every reason for a refusal."""
    rows = table("| signal | unit | of | busy | loaded | full |")
    assert [row[0] for row in rows] == [f"`{name}`" for name in LINES]
    for name, unit, _, *thresholds in rows:
        values = getattr(ThrottleSettings(), name.strip("`"))
        assert thresholds == ["never" if unit == "%" and it > 100 else f"{it:g}" for it in values]
    assert sorted(row[0] for row in table("| reason | when |")) == sorted(Reason)


def test_counts_of_workers_are_those_of_the_plan(capsys: pytest.CaptureFixture[str]) -> None:
    """Each node of the page, planned alone with the default engines; the plan that is shown is printed."""
    for hardware, ingress, *slots in table("| node | ingress | transcription slots | synthesis slots |"):
        cpus, gigabytes, *gpus = (int(figure) for figure in re.findall(r"\d+", hardware))
        node = NodeResources("n", cpus, gigabytes * GIGABYTE, sum(gpus), hosts_ingress=ingress == "yes")
        planned = plan([node], FleetSettings(), SpeechSettings())
        kinds = (WorkKind.TRANSCRIPTION, WorkKind.SYNTHESIS)
        assert slots == [str(planned.slots(kind)) for kind in kinds], hardware
    shown = re.search(r"```\n\$ raymal (cluster plan .*)\n((?:.*\n)+?)```", PAGE)
    assert shown is not None
    assert main(shown[1].split()) == 0
    assert capsys.readouterr().out == shown[2]


def test_figures_that_are_not_settings_are_those_of_the_code() -> None:
    """Each names the constant it comes from."""
    for _, value, place in table("| figure | value | in the code |"):
        module, _, constant = place.strip("`").rpartition(".")
        assert float(value.removesuffix(" s")) == getattr(import_module(module), constant), place
