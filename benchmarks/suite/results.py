"""A result as its benchmark wrote it, and what all of them say in one way or another.

What it ran on, how to repeat it, which targets were missed, and whether the machine let it measure: several
formats, told apart by the keys they have.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actors.errors import RaymalError


class ResultError(RaymalError):
    """A result is not there or is not what a benchmark writes."""


@dataclass(frozen=True, slots=True)
class MachineKind:
    """Machines of one kind have comparable figures."""

    processor: str
    cores: int
    gpus: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """What one benchmark found."""

    values: Mapping[str, Any]
    """All of it."""
    kind: MachineKind
    machine: str
    """Hardware and software, for people."""
    commit: str
    missed: tuple[str, ...]
    """Targets, one line each."""
    disturbed: tuple[str, ...]
    """Why it is worth less than it could be, one line each."""
    impossible: tuple[str, ...]
    """What this machine cannot do."""

    @classmethod
    def load(cls, file: Path) -> Result:
        """Read a result. Raises ResultError."""
        try:
            values = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ResultError(f"{file.name} was not written") from None
        except (OSError, ValueError) as error:
            raise ResultError(f"{file.name} cannot be read: {error}") from None
        try:
            return cls.of(values)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise ResultError(f"{file.name} is not what a benchmark writes ({error!r})") from None

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Result:
        """Read what has been parsed. Raises LookupError, TypeError and the like for other formats."""
        machine = values["machine"]
        return cls(
            values,
            MachineKind(machine["processor"], machine["cores"], tuple(machine.get("gpus", ()))),
            _machine(machine),
            _commit(values),
            tuple(_missed(values)),
            tuple(_disturbed(values)),
            tuple(_said(row) for row in values.get("outcomes", ()) if row["verdict"] == "IMPOSSIBLE"),
        )

    @property
    def command(self) -> str | None:
        """How it was run, if it says so."""
        command = self.values.get("command")
        return shlex.join(command) if isinstance(command, list) else command

    @property
    def taken_at(self) -> str | None:
        """When, in ISO 8601, if it says so."""
        return self.values.get("taken_at")


def _machine(machine: Mapping[str, Any]) -> str:
    memory_gib = machine.get("memory_gib") or machine["memory_bytes"] / 2**30
    hardware = [machine["processor"], f"{machine['cores']} cores", f"{memory_gib:.1f} GiB"]
    software = machine["python"].removeprefix("Python ")
    packages = [f"{name} {version}" for name, version in machine.get("packages", {}).items()]
    return (
        f"{', '.join((*hardware, *machine.get('gpus', ())))}; {', '.join((f'Python {software}', *packages))}"
    )


def _commit(values: Mapping[str, Any]) -> str:
    """Return the commit; `raymal` in a capacity result is the version with the commit behind it."""
    commit = values["machine"].get("commit") or values.get("raymal", "unknown").partition("(")[2].rstrip(")")
    return commit or "unknown"


def _missed(values: Mapping[str, Any]) -> list[str]:
    lines = list(values.get("missed", ()))
    for row in (*values.get("targets", ()), *values.get("criteria", ())):
        if not row["is_met"]:
            lines.append(f"{row['name']}: {row['measured']} (limit {row['limit']})")
    for row in values.get("outcomes", ()):
        if row["verdict"] == "MISS":
            lines.append(f"{_said(row)} (limit {row['limit']})")
    if values.get("calls_held", 1) == 0:
        lines.append("calls held: not even one")
    return lines


def _disturbed(values: Mapping[str, Any]) -> list[str]:
    lines = list(values.get("disturbed", ()))
    lines += [_said(row) for row in values.get("outcomes", ()) if row["verdict"] == "DISTURBED"]
    for row in values.get("results", ()):
        for measurement in row["measurements"]:
            lines += [
                f"{row['server']}, {row['calls']} calls: {why}" for why in measurement["invalid_because"]
            ]
    if "steps" in values:
        lines += _disturbed_steps(values["steps"], values["calls_held"])
    return lines


def _disturbed_steps(steps: Sequence[Mapping[str, Any]], calls_held: int) -> list[str]:
    """Return why the least number that was not held says nothing of the server, if that is so.

    What is held is held, whatever the machine did meanwhile; what is not may have been disturbed.
    """
    more = [step for step in steps if step["calls"] > calls_held]
    if not more:
        return []
    least = min(step["calls"] for step in more)
    last = [step for step in more if step["calls"] == least][-1]
    return [f"{least:g} calls: {why}" for why in last["invalid"]]


def _said(row: Mapping[str, str]) -> str:
    return f"{row['test']}: {row['criterion']}: {row['measured']}"
