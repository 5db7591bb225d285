"""Instruments run as processes of their own, so that no interpreter waits for another's lock.

Where the machine allows it they have real-time priority: a late instrument measures nothing. They print into
a file, so that no pipe can fill up while they run: perhaps "began" in a line, and at the end JSON.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from actors.errors import RaymalError

BEGIN_DEADLINE_S = 20.0


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

    def wait_began(self) -> None:
        """Return when it has printed its first line. Raises InstrumentError."""
        give_up_s = time.monotonic() + BEGIN_DEADLINE_S
        while not os.fstat(self.output.fileno()).st_size:
            if self.is_over or time.monotonic() > give_up_s:
                raise InstrumentError(f"{self.name} did not begin: {self._last_errors()}")
            time.sleep(0.02)

    def result(self, deadline_s: float) -> Any:
        """Close its standard input, wait for its end, return its JSON. Raises InstrumentError."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            code = self.process.wait(deadline_s)
        except subprocess.TimeoutExpired as error:
            raise InstrumentError(f"{self.name} did not end in {deadline_s:g} s") from error
        if code:
            raise InstrumentError(f"{self.name} failed: {self._last_errors() or code}")
        self.output.seek(0)
        return json.loads(self.output.readlines()[-1])

    def _last_errors(self) -> str:
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace").strip()[-500:]


def serve(measure: Callable[..., object]) -> None:
    """Run `measure` with the options of this process, and print what it returns."""
    print(json.dumps(measure(**json.loads(sys.argv[1]))))


@contextmanager
def instrument(module: str, priority: int, **options: object) -> Iterator[Instrument]:
    """Run `module` at a real-time priority; it is killed if the body leaves before it has ended.

    Its program calls `serve` with a function that takes these options.
    """
    is_real_time = os.geteuid() == 0 and shutil.which("chrt") is not None
    command = [
        *(("chrt", "--rr", str(priority)) if is_real_time else ()),
        *(sys.executable, "-m", module, json.dumps(options)),
    ]
    with (
        tempfile.TemporaryFile() as output,
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=errors) as process,
    ):
        try:
            yield Instrument(module.rpartition(".")[2], process, output, errors)
        finally:
            process.kill()
