"""Where any exception of an engine becomes an EngineError that quotes nothing a caller said."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import extract_tb

from actors.errors import EngineError, RaymalError


@contextmanager
def engine_errors(engine: object, what: str) -> Iterator[None]:
    """Raise EngineError for any exception of the block that is not one of ours, SystemExit too.

    `what` finishes the sentence "the engine ...", and names an input by its size, not by its content.
    """
    try:
        yield
    except RaymalError:
        raise
    except (Exception, SystemExit) as error:
        # The message and the chain may quote what a caller said: only the type and the place go on.
        place = extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}:{place.lineno}"
        raise EngineError(f"{type(engine).__name__} {what}: {type(error).__name__} at {where}") from None
