"""A real PostgreSQL server in a folder of its own, reached over a Unix socket only."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from other_user import OTHER_USER

PROGRAMS = max(
    Path("/usr/lib/postgresql").glob("*/bin"), default=None, key=lambda path: int(path.parent.name)
)
"""Of Debian's newest version."""
SCHEMA = Path(__file__).parents[2] / "deploy" / "postgresql.sql"
GUEST = "swordfish"
"""The password of the role `guest`, which may read raymal's table."""
START_DEADLINE_S = 20.0

needs_postgresql = pytest.mark.skipif(
    PROGRAMS is None and "CI" not in os.environ,
    reason="PostgreSQL is not installed (Debian package postgresql); .ci/run installs it",
)


class PostgresqlServer:
    """One server; its superuser `postgres` needs no password, other users do."""

    def __init__(self, folder: Path) -> None:
        assert PROGRAMS is not None
        self._folder = folder
        self._data = folder / "data"
        self._programs = PROGRAMS
        self._process: subprocess.Popen[bytes] | None = None
        # The server refuses to run as root.
        self._user: dict[str, Any] = {}
        if os.getuid() == 0:
            self._user = {"user": OTHER_USER, "group": OTHER_USER, "extra_groups": []}
            os.chown(folder, OTHER_USER, OTHER_USER)
        self._run("initdb", "--no-sync", "--no-instructions", "--auth=trust", "-U", "postgres", "-D", ".")
        hba = self._data / "pg_hba.conf"
        hba.write_text("local all postgres trust\nlocal all all scram-sha-256\n")

    def url(self, user: str = "postgres", database: str = "postgres") -> str:
        """Return the address of a database for a user."""
        return f"postgresql://{user}@/{database}?host={self._folder}"

    def start(self) -> None:
        """Start, and wait until it answers."""
        options = ("fsync=off", "listen_addresses=", f"unix_socket_directories={self._folder}", "jit=off")
        settings = [argument for option in options for argument in ("-c", option)]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self._data, *settings],
                stdout=log,
                stderr=log,
                **self._user,
            )
        deadline_s = time.monotonic() + START_DEADLINE_S
        while self._psql("SELECT 1").returncode:
            assert time.monotonic() < deadline_s, (self._folder / "log").read_text()
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop at once; clients are disconnected."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(30.0)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Let all its processes hang."""
        assert self._process is not None
        main = psutil.Process(self._process.pid)
        processes = [main, *main.children(recursive=True)]
        for process in processes:
            process.suspend()
        try:
            yield
        finally:
            for process in processes:
                process.resume()

    def sql(self, statements: str, database: str = "postgres") -> str:
        """Run statements, all in one transaction if there are several; return what was printed."""
        result = self._psql(statements, database)
        assert result.returncode == 0, result.stderr
        return result.stdout.strip()

    def _psql(self, statements: str, database: str = "postgres") -> subprocess.CompletedProcess[str]:
        command = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", self.url(database=database)]
        return subprocess.run(
            [*command, "-c", statements], capture_output=True, text=True, timeout=60, check=False
        )

    def _run(self, program: str, *arguments: str) -> None:
        self._data.mkdir(mode=0o700)
        if self._user:
            os.chown(self._data, OTHER_USER, OTHER_USER)
        subprocess.run(
            [self._programs / program, *arguments],
            cwd=self._data,
            check=True,
            capture_output=True,
            timeout=60,
            **self._user,
        )


@contextmanager
def postgresql_server() -> Iterator[PostgresqlServer]:
    """Run a server with raymal's table in it."""
    folder = Path(tempfile.mkdtemp(prefix="raymal-pg-"))  # a Unix socket's path is short
    server = PostgresqlServer(folder)
    server.start()
    try:
        server.sql(SCHEMA.read_text())
        server.sql(f"CREATE ROLE guest LOGIN PASSWORD '{GUEST}'; GRANT SELECT ON raymal_extensions TO guest")
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)
