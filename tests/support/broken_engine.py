"""Engines that cannot be loaded."""

from __future__ import annotations

from collections.abc import Iterator

from actors.engines.base import TtsEngine
from actors.errors import EngineError
from actors.messages import Synthesize

LOADING_FAILS = "broken_engine:LoadingFails"
LOADING_FAILS_WITHOUT_WORDS = "broken_engine:LoadingFailsWithoutWords"
REASON = "weights.bin: unexpected end of file"


class LoadingFails(TtsEngine):
    """A library's own error."""

    def load(self) -> None:
        """Fail."""
        raise RuntimeError(REASON)

    def synthesize(self, request: Synthesize) -> Iterator[bytes]:
        """Say nothing."""
        return iter(())


class LoadingFailsWithoutWords(LoadingFails):
    """An engine's own error, of which its author said nothing."""

    def load(self) -> None:
        """Fail."""
        raise EngineError
