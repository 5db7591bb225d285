"""Times and counts of one worker; any exception of its engine becomes an EngineError here."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import extract_tb

from actors.engines.abandonment import AbandonedError
from actors.errors import EngineError, RaymalError


class WorkMeter:
    """Measures the engine of one worker. Used by one thread at a time."""

    def __init__(self, engine_name: str) -> None:
        self._engine_name = engine_name
        self.loading_ms = 0.0
        self.processing_ms = 0.0
        """Time inside the engine, loading apart."""
        self.count = 0
        """Pieces of work begun: utterances or sentences."""
        self.failed = 0
        """Pieces of work that the engine could not do; what was abandoned is none of them."""

    @contextmanager
    def loading(self) -> Iterator[None]:
        """Time the block as loading."""
        start = time.perf_counter()
        with self._border("could not load"):
            yield
        self.loading_ms = (time.perf_counter() - start) * 1000.0

    @contextmanager
    def working(self, on_what: str) -> Iterator[None]:
        """Time the block as work and count its failure; `on_what` names its input by size, not by content."""
        try:
            with self.trying(on_what):
                yield
        except RaymalError as error:
            self.count_failure(error)
            raise

    @contextmanager
    def trying(self, on_what: str) -> Iterator[None]:
        """Time the block as work; the caller decides whether its failure counts."""
        start = time.perf_counter()
        try:
            with self._border(f"failed on {on_what}"):
                yield
        finally:
            self.processing_ms += (time.perf_counter() - start) * 1000.0

    def count_failure(self, error: RaymalError) -> None:
        """Count one piece of work that ended so."""
        self.failed += not isinstance(error, AbandonedError)

    @contextmanager
    def _border(self, what: str) -> Iterator[None]:
        try:
            yield
        except RaymalError:
            raise
        except Exception as error:
            # The message and the chain may quote what a caller said: only the type and the place go on.
            place = extract_tb(error.__traceback__)[-1]
            where = f"{Path(place.filename).name}:{place.lineno}"
            raise EngineError(f"{self._engine_name} {what}: {type(error).__name__} at {where}") from None
