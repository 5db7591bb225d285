"""A benchmark's result, as far as all of them say the same, and its figures beside those of a kept one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from benchmarks.catalogue import Figure


@dataclass(frozen=True, slots=True)
class Result:
    """What a benchmark wrote."""

    values: Mapping[str, Any]

    @classmethod
    def load(cls, file: Path) -> Result | None:
        """Return a result; None if there is none that can be read."""
        try:
            values = json.loads(file.read_text(encoding="utf-8"))
            return cls(values) if values["machine"]["cores"] else None
        except (OSError, ValueError, LookupError, TypeError):
            return None

    @property
    def kind(self) -> tuple[str, int, tuple[str, ...]]:
        """The kind of machine: results of one kind can be compared."""
        machine = self.values["machine"]
        return machine["processor"], machine["cores"], tuple(machine.get("gpus", ()))

    def __str__(self) -> str:
        machine = self.values["machine"]
        packages = [f"{name} {number}" for name, number in machine.get("packages", {}).items()]
        software = ", ".join(("Python " + machine["python"].removeprefix("Python "), *packages))
        # `raymal` in a capacity result is the version with the commit behind it.
        commit = machine.get("commit") or self.values.get("raymal", "").partition("(")[2].rstrip(")")
        memory_gib = machine.get("memory_gib") or machine["memory_bytes"] / 2**30
        hardware = (machine["processor"], f"{machine['cores']} cores", f"{memory_gib:.1f} GiB")
        return f"commit {commit or 'unknown'}; {', '.join((*hardware, *machine.get('gpus', ())))}; {software}"

    @property
    def missed(self) -> list[str]:
        """Targets that were missed, one line each."""
        values = self.values
        lines = []
        for row in (*values.get("targets", ()), *values.get("criteria", ())):
            if not row["is_met"]:
                lines.append(f"{row['name']}: {row['measured']} (limit {row['limit']})")
        lines += [f"{line} (limit {row['limit']})" for row, line in self._outcomes("MISS")]
        return lines + ["calls held: not even one"] * (values.get("calls_held") == 0)

    @property
    def disturbed(self) -> list[str]:
        """Why it is worth less than it could be, one line each."""
        values = self.values
        lines = [line for _, line in self._outcomes("DISTURBED")]
        for row in values.get("results", ()):
            for each in row["measurements"]:
                lines += [f"{row['server']}, {row['calls']} calls: {why}" for why in each["invalid_because"]]
        # Of a capacity: the least number that was not held may not have been the server's fault.
        steps = [step for step in values.get("steps", ()) if step["calls"] > values["calls_held"]]
        least = min((step["calls"] for step in steps), default=None)
        tried = [step for step in steps if step["calls"] == least]
        return lines + [f"{least:g} calls: {why}" for step in tried[-1:] for why in step["invalid"]]

    @property
    def impossible(self) -> list[str]:
        """What this machine cannot do."""
        return [line for _, line in self._outcomes("IMPOSSIBLE")]

    def _outcomes(self, verdict: str) -> list[tuple[Mapping[str, str], str]]:
        rows = [row for row in self.values.get("outcomes", ()) if row["verdict"] == verdict]
        return [(row, f"{row['test']}: {row['criterion']}: {row['measured']}") for row in rows]


class Change(Enum):
    """What a figure is beside the kept one."""

    AS_KEPT = "as kept"
    BETTER = "better"
    """By more than would be a regression."""
    REGRESSION = "REGRESSION"
    WORSE_DISTURBED = "worse, but disturbed"
    """Which says nothing."""
    OTHER_MACHINE = "other machine"
    NOTHING_KEPT = "nothing kept"
    MISSING = "not in the result"


def compare(figure: Figure, new: Result, kept: Result | None) -> Change:
    """Compare one figure of two results."""
    value, before = figure.read(new.values), figure.read(kept.values) if kept else None
    if value is None:
        return Change.MISSING
    if kept is None or before is None:
        return Change.NOTHING_KEPT
    if new.kind != kept.kind:
        return Change.OTHER_MACHINE
    if figure.more_is_better:
        value, before = before, value
    if value > figure.limit * before:
        return Change.WORSE_DISTURBED if new.disturbed else Change.REGRESSION
    return Change.BETTER if before > figure.limit * value else Change.AS_KEPT
