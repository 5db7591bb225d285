"""`raymal demo` with one question as a result that is kept: where the time of its answer went.

One call is no distribution: it shows what a caller waits for. Run as `python -m benchmarks.demo`. Exit code 1
if the demo fails.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.harness import command
from benchmarks.harness.command import Report
from benchmarks.harness.outcomes import shown

PROGRAM = "benchmarks.demo"
PACKAGES = ("ray", "faster-whisper", "hibari-tts")
DEADLINE_S = 300.0


def demo() -> dict[str, Any]:
    """Make the call; return what the demo says of it. Raises subprocess.SubprocessError."""
    with TemporaryDirectory() as folder:
        program = [sys.executable, "-m", "ingress", "demo", "--dialog", "echo", "--json"]
        done = subprocess.run(
            [*program, "--folder", folder], stdout=subprocess.PIPE, check=True, timeout=DEADLINE_S
        )
    call: dict[str, Any] = json.loads(done.stdout)
    del call["wav"]  # gone with the folder
    return call


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the call and return the exit code."""
    options = command.parser(PROGRAM, __doc__).parse_args(arguments)
    load_average = round(os.getloadavg()[0], 1)
    try:
        call = demo()
    except subprocess.SubprocessError as error:
        print(error, file=sys.stderr)
        return 1
    rows = {"demo": [shown("first sound after the question", f"{call['turns'][-1]['first_answer_ms']} ms")]}
    report = Report(rows, figures={"load_average": load_average, "call": call})
    return command.run(PROGRAM, PACKAGES, lambda _: report, options.json, arguments)


if __name__ == "__main__":
    sys.exit(main())
