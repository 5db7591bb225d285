"""Decisions on the board, and readers that wait for the next."""

from __future__ import annotations

import asyncio

from actors.manager.decision_board import DecisionBoard
from actors.messages import Level


async def test_a_change_wakes_readers_with_the_whole_state() -> None:
    """Two changes in a row are one answer: the newest state, with a higher number."""
    board = DecisionBoard()
    known = board.read("i")
    waiting = asyncio.create_task(board.wait("i", known.version, 60.0))
    await asyncio.sleep(0)
    board.post("i", Level.BUSY, ("late",), 3)
    board.post("i", Level.LOADED, ("later",), 2)
    decision = await asyncio.wait_for(waiting, 1.0)
    assert (decision.level, decision.reasons, decision.calls_alone) == (Level.LOADED, ("later",), 2)
    assert decision.number > known.number
    assert decision == board.read("i")


async def test_a_reader_with_another_version_is_answered_at_once() -> None:
    """An older number, and any number of another manager's life, is not the current one."""
    board = DecisionBoard()
    board.post("i", Level.BUSY, (), 0)
    current = board.read("i").version
    for known in (("", 0), (current[0], 0), ("another life", current[1])):
        assert (await asyncio.wait_for(board.wait("i", known, 60.0), 1.0)).version == current


async def test_without_news_the_answer_comes_after_the_wait() -> None:
    """The answer is the state that was known; others' changes wake no reader."""
    board = DecisionBoard()
    known = board.read("i").version
    waiting = asyncio.create_task(board.wait("i", known, 0.05))
    await asyncio.sleep(0)
    board.post("j", Level.FULL, (), 0)
    assert (await waiting).version == known


async def test_room_alone_wakes_no_reader_and_is_read_all_the_same() -> None:
    """It changes with every call: the next reader gets the newest."""
    board = DecisionBoard()
    board.post("i", Level.NORMAL, (), 7)
    assert board.read("i").number == 0
    assert board.read("i").calls_alone == 7


async def test_a_forgotten_ingress_leaves_nothing_and_wakes_its_readers() -> None:
    """Also those that ask with the version that is current then."""
    board = DecisionBoard()
    board.post("i", Level.BUSY, (), 0)
    waiting = asyncio.create_task(board.wait("i", board.read("i").version, 60.0))
    await asyncio.sleep(0)
    board.forget("i")
    assert (await asyncio.wait_for(waiting, 1.0)).level is Level.NORMAL
    assert not board._decisions
    assert not board._changed
