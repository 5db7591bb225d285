"""Two legs of a call against a scripted server on loopback, in virtual time."""

from __future__ import annotations

import pytest
import virtual_time
from caller_server import Peer, answering, script, serving

from actors.errors import CallError
from ingress.audiosocket import CallIdentified, DigitReceived
from ingress.caller.both_legs import ReturnLeg, place_both
from ingress.caller.caller import CallResult
from ingress.caller.script import Press, Speak
from ingress.media.tones import tone

SPEECH = tone(500, 0.3)


def both(joins_after: int) -> tuple[CallResult, CallResult | None, list[Peer]]:
    """Place a call of two turns with a return leg that presses a key; both at one server."""

    async def scenario() -> tuple[CallResult, CallResult | None, list[Peer]]:
        async with serving(answering) as (port, peers):
            caller = script(port, steps=(Speak(SPEECH), Speak(SPEECH)))
            second = ReturnLeg(script(port, steps=(Press("1"),), answer_deadline_s=0.3), joins_after)
            return *(await place_both(caller, second)), peers

    return virtual_time.run(scenario(), virtual_time.TCP_SETTLES_S)


def test_the_return_leg_joins_after_a_turn_with_the_same_uuid() -> None:
    """It is a connection of its own, paced and timed by itself."""
    caller, returned, (first, second) = both(1)
    assert returned is not None
    assert [len(leg.turns) for leg in (caller, returned)] == [2, 1]
    assert isinstance(first.events[0], CallIdentified)
    assert first.events[0] == second.events[0]
    assert [event.digit for event in second.events if isinstance(event, DigitReceived)] == ["1"]
    assert caller.turns[0].answer_until_s is not None
    assert returned.started_s - caller.started_s > caller.turns[0].answer_until_s


def test_a_call_that_is_over_before_has_no_return_leg() -> None:
    """It is waited for no longer."""
    caller, returned, peers = both(3)
    assert (len(caller.turns), returned, len(peers)) == (2, None, 1)


@pytest.mark.parametrize("unreachable", ["caller", "return"])
def test_a_leg_that_finds_no_server_ends_both(unreachable: str) -> None:
    """The error is the one that a single call raises, and names the port."""

    async def scenario() -> None:
        async with serving(answering) as (port, _):
            first, second = (1, port) if unreachable == "caller" else (port, 1)
            await place_both(script(first, steps=(Speak(SPEECH),)), ReturnLeg(script(second), 0))

    with pytest.raises(CallError, match=r"127\.0\.0\.1:1 refused the connection"):
        virtual_time.run(scenario(), virtual_time.TCP_SETTLES_S)
