"""The server that is measured: one that runs already, or one started for it and stopped afterwards."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from asyncio.subprocess import DEVNULL, Process, create_subprocess_exec
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from actors.cluster.ray_head import HOST as PRIVATE_RAY_HOST
from actors.errors import ConfigurationError, LinkError, RaymalError
from benchmarks.harness.server import free_port
from ingress.configuration.extensions import DEFAULT_EXTENSION
from ingress.configuration.settings import Settings
from ingress.server import observer
from ingress.server.exit_codes import ExitCode
from ingress.server.runtime_directory import RuntimeDirectory

START_DEADLINE_S = 180.0
STOP_DEADLINE_S = 45.0
SAME_FOR_ALL = ("--keep-transcripts", "--drain", "0", "--set", "cache.memory_bytes=0")
"""Words are kept to be compared. Answers are not: callers here repeat one another more than people do."""

OnDetail = Callable[[str], None]


class SubjectError(RaymalError):
    """The server to be measured could not be started."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A server on this machine, ready to serve."""

    port: int
    settings: Settings

    @property
    def host(self) -> str:
        """Where callers call."""
        return "127.0.0.1" if self.settings.server.host == "0.0.0.0" else self.settings.server.host

    @property
    def is_scripted(self) -> bool:
        """Whether it always hears a fixed text."""
        return self.settings.speech.stt == "scripted"

    @property
    def maximum_calls(self) -> int:
        """What its media workers take."""
        return self.settings.server.max_calls * self.settings.server.media_workers

    @property
    def keeps_words(self) -> bool:
        """Whether what it heard can be compared with what was said."""
        return self.settings.privacy.keep_transcripts

    @property
    def has_joined_ray(self) -> bool:
        """Whether its speech workers are another Ray's."""
        fleet = self.settings.fleet
        # The private Ray of a server listens on loopback alone.
        is_private = fleet.ray_address is None or fleet.ray_address.startswith(f"{PRIVATE_RAY_HOST}:")
        return fleet.backend == "ray" and not is_private


async def running(port: int) -> Subject:
    """Return the server that runs on a port of this machine. Raises LinkError, ConfigurationError."""
    reply = await observer.status(port)
    if not reply.is_ready:
        raise LinkError(f"the server on port {port} is not ready: {reply.detail}")
    return _subject(port)


@asynccontextmanager
async def started(flags: Sequence[str], on_detail: OnDetail) -> AsyncIterator[Subject]:
    """Run `raymal serve` with these flags until the body leaves.

    Raises ConfigurationError when it says that the flags cannot work, SubjectError when it ends otherwise.
    """
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "ingress",
        "serve",
        *SAME_FOR_ALL,
        "--set",
        "web.port=0",
        "--set",
        "agi.port=0",
        "--set",
        "call_limits.no_input_s=0",  # the workload says when a caller speaks
        *flags,
        "--port",
        str(port),
    ]
    with tempfile.TemporaryDirectory(prefix="raymal-capacity-") as folder:
        log = Path(folder, "server.log")  # for this user alone, as its folder
        with await asyncio.to_thread(log.open, "wb") as output:
            process = await create_subprocess_exec(*command, stdin=DEVNULL, stdout=output, stderr=output)
        try:
            await _until_ready(process, port, log, on_detail)
            yield _subject(port)
        finally:
            on_detail("stopping the server")
            await _stop(process)


async def _until_ready(process: Process, port: int, log: Path, on_detail: OnDetail) -> None:
    def look(detail: str) -> None:
        if process.returncode is not None:
            lines = log.read_text(errors="replace").strip().splitlines()[-5:]
            reason = "\n".join(lines) or f"exit code {process.returncode}"
            if process.returncode == ExitCode.CONFIGURATION:
                raise ConfigurationError(f"the server: {reason}")
            raise SubjectError(f"the server ended at its start: {reason}")
        on_detail(f"starting the server: {detail}")

    try:
        await observer.wait_until_ready(port, START_DEADLINE_S, look)
    except TimeoutError as error:
        raise SubjectError(f"the server is {error}") from None


async def _stop(process: Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            async with asyncio.timeout(STOP_DEADLINE_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def _subject(port: int) -> Subject:
    runtime = RuntimeDirectory.of_port(port)
    try:
        settings, book = runtime.read()
    except (OSError, ValidationError) as error:
        raise ConfigurationError(
            f"{runtime.path}: the running server's settings cannot be read ({type(error).__name__}); "
            "measure with the version of raymal that serves"
        ) from None
    if not book.extensions[DEFAULT_EXTENSION].needs_speech:
        raise ConfigurationError(
            f"dialog.name: {settings.dialog.name} does not listen to its callers; measure with echo"
        )
    return Subject(port, settings)
