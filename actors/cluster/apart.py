"""Asking a cluster from a process of its own, which is killed at the deadline.

Compiled code of Ray holds the interpreter while it waits for the machine's raylet: no deadline, no thread and
no handler of a signal runs in that process then. Imports no Ray here.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from multiprocessing.connection import Connection
from typing import Any, Literal

from actors.errors import RaymalError, WorkerLostError
from actors.settings import FleetSettings

START_DEADLINE_S = 30.0
"""For the process to load Ray, on a machine that is busy."""

MARGIN_S = 1.0
"""Beyond the deadline, for the process to say itself what did not answer."""

Errand = Literal["fleet_status", "stop_fleet"]
"""The functions of `actors.cluster.inspection`."""


def ask_apart(errand: Errand, fleet: FleetSettings) -> Any:
    """Return what the errand returns. Raises what it raises; WorkerLostError if its process does not answer.

    Ends at the latest `fleet.worker_start_deadline_s` after Ray was loaded, or at once by a signal.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(errand, fleet, theirs), name=errand, daemon=True)
    process.start()
    theirs.close()
    unanswered = f"the Ray at {fleet.ray_address} did not answer within {fleet.worker_start_deadline_s:g} s"
    try:
        for deadline_s in (START_DEADLINE_S, fleet.worker_start_deadline_s + MARGIN_S):
            if not ours.poll(deadline_s):
                raise WorkerLostError(unanswered)
            answer = ours.recv()
    except EOFError:
        raise WorkerLostError(f"{unanswered}: it ended the process that asked") from None
    finally:
        process.kill()
        process.join()
        ours.close()
    if isinstance(answer, RaymalError):
        raise answer
    return answer


def _run(errand: Errand, fleet: FleetSettings, answers: Connection) -> None:
    """Answer twice: once Ray is loaded, and with the errand's result or error."""
    # What Ray's compiled code writes there the asking process says in one line.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    from actors.cluster import inspection

    answers.send(None)
    try:
        answers.send(asyncio.run(getattr(inspection, errand)(fleet)))
    except RaymalError as error:
        answers.send(error)
