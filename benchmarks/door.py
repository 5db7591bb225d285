"""What the cluster's door on Ray Serve takes at rest: memory and CPU of Serve's processes, without a request.

Run as `python -m benchmarks.door`, on a quiet machine.
"""

from __future__ import annotations

import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import suppress

import psutil
from rich.console import Console

from benchmarks.harness import command
from benchmarks.harness.command import Report
from benchmarks.harness.outcomes import Outcome, shown
from benchmarks.harness.processes import cpu_s, private_bytes
from benchmarks.harness.server import RAYMAL, Server, ServerError, free_port, serving, wait_for

PROGRAM = "benchmarks.door"
PACKAGES = ("ray", "fastapi", "uvicorn")
PROCESSES = {
    "controller": "ray::ServeController",
    "proxy": "ray::ProxyActor",
    "replica": "ray::ServeReplica",
}
SETTLING_S = 15.0
DOOR_DEADLINE_S = 90.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and return the exit code."""
    made = command.parser(PROGRAM, __doc__ or "")
    made.add_argument("--seconds", type=float, default=60.0, help="to look at the CPU time (60)")
    options = made.parse_args(arguments)
    return command.run(
        PROGRAM, PACKAGES, lambda console: measured(console, options.seconds), options.json, arguments
    )


def measured(console: Console, seconds: float) -> Report:
    """Start a server with the door, leave both in peace, and look at Serve's processes."""
    port = free_port()
    door = ("--api", "--set", f"api.port={port}", "--stt", "scripted", "--tts", "scripted")
    with serving("raymal", (*RAYMAL, *door)) as server:
        if wait_for(lambda: _is_open(port), DOOR_DEADLINE_S, every_s=0.5) is None:
            raise ServerError(f"the door is not open after {DOOR_DEADLINE_S:g} s")
        time.sleep(SETTLING_S)
        found = {name: _process(server, title) for name, title in PROCESSES.items()}
        before = {name: cpu_s([it.pid]) for name, it in found.items()}
        console.print(f"{seconds:g} s of rest")
        time.sleep(seconds)
        rows = {
            name: {
                "resident_mb": it.memory_info().rss / 1e6,
                "private_mb": private_bytes(it.pid) / 1e6,
                "cpu_percent": (cpu_s([it.pid]) - before[name]) / seconds * 100.0,
            }
            for name, it in found.items()
        }
    rows["together"] = {key: sum(row[key] for row in rows.values()) for key in rows["proxy"]}
    return Report({name: _shown(row) for name, row in rows.items()}, {"seconds": seconds, "at_rest": rows})


def _shown(row: dict[str, float]) -> list[Outcome]:
    return [
        shown("resident memory", f"{row['resident_mb']:.0f} MB"),
        shown("of it private", f"{row['private_mb']:.0f} MB"),
        shown("CPU, of one core", f"{row['cpu_percent']:.1f} %"),
    ]


def _is_open(port: int) -> bool:
    url = f"http://127.0.0.1:{port}/readyz"
    with suppress(urllib.error.URLError, ConnectionError), urllib.request.urlopen(url, timeout=5) as answer:
        return bool(answer.status == 200)
    return False


def _process(server: Server, title: str) -> psutil.Process:
    for process in server.tree():
        if " ".join(process.cmdline()).startswith(title):
            return process
    raise ServerError(f"no process {title} below the server")


if __name__ == "__main__":
    sys.exit(main())
