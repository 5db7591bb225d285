"""What the product hears of packets, in virtual time."""

from __future__ import annotations

from time import monotonic

import numpy as np
import pytest

from benchmarks.harness.speech_like import recorded_words
from benchmarks.hearing.conditions import Network, Packet
from benchmarks.hearing.levels import Audio
from benchmarks.hearing.one_call import HeardCall, hear
from ingress.media import leg


def spoken(words: int, before_s: float = 1.0, after_s: float = 1.5) -> tuple[Audio, float]:
    """Return "hello" so many times on a silent line, and when the last one ends."""
    speech = np.frombuffer(recorded_words(words), "<i2")
    before, after = (np.zeros(int(seconds * 8_000), np.int16) for seconds in (before_s, after_s))
    return np.concatenate([before, speech, after]), before_s + len(speech) / 8_000


@pytest.mark.parametrize("network", [Network(), Network(60, 30.0), Network(20, 60.0)])
def test_speech_is_one_turn_that_ends_soon_after_it(network: Network) -> None:
    """With its look-back and the trailing silence; late packets delay the decision and no more."""
    samples, ends_s = spoken(3)
    (turn,) = hear(network.packets(samples, "seed"), "seed").turns
    assert turn.begins_s < 1.0
    assert turn.last_speech_s == pytest.approx(ends_s, abs=0.25)
    assert 0.3 < turn.decided_s - ends_s < 0.8
    assert len(turn.audio) / 16_000 == pytest.approx(ends_s - turn.begins_s, abs=0.5)


def test_the_same_packets_give_the_same_turns() -> None:
    """To the byte, and in far less time than the call lasts; the product's clock is its own again."""
    samples, _ = spoken(8, after_s=10.0)
    began_s = monotonic()
    one, other = (hear(Network(20, 80.0, 0.05).packets(samples, "x"), "x") for _ in range(2))
    assert [turn.audio for turn in one.turns] == [turn.audio for turn in other.turns]
    assert [turn.decided_s for turn in one.turns] == [turn.decided_s for turn in other.turns]
    assert monotonic() - began_s < 10.0
    assert leg.monotonic is monotonic


def test_an_empty_line_is_no_turn() -> None:
    """And no noise."""
    assert hear(Network().packets(np.zeros(40_000, np.int16), "x"), "x") == HeardCall()


def test_two_utterances_are_two_turns() -> None:
    """The first is answered at once, so it does not stand in the second's way."""
    samples, _ = spoken(2)
    call = hear(Network().packets(np.concatenate([samples, samples]), "x"), "x")
    assert [round(turn.begins_s) for turn in call.turns] == [1, 5]


def test_a_call_that_the_server_ends_is_a_fault() -> None:
    """Twenty seconds of audio in two: no telephone."""
    packets = [Packet(0.002 * number, np.zeros(160, np.int16)) for number in range(1_000)]
    call = hear(packets, "x")
    assert call.turns == []
    assert "ahead of time" in call.fault
