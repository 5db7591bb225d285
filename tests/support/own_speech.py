"""Engines and a dialog of an operator's own, with errors that only a check finds."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from actors.engines.base import TtsEngine
from ingress.dialogs.base import Dialog


class Demanding(TtsEngine):
    """An engine of the operator's own that knows two languages and one voice."""

    @classmethod
    def languages(cls, settings: Any) -> list[str]:
        """Return two."""
        return ["eo", "pt-BR"]

    @classmethod
    def voices(cls, settings: Any) -> list[str]:
        """Return one."""
        return ["zamenhof"]

    def load(self) -> None:
        """Load nothing."""

    def synthesize(self, request: Any) -> Iterator[bytes]:
        """Say nothing."""
        return iter(())


class Clumsy(Demanding):
    """An engine whose own check has an error."""

    @classmethod
    def check(cls, settings: Any) -> None:
        """Fail."""
        raise KeyError("voices")


class Stubborn(Dialog):
    """A dialog that cannot be made."""

    def __init__(self, settings: Any) -> None:
        raise OSError("no data base")

    async def respond(self, event: Any, call: Any) -> AsyncIterator[Any]:
        """Say nothing."""
        return
        yield


class Careless(Demanding):
    """An engine that says what no one can read."""

    @classmethod
    def languages(cls, settings: Any) -> Any:
        """Return no codes."""
        return [None, 7]

    @classmethod
    def voices(cls, settings: Any) -> Any:
        """Return no names."""
        return 7
