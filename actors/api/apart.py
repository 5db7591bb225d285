"""Has the door opened or closed by a process of its own, which is ended at a deadline.

Ray, Serve and FastAPI are 150 MB and seconds of start: no process that serves calls is to carry them, or to
stand still for them. Imports no Ray.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress

from pydantic import BaseModel, ValidationError

from actors.errors import WorkerLostError
from actors.settings import ApiSettings, FleetSettings

START_DEADLINE_S = 60.0
"""For the program to load, and Serve and the replica to start, on a machine that is busy."""
LONGEST_LINE = 500


class Errand(BaseModel):
    """What `actors.api.opening` is asked for."""

    fleet: FleetSettings
    """Where Ray is, and how long to try."""
    api: ApiSettings
    token_digest: str | None = None
    closes: bool = False


class Outcome(BaseModel):
    """What came of it."""

    succeeded: bool
    message: str
    """One line for people."""


async def do_apart(errand: Errand) -> str:
    """Return what happened, in a line for people. Raises WorkerLostError with what stood in the way.

    Ends at the latest `START_DEADLINE_S` after `fleet.worker_start_deadline_s`.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "actors.api.opening"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    deadline_s = START_DEADLINE_S + errand.fleet.worker_start_deadline_s
    try:
        async with asyncio.timeout(deadline_s):
            output, complaints = await process.communicate(errand.model_dump_json().encode())
    except TimeoutError:
        raise WorkerLostError(f"the door could not be opened or closed within {deadline_s:g} s") from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    try:
        outcome = Outcome.model_validate_json(output)
    except ValidationError:
        last = complaints.decode(errors="replace").strip().rpartition("\n")[2][:LONGEST_LINE]
        raise WorkerLostError(f"the door's program ended with {process.returncode}: {last}") from None
    if not outcome.succeeded:
        raise WorkerLostError(outcome.message)
    return outcome.message
