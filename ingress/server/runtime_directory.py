"""Where a running server keeps its sockets and secrets: one private folder per port.

The place follows from the port, so that `raymal call` and `raymal status` find the server on the same
machine. Only its owner may enter; a folder that another user made is refused.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from actors.checks.folders import obstacle, shortage
from actors.errors import ConfigurationError
from ingress.configuration.extension_book import ExtensionBook
from ingress.configuration.settings import Settings

SOCKET_PATH_LIMIT_BYTES = 107
"""sun_path of unix(7) holds 108 bytes with its final zero."""
SETTINGS = "settings.json"
EXTENSIONS = "extensions.json"
PORTS = "ports.json"
"""Each extension's name and the port it has: `raymal call` and `raymal status` find the server by it."""
LOCK = "lock"


@dataclass(frozen=True, slots=True)
class RuntimeDirectory:
    """The folder of the server on one port."""

    path: Path

    @classmethod
    def of_port(cls, port: int) -> RuntimeDirectory:
        """Return the folder's place: $RAYMAL_RUNTIME, else $XDG_RUNTIME_DIR, else the temporary folder."""
        explicit = os.environ.get("RAYMAL_RUNTIME")
        if explicit:
            return cls(Path(explicit) / str(port))
        base = os.environ.get("XDG_RUNTIME_DIR")
        if base and Path(base).is_dir():
            return cls(Path(base) / f"raymal-{port}")
        return cls(Path(tempfile.gettempdir()) / f"raymal-{os.getuid()}-{port}")

    @property
    def gateway_socket(self) -> Path:
        """The gateway's Unix socket."""
        return self.path / "gateway.sock"

    @property
    def control_socket(self) -> Path:
        """The supervisor's Unix socket: extensions, reload, drain."""
        return self.path / "control.sock"

    @property
    def handover_socket(self) -> Path:
        """The supervisor's Unix socket for the server that replaces this one."""
        return self.path / "handover.sock"

    @property
    def live_socket(self) -> Path:
        """The web process's Unix socket for media workers: running calls."""
        return self.path / "live.sock"

    @property
    def web_socket(self) -> Path:
        """The web process's Unix socket for commands: HTTP."""
        return self.path / "web.sock"

    def problem(self) -> str | None:
        """Return why the folder could not be made ours, without making it; None: it could."""
        reason: str | None
        if len(os.fsencode(self.handover_socket)) > SOCKET_PATH_LIMIT_BYTES:
            return f"{self.path}: too long a path for a Unix socket; set RAYMAL_RUNTIME to a shorter folder"
        try:
            self._check_owner()
        except FileNotFoundError:
            reason = obstacle(self.path)
        except OSError as error:
            reason = error.strerror or type(error).__name__
        except ConfigurationError as error:
            return str(error)
        else:
            reason = None
        if (reason := reason or shortage(self.path)) is None:
            return None
        return f"{self.path}: cannot be made ({reason}); set RAYMAL_RUNTIME to a folder of yours"

    def create(self) -> None:
        """Make the folder, private. Raises ConfigurationError if it cannot be ours."""
        problem = self.problem()
        if problem is not None:
            raise ConfigurationError(problem)
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._check_owner()
        except OSError as error:
            raise ConfigurationError(
                f"{self.path}: cannot be made ({error.strerror}); set RAYMAL_RUNTIME to a folder of yours"
            ) from error

    def _check_owner(self) -> None:
        """Raise ConfigurationError if the folder is not ours alone, OSError if it cannot be looked at."""
        found = self.path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise ConfigurationError(
                f"{self.path}: exists and is not a private folder of this user; "
                "remove it, or set RAYMAL_RUNTIME to another folder"
            )

    def lock(self) -> IO[bytes]:
        """Take the folder for this process; it is ours until the returned file is closed.

        Raises ConfigurationError if a running server has it: two servers may share a port number on two
        addresses, but not their sockets.
        """
        file = (self.path / LOCK).open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.close()
            raise ConfigurationError(
                f"{self.path}: in use by another raymal server with this port number; "
                "give this one another --port, or a RAYMAL_RUNTIME of its own"
            ) from error
        return file

    def ports_held(self) -> dict[str, int]:
        """Return which ports the server that runs here has, each by its extension; empty if none runs."""
        try:
            if not (self.path / LOCK).exists():
                return {}
            self.lock().close()
        except ConfigurationError:  # it runs
            with suppress(OSError, ValueError):
                return dict(json.loads((self.path / PORTS).read_text()))
        except OSError:
            pass
        return {}

    def write_ports(self, ports: Mapping[str, int]) -> None:
        """Write which ports the server has, each by its extension. Raises OSError."""
        (self.path / PORTS).write_text(json.dumps(dict(ports)))

    def write(self, settings: Settings, book: ExtensionBook) -> None:
        """Write what the processes of this server read when they start; also into a folder that was removed.

        Raises ConfigurationError, OSError.
        """
        self.create()
        for name, model in ((SETTINGS, settings), (EXTENSIONS, book)):
            written = self.path / f"{name}.new"
            written.write_text(model.model_dump_json(indent=2))
            written.replace(self.path / name)  # at once: another process may be reading it

    def read(self) -> tuple[Settings, ExtensionBook]:
        """Return what `write` wrote. Raises OSError, ValueError."""
        settings = Settings.model_validate_json((self.path / SETTINGS).read_text())
        return settings, ExtensionBook.model_validate_json((self.path / EXTENSIONS).read_text())

    def remove(self) -> None:
        """Remove the server's files and, if nothing else is left in it, the folder."""
        sockets = (
            self.gateway_socket,
            self.control_socket,
            self.handover_socket,
            self.live_socket,
            self.web_socket,
        )
        for name in (*(socket.name for socket in sockets), SETTINGS, EXTENSIONS, PORTS, LOCK):
            (self.path / name).unlink(missing_ok=True)
        with suppress(OSError):
            self.path.rmdir()
