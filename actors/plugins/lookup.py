"""Find a class by the name that the settings give it. A module is imported only when its class is used.

| name | found |
|---|---|
| a built-in name (`echo`, `whisper`) | in raymal |
| `package.module:Class` | on Python's path, to which the working folder is added |
| any other | among the installed packages' entry points |
"""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import TypeVar

from actors.errors import ConfigurationError

CLASS_PATH = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
"""`package.module:Class`."""
_PACKAGES = re.compile(r"[/\\](site|dist)-packages[/\\]")

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The classes of one kind that can be chosen by name."""

    kind: str
    """In error messages: "dialog", "engine"."""
    built_in: Mapping[str, str]
    """Name to `module:Class`."""
    group: str
    """Of the entry points."""

    def names(self) -> list[str]:
        """Return the built-in names and those of installed packages."""
        return sorted({*self.built_in, *(point.name for point in entry_points(group=self.group))})

    def class_path(self, name: str, setting: str) -> str:
        """Return `module:Class` of a name; nothing is imported. Raises ConfigurationError if unknown."""
        if name in self.built_in:
            return self.built_in[name]
        if CLASS_PATH.fullmatch(name):
            return name
        if points := self._entry_points(name):
            if len(points) > 1:
                owners = ", ".join(sorted(f"{_owner(point)} ({point.value})" for point in points))
                raise ConfigurationError(
                    f"{setting}: several installed packages have the {self.kind} {name!r}: {owners}; "
                    "write package.module:Class, or uninstall one"
                )
            return f"{points[0].module}:{points[0].attr}"
        raise ConfigurationError(
            f"{setting}: unknown {self.kind} {name!r}; choose one of {', '.join(self.names())}, "
            "or write package.module:Class"
        )

    def load(self, name: str, base: type[Found], setting: str) -> type[Found]:
        """Import and return the class of a name, a subclass of `base`. Raises ConfigurationError."""
        path = self.class_path(name, setting)
        module_name, _, class_name = path.partition(":")
        module = _import(module_name, f"{setting}: {name!r}")
        found = getattr(module, class_name, None)
        if found is None:
            raise ConfigurationError(f"{setting}: {name!r}: the module {module_name!r} has no {class_name!r}")
        if not isinstance(found, type) or not issubclass(found, base):
            raise ConfigurationError(
                f"{setting}: {name!r} is no {base.__name__}: derive the class from {base.__name__}"
            )
        if missing := getattr(found, "__abstractmethods__", None):
            raise ConfigurationError(f"{setting}: {name!r} lacks {', '.join(sorted(missing))}: write it")
        return found

    def package(self, name: str) -> str | None:
        """Return the distribution whose entry point has this name; None for others."""
        return next((point.dist.name for point in self._entry_points(name) if point.dist is not None), None)

    def _entry_points(self, name: str) -> list[EntryPoint]:
        """Return the entry points of a name; one for those that are the same, as of a package found twice."""
        found = entry_points(group=self.group, name=name)
        return list({(_owner(point), point.value): point for point in found}.values())


def _owner(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "an unnamed package"


def _import(module: str, where: str) -> object:
    """Import a module, also from the working folder, which is not on the path of an installed command."""
    folder = os.getcwd()
    if folder not in sys.path and "" not in sys.path:
        sys.path.insert(0, folder)
    try:
        return import_module(module)
    except (Exception, SystemExit) as error:
        # Only type and place: a message may quote anything.
        if isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}."):
            raise ConfigurationError(
                f"{where}: there is no module {error.name!r} in {folder} nor among the installed packages: "
                "check the name and the working folder, or install its package"
            ) from None
        kind = type(error).__name__
        if isinstance(error, ModuleNotFoundError):
            kind += f" ({error.name})"
        raise ConfigurationError(
            f"{where}: importing {module!r} failed with {kind} at {place(error, __file__)}: correct it there"
        ) from None


def place(error: BaseException, caller: str) -> str:
    """Return file and line where an error comes from, in the code that was called from the file `caller`.

    What fails is often deep in a library: whoever wrote the code is to look at the line that called it. Of a
    SyntaxError it is the file that it is about.
    """
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    callers = [number for number, frame in enumerate(frames) if frame.filename == caller]
    called = [
        frame
        for frame in frames[callers[-1] + 1 if callers else 0 :]
        if not frame.filename.startswith("<frozen")
    ] or list(frames)
    own = [frame for frame in called if not _is_of_library(frame.filename)]
    own = own or [frame for frame in called if frame.filename == called[0].filename]
    return f"{own[-1].filename}:{own[-1].lineno}"


def _is_of_library(file: str) -> bool:
    """Whether a file is of Python itself, or of an installed package."""
    return file.startswith(os.path.dirname(os.__file__)) or bool(_PACKAGES.search(file))
