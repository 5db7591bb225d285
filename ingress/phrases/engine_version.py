"""Which programs make the audio of a text-to-speech engine, by their packages' versions.

Part of a cached phrase's key: after an upgrade phrases are made anew. raymal's own version is in it
because it resamples and levels what the engine makes. Read from the packages' metadata, which imports
nothing. On a server whose workers run elsewhere the engine's package may be missing; then only raymal's
version counts, and after an upgrade of the engine alone `raymal cache clear` is the operator's to do.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version

from actors.engines.registry import TTS

PACKAGES = {"hibari": "hibari-tts", "coqui": "coqui-tts"}
"""Built-in engine to the distribution that brings it; the others are raymal's own."""


@cache
def engine_version(engine: str) -> str:
    """Return the versions behind an engine's audio, such as `raymal 0.1.0, hibari-tts 0.2.1`."""
    package = PACKAGES.get(engine) or TTS.package(engine)
    packages = ["raymal", package] if package else ["raymal"]
    return ", ".join(f"{package} {_version(package)}" for package in packages)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "elsewhere"
