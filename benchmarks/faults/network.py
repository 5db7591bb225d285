"""Hosts and cables that can be broken: network namespaces joined by veth pairs, removed at the end.

Nothing of it is visible outside its own namespaces, so the machine's own network is never touched: a
cable is made between two of them directly, and with a namespace its interfaces, queues and tables go.
Packets are lost by an nftables rule (`numgen random`, which has no seed), the rate is limited by `tbf`.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from actors.errors import RaymalError

Report = Mapping[str, Any]
"""A `strict_peer.CallReport` as JSON."""

_numbers = itertools.count(1)
_COMMAND_DEADLINE_S = 10.0
_REPORT_MARGIN_S = 40.0


class NetworkError(RaymalError):
    """The network could not be made, or the peers in it failed."""


@dataclass(frozen=True, slots=True)
class Host:
    """A network namespace."""

    name: str

    @property
    def inside(self) -> tuple[str, ...]:
        """The prefix of a command that is to run there."""
        return ("ip", "netns", "exec", self.name)

    def run(self, *command: str, text: str = "") -> None:
        """Run a short command there. Raises NetworkError."""
        _run(*self.inside, *command, text=text)

    def lose(self, per_mille: float) -> None:
        """Lose this share of all packets, each way, from now on; 1000: nothing passes."""
        some = f"numgen random mod 100000 < {round(per_mille * 100)} "
        rule = f"{some if per_mille < 1_000 else ''}drop"
        table = (
            "table inet faults\n"
            "delete table inet faults\n"
            "table inet faults {\n"
            f'chain out {{ type filter hook output priority 0; oifname != "lo" {rule}; }}\n'
            f'chain into {{ type filter hook input priority 0; iifname != "lo" {rule}; }}\n'
            "}\n"
        )
        self.run("nft", "--file", "-", text=table)


@dataclass(frozen=True, slots=True)
class Cable:
    """A veth pair between two hosts."""

    left: Host
    left_interface: str
    left_address: str
    right: Host
    right_interface: str

    def limit(self, bits_per_s: float) -> None:
        """Let no more than this through from left to right, from now on; up to 200 ms wait in its queue."""
        self.left.run(
            "tc", "qdisc", "replace", "dev", self.left_interface, "root", "tbf",
            "rate", f"{round(bits_per_s)}bit", "burst", "4000", "latency", "200ms",
        )  # fmt: skip

    def pull(self) -> None:
        """Take the right end down: no packet passes and neither side gets a FIN."""
        self.right.run("ip", "link", "set", self.right_interface, "down")


@contextmanager
def host() -> Iterator[Host]:
    """Make a namespace with a working loopback; remove it."""
    made = Host(f"faults-{os.getpid()}-{next(_numbers)}")
    _run("ip", "netns", "add", made.name)
    try:
        made.run("ip", "link", "set", "lo", "up")
        yield made
    finally:
        subprocess.run(["ip", "netns", "delete", made.name], check=False, capture_output=True)


def cable(left: Host, right: Host) -> Cable:
    """Join two hosts; the cable goes when one of them does."""
    number = next(_numbers)
    ends = f"l{number}", f"r{number}"
    net = f"10.213.{number % 256}"
    _run(
        "ip", "link", "add", ends[0], "netns", left.name,
        "type", "veth", "peer", "name", ends[1], "netns", right.name,
    )  # fmt: skip
    for each, interface, address in ((left, ends[0], f"{net}.1"), (right, ends[1], f"{net}.2")):
        each.run("ip", "address", "add", f"{address}/24", "dev", interface)
        each.run("ip", "link", "set", interface, "up")
    return Cable(left, ends[0], f"{net}.1", right, ends[1])


@contextmanager
def distant_calls(
    where: Host, address: str, port: int, calls: int, seconds: float
) -> Iterator[Callable[[], list[Report]]]:
    """Place calls of strict peers from `where`, at a real-time priority; the body may wait for their reports.

    They are cut off if the body leaves before. The wait raises NetworkError.
    """
    command = [
        *where.inside, "chrt", "--rr", "5", sys.executable, "-m", "benchmarks.harness.strict_peer",
        "--host", address, "--port", str(port), "--calls", str(calls), "--seconds", f"{seconds:g}",
    ]  # fmt: skip

    def reports() -> list[Report]:
        try:
            output, errors = process.communicate(timeout=seconds + _REPORT_MARGIN_S)
            found: list[Report] = json.loads(output)
        except subprocess.TimeoutExpired as error:
            raise NetworkError("the strict peer did not end") from error
        except ValueError as error:
            raise NetworkError(f"the strict peer failed: {errors.strip()[-500:]}") from error
        return found

    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield reports
        finally:
            process.kill()


def _run(*command: str, text: str = "") -> None:
    try:
        subprocess.run(
            command, check=True, capture_output=True, text=True, input=text, timeout=_COMMAND_DEADLINE_S
        )
    except subprocess.SubprocessError as error:
        output = getattr(error, "stderr", None) or ""
        raise NetworkError(f"`{' '.join(command)}` failed: {error} {output}".rstrip()) from error
