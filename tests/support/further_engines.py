"""A text-to-speech engine beside the scripted one, which may fail to load."""

from __future__ import annotations

from collections.abc import Iterator

from actors.engines.base import TtsEngine
from actors.errors import EngineError
from actors.messages import FurtherEngine, Synthesize
from actors.status import EngineStatus

HUM = "further_engines:Hum"
IN_ESPERANTO = FurtherEngine(HUM, "eo", "extensions.a.tts")
AUDIO = b"\2\0" * 800


def is_settled(engine: EngineStatus) -> bool:
    """Whether no worker has yet to load it."""
    return engine.ready == engine.workers or engine.problem is not None


class Hum(TtsEngine):
    """Says the same to everything, in Esperanto alone."""

    fault: str | None = None
    """Why it cannot be loaded now."""
    loaded = 0
    """How often that was tried."""
    language = ""
    """In which it was, the last time."""

    @classmethod
    def languages(cls, settings: object) -> list[str]:
        """Return one."""
        return ["eo"]

    @classmethod
    def voices(cls, settings: object) -> list[str]:
        """Return one."""
        return ["zamenhof"]

    def load(self) -> None:
        """Load nothing, or fail."""
        Hum.loaded += 1
        Hum.language = self.settings.language
        if self.fault is not None:
            raise EngineError(self.fault)

    def synthesize(self, request: Synthesize) -> Iterator[bytes]:
        """Yield a tenth of a second."""
        yield AUDIO
