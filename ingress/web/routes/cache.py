"""Phrases that are kept ready: figures, and removal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from fastapi import APIRouter

from ingress.phrases.disk import PhraseStore, phrase_directory
from ingress.web.problems import Body, Problem
from ingress.web.services import Given, Services
from ingress.web.status import status_of

router = APIRouter(tags=["cache"])

DISK_DEADLINE_S = 10.0
SHOWN_PROBLEMS = 3
"""Of many files that cannot be removed; the reason is the same."""

Result = TypeVar("Result")


class CacheBody(Body):
    """What is kept, and how often it was of use."""

    directory: str
    files: int
    bytes: int
    capacity_bytes: int
    """0: nothing is written."""
    hits: int
    """Sentences of answers that came from the cache, since the gateway's start."""
    misses: int


class ClearedBody(Body):
    """What was removed."""

    files: int
    bytes: int
    problems: tuple[str, ...]
    """Why something is still there; the first few."""


@router.get("/cache", summary="Kept phrases")
async def read_cache(services: Given) -> CacheBody:
    """How much lies on disk, and how often a sentence of an answer came from the cache."""
    store = _store(services)
    files, size_bytes = await _in_time(store.size)
    status = status_of(services)
    return CacheBody(
        directory=str(store.directory),
        files=files,
        bytes=size_bytes,
        capacity_bytes=services.settings.cache.disk_bytes,
        hits=status.cache_hits,
        misses=status.cache_misses,
    )


@router.delete("/cache", summary="Remove all kept phrases")
async def clear_cache(services: Given) -> ClearedBody:
    """As `raymal cache clear` does: from disk; the server makes them again when they are needed."""
    cleared = await _in_time(_store(services).clear)
    return ClearedBody(files=cleared.files, bytes=cleared.bytes, problems=cleared.problems[:SHOWN_PROBLEMS])


def _store(services: Services) -> PhraseStore:
    directory = phrase_directory(services.settings.cache)
    if directory is None:
        raise Problem(503, "this server's user has no home, so no phrases are kept; set cache.directory")
    return PhraseStore(directory, services.settings.cache.disk_bytes)


async def _in_time(work: Callable[[], Result]) -> Result:
    """Do what reads the disk in a thread. Raises Problem if that fails or takes too long."""
    try:
        async with asyncio.timeout(DISK_DEADLINE_S):
            return await asyncio.to_thread(work)
    except TimeoutError as error:
        raise Problem(503, f"the disk did not answer within {DISK_DEADLINE_S:g} s") from error
    except OSError as error:
        raise Problem(503, f"the folder of phrases cannot be read: {error.strerror or error}") from error
