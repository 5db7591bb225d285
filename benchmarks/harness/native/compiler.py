"""Builds the C programs of this folder with the machine's own compiler, once for each change of a source."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from actors.errors import RaymalError

FLAGS = ("-std=c11", "-O2", "-Wall", "-Wextra", "-Werror")
LIBRARIES = ("-lm",)
SOURCES = Path(__file__).parent
BUILT = SOURCES / "build"
_DEADLINE_S = 120.0


class CompilerError(RaymalError):
    """There is no C compiler, or it did not take a source."""


def program(name: str, folder: Path = BUILT) -> Path:
    """Return the executable of `name`.c, built into `folder` if it is not newer than every source.

    Raises CompilerError with what to install or what the compiler said.
    """
    source, target = SOURCES / f"{name}.c", folder / name
    changed_s = max(file.stat().st_mtime for file in (source, *SOURCES.glob("*.h")))
    if target.is_file() and target.stat().st_mtime > changed_s:
        return target
    folder.mkdir(parents=True, exist_ok=True)
    descriptor, unfinished = tempfile.mkstemp(dir=folder, prefix=f"{name}.")
    os.close(descriptor)
    try:
        _compile(source, Path(unfinished))
        # Two builds at a time each finish a file of their own; the last one stays.
        Path(unfinished).replace(target)
    finally:
        Path(unfinished).unlink(missing_ok=True)
    return target


def _compile(source: Path, target: Path) -> None:
    command = ["cc", *FLAGS, str(source), "-o", str(target), *LIBRARIES]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_DEADLINE_S)
    except FileNotFoundError as error:
        raise CompilerError(
            "no C compiler (cc) on this machine; install one: `apt-get install gcc libc6-dev`"
        ) from error
    except subprocess.CalledProcessError as error:
        raise CompilerError(f"cc did not take {source.name}:\n{error.stderr.strip()}") from error
    except subprocess.TimeoutExpired as error:
        raise CompilerError(f"cc did not finish {source.name} within {_DEADLINE_S:.0f} s") from error
    target.chmod(0o755)
