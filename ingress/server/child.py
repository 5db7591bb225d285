"""One child process of the supervisor, started again whenever it dies.

A child gets a session of its own, so that Ctrl-C in a terminal reaches the supervisor alone and stopping
stays in order; and if the supervisor itself dies, the kernel sends it SIGTERM (PR_SET_PDEATHSIG, prctl(2)):
it drains its calls and ends, so that nothing is left behind. A child ignores SIGHUP: the supervisor reloads.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from actors.errors import ConfigurationError, described
from ingress.server.exit_codes import ExitCode

FIRST_PAUSE_S = 0.1
LAST_PAUSE_S = 5.0
HEALTHY_AFTER_S = 10.0
"""A child that lived this long is started again at once; one that keeps dying waits longer each time."""
PR_SET_PDEATHSIG = 1

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Child:
    """A process that should be running."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    before_start: Callable[[], None] = lambda: None
    inherited: Sequence[int] = ()
    """Descriptors of sockets."""
    output: int | None = None
    _process: asyncio.subprocess.Process | None = field(default=None, init=False)
    _is_stopping: bool = field(default=False, init=False)

    async def keep_running(self) -> int:
        """Run the child, and again when it dies; return its exit code after `stop`.

        Also when the very first run ends with `ExitCode.CONFIGURATION`; a later one may end so because its
        cluster is gone for now. Raises what makes the first start impossible.
        """
        is_first = True
        pause_s = FIRST_PAUSE_S
        loop = asyncio.get_running_loop()
        while True:
            started_s = loop.time()
            try:
                code = await self._run_once()
            except (OSError, ConfigurationError) as error:
                if is_first:
                    raise
                log.error("%s cannot be started: %s", self.name, described(error))
                code = ExitCode.FAILED
            if self._is_stopping or (code == ExitCode.CONFIGURATION and is_first):
                return code
            is_first = False
            if loop.time() - started_s >= HEALTHY_AFTER_S:
                pause_s = FIRST_PAUSE_S
            ended = (
                f"ended with exit code {code}" if code >= 0 else f"was killed by {signal.Signals(-code).name}"
            )
            log.warning("%s %s; starting it again in %.1f s", self.name, ended, pause_s)
            await asyncio.sleep(pause_s)
            if self._is_stopping:
                return code
            pause_s = min(LAST_PAUSE_S, pause_s * 2)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the running process, if there is one."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    @property
    def pid(self) -> int | None:
        """Of the process that was started last."""
        return self._process.pid if self._process is not None else None

    def start_no_more(self) -> None:
        """Let the running process be the last one."""
        self._is_stopping = True

    async def stop(self, deadline_s: float) -> None:
        """Send the process SIGTERM, and SIGKILL after the deadline."""
        self._is_stopping = True
        self.signal(signal.SIGTERM)
        if self._process is None:
            return
        try:
            async with asyncio.timeout(deadline_s):
                await self._process.wait()
        except TimeoutError:
            log.warning("%s did not end within %g s; killing it", self.name, deadline_s)
            self.signal(signal.SIGKILL)
            await self._process.wait()

    async def _run_once(self) -> int:
        self.before_start()
        self._process = await asyncio.create_subprocess_exec(
            *self.arguments,
            env=dict(self.environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=self.output,
            stderr=self.output,
            pass_fds=tuple(self.inherited),
            start_new_session=True,
            preexec_fn=_prepare,
        )
        if self._is_stopping:  # since the process was asked for
            self.signal(signal.SIGTERM)
        log.debug("%s runs as process %d", self.name, self._process.pid)
        return await self._process.wait()


_libc = ctypes.CDLL(None, use_errno=True)


def _prepare() -> None:
    """Run in the child before exec: get SIGTERM when the supervisor dies, ignore SIGHUP."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM) != 0:
        os._exit(ExitCode.FAILED)
