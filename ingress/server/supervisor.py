"""`raymal serve`: starts the processes of one PBX, restarts what dies, stops in order.

Order of life: listening sockets, media workers (callers hear a waiting tone from then on), a private Ray
if none was named, the gateway. Order of stopping: media workers first, which refuse new calls and let
running ones finish while the gateway still serves them; then the gateway; then Ray.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

from actors.cluster.ray_head import RayHead
from actors.engines.registry import check_machine, check_names
from actors.errors import ConfigurationError
from ingress.configuration.extensions import DEFAULT_EXTENSION, Extension, extensions
from ingress.configuration.settings import Settings
from ingress.dialogs.registry import dialog
from ingress.media.acceptor import Listeners, describe
from ingress.server.child import Child
from ingress.server.exit_codes import ExitCode
from ingress.server.ports import bind, close
from ingress.server.runtime_directory import RuntimeDirectory

GATEWAY_STOP_S = 10.0
RAY_STOP_S = 20.0
HURRY_AFTER_S = 0.5
"""Between the two signals that end a media worker's calls at once: it must have heard the first."""
MEDIA_STOP_MARGIN_S = 10.0
"""Beyond the drain deadline, for the last calls to be ended."""

log = logging.getLogger(__name__)


def check(settings: Settings) -> None:
    """Raise ConfigurationError if these settings clearly cannot work on this machine.

    With a cluster the engines run elsewhere, so only their names are looked at.
    """
    speaking = _speaking(settings)
    if not speaking:
        return
    check_names(settings.speech)
    if settings.fleet.backend == "local" or settings.fleet.ray_address is None:
        for extension in speaking:
            _check_language(settings, extension)


async def serve(settings: Settings) -> ExitCode:
    """Run the server until SIGTERM or Ctrl-C. Raises ConfigurationError or PortError before it starts."""
    check(settings)
    workers = bind(settings)
    runtime = RuntimeDirectory.of_port(workers[0][DEFAULT_EXTENSION].getsockname()[1])
    try:
        runtime.create()
        with runtime.lock():
            try:
                supervisor = Supervisor(settings, workers, runtime)
                for extension, listener in workers[0].items():
                    log.info("listening on %s for extension %s", describe(listener), extension)
                return await supervisor.run()
            finally:
                runtime.remove()
    finally:
        close(workers)


ONE_BLAS_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
"""numpy's small products on all cores cost more than they save: its threads spin while they wait, a quarter
of the CPU time of a transcription. Engines have threads of their own (`speech.*.threads`)."""


class Supervisor:
    """The processes of one server."""

    def __init__(self, settings: Settings, workers: list[Listeners], runtime: RuntimeDirectory) -> None:
        self._drain_deadline_s = settings.server.drain_deadline_s
        self._head = _ray_head(settings, runtime)
        if self._head is not None:
            self._head.prepare()
            fleet = settings.fleet.model_copy(update={"ray_address": self._head.address})
            settings = settings.model_copy(update={"fleet": fleet})
        # What is unset stays unset: an extension takes it from the server's own sections.
        runtime.settings_file.write_text(settings.model_dump_json(indent=2, exclude_unset=True))
        environment = ONE_BLAS_THREAD | os.environ
        arguments = [sys.executable, "-m", "ingress"]
        files = [str(runtime.settings_file), str(runtime.gateway_socket)]
        self._media = [
            Child(
                f"media worker {index}",
                [*arguments, "media-worker", *files, str(index), *_inherited(listeners)],
                environment,
                inherited=[listener.fileno() for listener in listeners.values()],
            )
            for index, listeners in enumerate(workers)
        ]
        driver = self._head.driver_environment if self._head is not None else {}
        self._gateway = Child("gateway", [*arguments, "gateway", *files], environment | driver)
        self._ray: Child | None = None
        if self._head is not None:
            # A new head is a new cluster: the gateway has to start over with it.
            self._ray = Child(
                "Ray",
                self._head.argv,
                self._head.environment,
                on_restart=lambda: self._gateway.signal(signal.SIGTERM),
                output=asyncio.subprocess.DEVNULL,
            )

    async def run(self) -> ExitCode:
        """Run until told to stop, or until a process says that the configuration cannot work."""
        terminated = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal, terminated)
        children = [*self._media, *([self._ray] if self._ray else []), self._gateway]
        keepers = [asyncio.create_task(child.keep_running(), name=child.name) for child in children]
        stop = asyncio.create_task(terminated.wait())
        await asyncio.wait((stop, *keepers), return_when=asyncio.FIRST_COMPLETED)
        code = ExitCode.OK
        for keeper in keepers:
            if keeper.done() and not terminated.is_set():
                log.error("%s cannot run with this configuration; stopping", keeper.get_name())
                code = ExitCode(keeper.result())
        stop.cancel()
        await self._stop(0.0 if code else self._drain_deadline_s)
        await asyncio.gather(*keepers)
        return code

    async def _stop(self, drain_deadline_s: float) -> None:
        media_stop_s = drain_deadline_s + MEDIA_STOP_MARGIN_S
        stopping = asyncio.gather(*(child.stop(media_stop_s) for child in self._media))
        if not drain_deadline_s:
            await asyncio.sleep(HURRY_AFTER_S)
            for child in self._media:
                child.signal(signal.SIGTERM)  # a second time: running calls are said goodbye to now
        await stopping
        await self._gateway.stop(GATEWAY_STOP_S)
        if self._ray is not None:
            await self._ray.stop(RAY_STOP_S)
        if self._head is not None:
            self._head.remove()

    def _on_signal(self, terminated: asyncio.Event) -> None:
        """First: stop in order. Again: do not wait for running calls."""
        if terminated.is_set():
            log.warning("asked again: ending running calls now")
            for child in self._media:
                child.signal(signal.SIGTERM)
        terminated.set()


def _ray_head(settings: Settings, runtime: RuntimeDirectory) -> RayHead | None:
    """Return the private Ray to start, or None when none is needed."""
    wants_ray = bool(_speaking(settings)) and settings.fleet.backend == "ray"
    if not wants_ray or settings.fleet.ray_address is not None:
        return None
    return RayHead.plan(Path(runtime.path), settings.fleet)


def _speaking(settings: Settings) -> list[Extension]:
    """Return the extensions whose dialogs need the speech workers."""
    return [extension for extension in extensions(settings).values() if dialog(extension.dialog).needs_speech]


def _check_language(settings: Settings, extension: Extension) -> None:
    """Raise ConfigurationError if this machine clearly cannot run the engines in the extension's language."""
    try:
        check_machine(settings.speech.model_copy(update={"language": extension.language}))
    except ConfigurationError as error:
        problem = str(error)
        if extension.language != settings.speech.language and problem.startswith("speech.language: "):
            problem = f"extensions.{extension.name}.{problem.removeprefix('speech.')}"
        raise ConfigurationError(problem) from None


def _inherited(listeners: Listeners) -> list[str]:
    """Return the listening sockets as a media worker's arguments."""
    return [f"{extension}={listener.fileno()}" for extension, listener in listeners.items()]
