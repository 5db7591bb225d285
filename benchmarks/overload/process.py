"""The instruments run as processes of their own, so that no interpreter waits for another's lock.

They go ahead of whatever else their core has to do, where the machine allows it. What they print is JSON,
into a file: nobody has to read a pipe while they run.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from actors.errors import RaymalError


class InstrumentError(RaymalError):
    """An instrument failed."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """One running process."""

    name: str
    process: subprocess.Popen[bytes]
    output: IO[bytes]
    errors: IO[bytes]

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.process.poll() is not None

    def result(self, deadline_s: float) -> Any:
        """Close its standard input, wait for its end, return what it printed. Raises InstrumentError."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            code = self.process.wait(deadline_s)
        except subprocess.TimeoutExpired as error:
            raise InstrumentError(f"{self.name} did not end in {deadline_s:g} s") from error
        if code:
            self.errors.seek(0)
            reason = self.errors.read().decode(errors="replace").strip()[-500:]
            raise InstrumentError(f"{self.name} failed: {reason or code}")
        self.output.seek(0)
        return json.load(self.output)


@contextmanager
def instrument(module: str, priority: int, **options: object) -> Iterator[Instrument]:
    """Run `benchmarks.overload.<module>` at a real-time priority; it is killed if the body leaves before."""
    may_go_ahead = os.geteuid() == 0 and shutil.which("chrt") is not None
    command = [
        *(("chrt", "--rr", str(priority)) if may_go_ahead else ()),
        *(sys.executable, "-m", f"benchmarks.overload.{module}"),
        *(f"--{name.replace('_', '-')}={value}" for name, value in options.items()),
    ]
    with (
        tempfile.TemporaryFile() as output,
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=errors) as process,
    ):
        try:
            yield Instrument(module, process, output, errors)
        finally:
            process.kill()
