"""What a look at the machine found."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Verdict(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    """It works; something could be better, or should be looked at."""
    WRONG = "wrong"
    """Calls, or the machine's safety, suffer from it: `raymal doctor` exits with 1."""


class Finding(BaseModel):
    """One fact about the machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    subject: str
    verdict: Verdict
    what: str
    where: str = ""
    """The setting, file, process or address."""
    remedy: str = ""
    """What to do; empty if there is nothing to do."""


class Subject:
    """Makes the findings of one subject."""

    def __init__(self, name: str) -> None:
        self._name = name

    def ok(self, what: str, where: str = "") -> Finding:
        """Return that all is well."""
        return Finding(subject=self._name, verdict=Verdict.OK, what=what, where=where)

    def warning(self, what: str, remedy: str, where: str = "") -> Finding:
        """Return what should be looked at."""
        return Finding(subject=self._name, verdict=Verdict.WARNING, what=what, where=where, remedy=remedy)

    def wrong(self, what: str, remedy: str, where: str = "") -> Finding:
        """Return what must be changed."""
        return Finding(subject=self._name, verdict=Verdict.WRONG, what=what, where=where, remedy=remedy)
