"""Strict peers in a process of their own, on another host of the network."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from actors.errors import RaymalError
from benchmarks.faults.network import Host

Report = Mapping[str, Any]
"""A `strict_peer.CallReport` as JSON."""


class PeerError(RaymalError):
    """The strict peer itself failed."""


class DistantCalls:
    """Calls under way."""

    def __init__(self, process: subprocess.Popen[str], patience_s: float) -> None:
        self._process = process
        self._patience_s = patience_s

    def reports(self) -> list[Report]:
        """Wait until all are over and return what Asterisk saw of them. Raises PeerError."""
        try:
            output, errors = self._process.communicate(timeout=self._patience_s)
        except subprocess.TimeoutExpired as error:
            raise PeerError(f"the strict peer did not end in {self._patience_s:.0f} s") from error
        if not output:
            raise PeerError(f"the strict peer failed: {errors.strip()[-500:]}")
        reports: list[Report] = json.loads(output)
        return reports


@contextmanager
def distant_calls(where: Host, address: str, port: int, calls: int, seconds: float) -> Iterator[DistantCalls]:
    """Place calls from `where`; they are cut off if the body leaves before they are over.

    The peers are the instrument: they run ahead of whatever else their core has to do.
    """
    command = [
        *where.inside, "chrt", "--rr", "5", sys.executable, "-m", "benchmarks.harness.strict_peer",
        "--host", address, "--port", str(port), "--calls", str(calls), "--seconds", f"{seconds:g}", "--json",
    ]  # fmt: skip
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield DistantCalls(process, seconds + 40.0)
    finally:
        process.kill()
        process.communicate()


def dropped(reports: list[Report]) -> int:
    """Return how many calls Asterisk would have dropped for what the server wrote."""
    return sum(report["ending"] == "DROPPED" for report in reports)


def reasons(reports: list[Report]) -> str:
    """Return why, once each."""
    return "; ".join(sorted({report["dropped_by"] for report in reports if report["dropped_by"]}))


def endings(reports: list[Report]) -> str:
    """Return how the calls ended, counted."""
    names = [report["ending"] for report in reports]
    return ", ".join(f"{names.count(name)} {name}" for name in sorted(set(names)))
