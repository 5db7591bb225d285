"""A private Ray for one PBX: its command line, environment and files. Starting it is the supervisor's part.

Everything here keeps Ray small and apart, on a machine that is Asterisk's:
- every port on 127.0.0.1, and a token, without which no user, not even of this machine, can give it code to
  run;
- ports of its own, which the kernel picks outside of Asterisk's RTP range (10000-20000, where Ray's own
  default for workers lies), and a folder of its own, so that another Ray on the machine is not disturbed;
- a small object store, no dashboard, no log monitor, no autoscaler, no usage reports, small logs;
- its workers are killed before the machine runs out of memory and Asterisk with it;
- as its resources what this process may use of the machine (`actors.machine.limits`), all of it: the plan
  (`actors.fleet.sizing`) holds Asterisk's cores back, and Ray's own figure for memory would be what happens
  to be free at this moment.

`ray start --block` kills what it started when it ends, by signal or by the kernel's parent-death signal.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from actors.errors import ConfigurationError
from actors.machine.limits import limits
from actors.settings import FleetSettings

HOST = "127.0.0.1"
"""The one address with which Ray binds all its ports to loopback; it also survives a change of the machine's
own. Any other of 127.0.0.0/8 counts as outward (ray/dashboard/agent.py, src/ray/rpc/grpc_server.cc)."""

LONGEST_FOLDER_BYTES = 43
"""Ray puts `session_<date>_<time>_<microseconds>_<pid>/sockets/plasma_store` under it: 64 of the 107 bytes
that the path of a Unix socket may have."""

DIALOG_SECRET_VARIABLES = frozenset({"OPENAI_API_KEY", "RAYMAL_WEBHOOK_SECRET"})
"""Secrets of dialogs, which run in the gateway alone."""
SECRET_VARIABLES = DIALOG_SECRET_VARIABLES | {"RAYMAL_TOKEN"}
"""Secrets that a process gets only if it needs them."""
SCRUBBED = SECRET_VARIABLES | {
    "RAY_ADDRESS",
    "RAY_NAMESPACE",
    "RAY_JOB_CONFIG_JSON_ENV_VAR",
    "OMP_NUM_THREADS",
}
"""Secrets, variables of another Ray, and a thread count that every worker would inherit."""


@dataclass(frozen=True, slots=True)
class RayHead:
    """The private head of one server."""

    folder: Path
    """Of Ray's sessions: sockets and logs."""
    token_file: Path
    port: int
    client_port: int
    """Of the Ray Client server, which is not used and `ray start` cannot leave out: not the usual 10001."""
    object_store_bytes: int

    @classmethod
    def plan(cls, runtime: Path, fleet: FleetSettings) -> RayHead:
        """Choose free ports, and places inside the server's private folder `runtime`.

        Raises ConfigurationError if the folder's path is too long: any place elsewhere may be another user's.
        """
        folder = runtime / "ray"
        if len(os.fsencode(folder)) > LONGEST_FOLDER_BYTES:
            raise ConfigurationError(
                f"{folder}: too long a path for Ray's sockets, {LONGEST_FOLDER_BYTES} bytes at most; "
                "set RAYMAL_RUNTIME to a shorter folder, or run without Ray: --no-ray"
            )
        port, client_port = _free_ports(2)
        return cls(folder, runtime / "ray-token", port, client_port, fleet.object_store_bytes)

    @property
    def address(self) -> str:
        """Where drivers connect: host:port."""
        return f"{HOST}:{self.port}"

    @property
    def argv(self) -> list[str]:
        """The command that runs the head until it gets a signal."""
        own = limits()
        options: dict[str, str | int] = {
            "node-ip-address": HOST,
            "port": self.port,
            "ray-client-server-port": self.client_port,
            "temp-dir": str(self.folder),
            "num-cpus": max(1, int(own.cpus)),  # Ray takes whole ones here
            "object-store-memory": self.object_store_bytes,
            "include-dashboard": "false",
            "include-log-monitor": "false",
            # 0: the kernel picks a free one, from its ephemeral range.
            "node-manager-port": 0,
            "object-manager-port": 0,
            "min-worker-port": 0,
            "max-worker-port": 0,
            "dashboard-agent-listen-port": 0,
            "dashboard-agent-grpc-port": 0,
            "runtime-env-agent-port": 0,
            "metrics-export-port": 0,
        }
        flags = ["--head", "--block", "--no-monitor", "--disable-usage-stats", "--log-color=false"]
        memory = f"--memory={own.memory_bytes}"
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", *flags, memory]
        return [*command, *(f"--{name}={value}" for name, value in options.items())]

    @property
    def environment(self) -> dict[str, str]:
        """The head's whole environment."""
        inherited = {name: value for name, value in os.environ.items() if name not in SCRUBBED}
        return (
            inherited
            | self._shared_environment
            | {
                "RAY_prestart_worker_first_driver": "0",  # unused idle processes of 100 MB
                "RAY_enable_metrics_collection": "0",  # Ray's own thousand series, on an open port
                "DASHBOARD_METRIC_PORT": "-1",  # none: it asks for no token
                # Workers and the manager keep the head's (`actors.machine.rank`); engines add theirs.
                "RAY_worker_niceness": "0",
                "RAY_memory_usage_threshold": "0.85",  # of the machine's memory; 0.95 is Ray's own
                "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",  # the calls have ended before Ray
                # Of the cluster's door, if it is open: each 0.1 s, as by default, the loop of Serve's
                # controller takes half of Serve's CPU time at rest.
                "RAY_SERVE_CONTROL_LOOP_INTERVAL_S": "1",
                "RAY_ROTATION_MAX_BYTES": str(2 * 1024 * 1024),
                "RAY_ROTATION_BACKUP_COUNT": "1",
            }
        )

    @property
    def driver_environment(self) -> dict[str, str]:
        """What the gateway needs in its environment before it imports Ray."""
        return self._shared_environment | {"RAY_ENABLE_AUTO_CONNECT": "0"}

    @property
    def _shared_environment(self) -> dict[str, str]:
        return {
            "RAY_AUTH_MODE": "token",
            # A Ray of one machine. Else 127.0.0.1 is replaced by an outward address, on Linux alone
            # (ray/_private/services.py, resolve_ip_for_localhost), in the head and in its drivers.
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
            "RAY_AUTH_TOKEN_PATH": str(self.token_file),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
            # Ray ends processes that miss the head for this long. Here that means that the head was killed
            # and could not take its last helpers along.
            "RAY_gcs_rpc_server_reconnect_timeout_s": "30",
        }

    def prepare(self) -> None:
        """Make the folders, private, and a new token that only this user can read."""
        for folder in (self.token_file.parent, self.folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.token_file.unlink(missing_ok=True)
        descriptor = os.open(self.token_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))

    def remove(self) -> None:
        """Remove the token and Ray's folder, logs included."""
        self.token_file.unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)


def _free_ports(count: int) -> list[int]:
    """Return ports that are free now; the kernel will not soon give them out by itself."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((HOST, 0))
        return [probe.getsockname()[1] for probe in probes]
