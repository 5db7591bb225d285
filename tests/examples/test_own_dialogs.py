"""The dialogs in one file, and the test that a user would write."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest
from installed_example import EXAMPLES

from ingress.dialogs.testing import Conversation


def module_of(file: str) -> Any:
    """Return an example's module."""
    path = EXAMPLES / file
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def test_the_shortest_dialog() -> None:
    """It says one sentence and hangs up."""
    async with Conversation(module_of("stranger.py").Bye()) as talk:
        assert (await talk.begin()).text == "We are closed today."
        assert talk.outcome is not None


async def test_a_reception() -> None:
    """By words, by keys, and to a person after two misunderstandings."""
    reception = module_of("reception.py").Reception()
    for said, target in (("I want support.", "210"), ("200", "200")):
        async with Conversation(reception) as talk:
            await talk.begin()
            await (talk.presses(said) if said.isdecimal() else talk.says(said))
            assert talk.outcome is not None
            assert talk.outcome.target == target
    async with Conversation(reception) as talk:
        await talk.begin()
        assert (await talk.stays_silent()).text == "Are you still there?"
        for _ in range(2):
            assert (await talk.says("What?")).text == "Sorry, sales or support?"
        await talk.presses("999")
        assert talk.outcome is not None
        assert (talk.outcome.target, talk.outcome.reason) == ("100", "not understood")


@pytest.mark.usefixtures("site")
def test_the_test_of_a_user() -> None:
    """docs/dialogs.md shows it."""
    module_of("booking/test_booking.py").test_a_booking()
