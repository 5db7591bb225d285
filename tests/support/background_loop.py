"""An event loop in a thread of its own: for calls beside a browser, whose interface has another one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

Result = TypeVar("Result")
DEADLINE_S = 20.0


class BackgroundLoop:
    """Runs coroutines for a test that is none."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Return what it returns."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(DEADLINE_S)

    @contextmanager
    def running(self) -> Iterator[BackgroundLoop]:
        """Run for as long as the context lasts."""
        self._thread.start()
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(DEADLINE_S)
            self._loop.close()
