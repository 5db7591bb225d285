"""What a run knew and its result does not say: when, for how long, by which command, how it ended.

`runs.json` lies beside the results, one entry for each, so that a page can be rendered from a folder alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

RECORDS = "runs.json"


@dataclass(frozen=True, slots=True)
class Record:
    """One run of one benchmark."""

    command: str
    began_at: str
    """ISO 8601, UTC."""
    seconds: float
    exit_code: int
    is_quick: bool


def read_records(folder: Path) -> dict[str, Record]:
    """Return the folder's records by benchmark; none if there are none, or not in this form."""
    try:
        found = json.loads((folder / RECORDS).read_text(encoding="utf-8"))
        return {name: Record(**fields) for name, fields in found.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def add_records(folder: Path, records: Mapping[str, Record]) -> None:
    """Write records beside those of other benchmarks."""
    merged = read_records(folder) | dict(records)
    text = json.dumps({name: asdict(merged[name]) for name in sorted(merged)}, indent=2)
    (folder / RECORDS).write_text(text + "\n", encoding="utf-8")
