"""What is said of a place to those who wait for it; its life as a whole is tested with the media links."""

from __future__ import annotations

import asyncio

import pytest
import virtual_time
from scripted_pool import Answer, Manner, ScriptedPool

from actors.messages import Admission, SessionFigures, SessionStarted, SessionSummary
from ingress.gateway.admission import Places


def nobody(admission: Admission) -> None:
    """Take a verdict that does not matter."""


def unused() -> None:
    """Fail: no other call has the UUID."""
    raise AssertionError("replaced")


CALL = SessionStarted("c0", "gateway", "sales")


async def test_everybody_who_waits_hears_the_verdict() -> None:
    """First who is told, then who waits; a refusal is counted by extension."""
    heard: list[object] = []
    for manner in (Manner.YES, Manner.NO):
        places = Places(ScriptedPool(iter([Answer(manner)])))
        place = places.take(CALL, False, heard.append, unused)
        assert place.admission is None
        heard.append(await place.decided())
        await places.close()
        assert places.refused["sales"] == (manner is Manner.NO)
    told = [message.is_admitted if isinstance(message, Admission) else message for message in heard]
    assert told == [True, True, False, False]


async def test_a_call_that_another_has_replaced_waits_no_longer() -> None:
    """Its verdict will never come."""
    places = Places(ScriptedPool(iter([Answer(Manner.SILENCE)])))
    replaced: list[str] = []
    old = places.take(CALL, False, nobody, lambda: replaced.append("old"))
    await asyncio.sleep(0)
    new = places.take(CALL, False, nobody, lambda: replaced.append("new"))
    assert replaced == ["old"]
    async with asyncio.timeout(1.0):
        assert not await old.decided()
        assert await new.decided()
    await places.close()


async def test_figures_are_told_only_of_calls_that_have_a_place() -> None:
    """Neither before the verdict nor after the end; the last ones are in the summary, told once."""
    pool = ScriptedPool(iter([Answer(Manner.YES, 0.01)]))
    places = Places(pool)
    place = places.take(CALL, False, nobody, unused)
    place.note(SessionFigures(turns=1))
    assert await place.decided()
    assert not pool.figures
    place.note(SessionFigures(turns=2))
    summaries: list[SessionSummary | None] = []
    place.end(summaries.append)
    place.note(SessionFigures(turns=3))
    await places.close()
    assert [summary and summary.figures.turns for summary in summaries] == [2]
    place.end(summaries.append)
    assert summaries[1:] == [None]


@pytest.mark.parametrize("manner", [Manner.SILENCE, Manner.FAILURE])
def test_a_pool_that_does_not_say_goodbye_is_not_waited_for(manner: Manner) -> None:
    """There is no summary then, and nothing is left."""

    async def scenario() -> None:
        places = Places(ScriptedPool(iter([Answer(), Answer(manner)])))
        place = places.take(CALL, False, nobody, unused)
        assert await place.decided()
        summaries: list[SessionSummary | None] = []
        place.end(summaries.append)
        await asyncio.sleep(5.0)
        assert summaries == [None]
        assert len(places) == 0

    virtual_time.run(scenario())
