"""`raymal demo` as a result that is kept: one call, one question, where the time of its answer went.

Run with:

    python -m benchmarks.demo --json benchmarks/results/demo.json

One call is no distribution: it shows what a caller waits for.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.harness.machine import Machine

DEADLINE_S = 300.0
PACKAGES = ("ray", "faster-whisper", "hibari-tts")


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.demo", description=__doc__.partition("\n")[0])
    parser.add_argument("--json", metavar="FILE", type=Path, help="keep the result")
    return parser.parse_args(arguments)


def demo() -> dict[str, Any]:
    """Make the call; return what `raymal demo --json` says of it.

    Raises subprocess.SubprocessError if it fails or lasts too long.
    """
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "ingress", "demo", "--json", "--folder", folder]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=DEADLINE_S)
    call: dict[str, Any] = json.loads(done.stdout)
    del call["wav"]  # gone with the folder
    return call


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the call and return the exit code: 1 if the demo fails."""
    options = parse(arguments)
    started, load_average = datetime.now(UTC), os.getloadavg()[0]
    try:
        call = demo()
    except subprocess.SubprocessError as error:
        print(error, file=sys.stderr)
        return 1
    result = {
        "machine": asdict(Machine.this(PACKAGES)),
        "command": ["python", "-m", "benchmarks.demo", *(sys.argv[1:] if arguments is None else arguments)],
        "taken_at": started.isoformat(timespec="seconds"),
        "load_average": round(load_average, 1),
        "call": call,
    }
    text = json.dumps(result, indent=2, ensure_ascii=False)
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")
    else:
        print(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
