"""The material: the same on every machine, and its halves apart."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.harness.telephone_speech import ENGLISH, MUSIC, SPANISH, find_corpus
from benchmarks.hearing.conditions import CONDITIONS, NOISES_ALONE, Condition, Network, NoiseAlone
from benchmarks.hearing.levels import noise_level_dbfs, speech_level_dbfs
from benchmarks.hearing.material import Half, Kind, Utterance, digest, utterances
from benchmarks.hearing.noises import Noise

MISSING = [each.install for each in (ENGLISH, SPANISH, MUSIC) if find_corpus(corpus=each) is None]
needs_recordings = pytest.mark.skipif(bool(MISSING), reason=f"no recordings: run `{'; '.join(MISSING)}`")


@pytest.fixture(scope="module")
def halves() -> dict[Half, list[Utterance]]:
    """A few of each kind, language and half."""
    return {half: utterances(half, most=8) for half in Half}


def test_a_name_decides_the_half() -> None:
    """By a digest: a change of the rule would mix what was tuned on into the report."""
    assert digest("digits/en/4/2") == 0x458030776BA95B63
    names = [f"digits/en/4/{number}" for number in range(1_000)]
    assert 450 < sum(Half.of(name) is Half.REPORT for name in names) < 550


@pytest.mark.models
@needs_recordings
def test_the_halves_share_no_utterance(halves: dict[Half, list[Utterance]]) -> None:
    """Every kind in every language is in both."""
    tuning, report = (halves[half] for half in (Half.TUNING, Half.REPORT))
    assert not {each.name for each in tuning} & {each.name for each in report}
    for half in (tuning, report):
        assert {(each.kind, each.language) for each in half} == {
            (kind, language) for kind in Kind for language in ("en", "es")
        }


@pytest.mark.models
@needs_recordings
def test_an_utterance_is_the_same_each_time(halves: dict[Half, list[Utterance]]) -> None:
    """Fewer of them are the first of the same; their levels are what they are said to be."""
    again = utterances(Half.REPORT, Kind.DIGITS, Kind.NAMES, most=3)
    known = {each.name: each for each in halves[Half.REPORT]}
    for each in again:
        assert each.text == known[each.name].text
        assert np.array_equal(each.samples, known[each.name].samples)
        assert speech_level_dbfs(each.samples) == pytest.approx(-20, abs=0.5)


@pytest.mark.models
@needs_recordings
@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda condition: condition.name)
def test_a_stream_is_what_its_condition_says(
    condition: Condition, halves: dict[Half, list[Utterance]]
) -> None:
    """Level of the speech, level of what comes after it, and every sample in a packet or lost."""
    spoken = halves[Half.TUNING][0]
    stream = condition.stream(spoken)
    first, last = (round(at_s * 8_000) for at_s in (stream.begins_s, stream.ends_s))
    assert last - first == pytest.approx(len(spoken.samples), abs=1)
    if condition.noise is None and not condition.offset and condition.level_dbfs < -10:
        assert speech_level_dbfs(stream.samples) == pytest.approx(condition.level_dbfs, abs=0.6)
    if condition.noise is not None:
        after_dbfs = noise_level_dbfs(stream.samples[last:])
        assert after_dbfs == pytest.approx(condition.level_dbfs - condition.snr_db, abs=4)
    packets = list(condition.network.packets(stream.samples, spoken.name))
    times_s = [packet.at_s for packet in packets]
    assert times_s == sorted(times_s)
    share = sum(len(packet.audio) for packet in packets) / len(stream.samples)
    assert share == pytest.approx(1.0 - condition.network.loss, abs=0.03)


@pytest.mark.models
@needs_recordings
@pytest.mark.parametrize("noise", NOISES_ALONE, ids=lambda noise: noise.name)
def test_each_half_has_noises_of_its_own(noise: NoiseAlone) -> None:
    """And each has its level."""
    one, other = (noise.samples(20.0, half) for half in Half)
    assert len(one) == len(other) == 160_000
    assert not np.array_equal(one, other)
    assert noise.noise is None or noise_level_dbfs(one) == pytest.approx(noise.level_dbfs, abs=0.5)


@pytest.mark.parametrize("noise", [Noise.LINE, Noise.HUM_50, Noise.KNOCKS, Noise.TONES])
def test_noises_follow_from_their_seed(noise: Noise) -> None:
    """The same seed, the same samples, at -20 dBFS."""
    one, same, other = (noise.samples(2.0, Half.TUNING, seed) for seed in ("a", "a", "b"))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    assert noise_level_dbfs(one) == pytest.approx(-20, abs=0.01)


def test_packets_are_late_and_lost_and_stay_in_order() -> None:
    """A packet is sent when its last sample was spoken, and comes up to the jitter later."""
    samples = np.arange(8_000, dtype=np.int16)
    calm = list(Network(60).packets(samples, "x"))
    assert [round(packet.at_s, 6) for packet in calm[:3]] == [0.06, 0.12, 0.18]
    assert np.array_equal(np.concatenate([packet.audio for packet in calm]), samples[: len(calm) * 480])
    rough = list(Network(20, jitter_ms=80, loss=0.5).packets(samples, "x"))
    assert 10 < len(rough) < 40
    delays_s = [packet.at_s - (int(packet.audio[-1]) + 1) / 8_000 for packet in rough]
    assert min(delays_s) >= 0.0
    assert 0.04 < max(delays_s) <= 0.08
    assert [packet.at_s for packet in rough] == sorted(packet.at_s for packet in rough)
