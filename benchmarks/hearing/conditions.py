"""How an utterance comes to us: its level, what else is on the line, the codec, and the packets.

    for condition in CONDITIONS:
        stream = condition.stream(utterance)      # as it is spoken: line, speech, line
        packets = condition.network.packets(stream.samples, utterance.name)   # as they arrive

A level is that of the speech without its pauses. A signal to noise ratio is that level over the noise's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from actors.telephone import FRAME_MS, TELEPHONE_RATE_HZ
from benchmarks.hearing.g711 import Coding
from benchmarks.hearing.levels import Audio, Samples, at_level, limited
from benchmarks.hearing.material import Half, Utterance, digest
from benchmarks.hearing.noises import UNIT_DBFS, Noise
from benchmarks.hearing.voices import SPOKEN_LEVEL_DBFS

LEAD_S = 0.8
"""Line before the caller speaks."""
QUIET_TAIL_S = 1.5
"""Line after it, where nothing but a quiet line can keep a turn open."""
NOISY_TAIL_S = 4.0
"""A turn that is open still at the end of it was not ended by the product."""
QUIET_LINE_DBFS = -75.0
"""There is no line without noise."""


class Packet(NamedTuple):
    """What arrives at once."""

    at_s: float
    """After the first sample was spoken."""
    audio: Audio


@dataclass(frozen=True, slots=True)
class Network:
    """Packets, each sent when its last sample is spoken; none overtakes another."""

    packet_ms: int = FRAME_MS
    jitter_ms: float = 0.0
    """Most that a packet is late, all delays up to that as likely."""
    loss: float = 0.0
    """Share of the packets that never come; nothing comes in their place."""

    def packets(self, samples: Audio, seed: str) -> Iterator[Packet]:
        """Yield what arrives, in order."""
        random = np.random.default_rng(digest(f"{self} {seed}"))
        length = self.packet_ms * TELEPHONE_RATE_HZ // 1_000
        latest_s = 0.0
        for first in range(0, len(samples) - length + 1, length):
            sent_s = (first + length) / TELEPHONE_RATE_HZ
            latest_s = max(latest_s, sent_s + random.uniform(0.0, self.jitter_ms) / 1_000.0)
            if random.random() >= self.loss:
                yield Packet(latest_s, samples[first : first + length])


class Stream(NamedTuple):
    """What a caller's telephone picks up, after the codec."""

    samples: Audio
    """8 kHz."""
    begins_s: float
    """The first sound of the speech."""
    ends_s: float
    """The last."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One way for an utterance to come."""

    name: str
    level_dbfs: float = SPOKEN_LEVEL_DBFS
    noise: Noise | None = None
    snr_db: float = 0.0
    offset: int = 0
    """Added to each sample: a DC offset."""
    coding: Coding = Coding.LINEAR
    network: Network = field(default_factory=Network)

    def stream(self, utterance: Utterance) -> Stream:
        """Return what is picked up; what does not fit into 16 bits is cut off."""
        half = Half.of(utterance.name)
        tail_s = QUIET_TAIL_S if self.noise is None else NOISY_TAIL_S
        ends_s = LEAD_S + utterance.duration_s
        first = int(LEAD_S * TELEPHONE_RATE_HZ)
        line = _line(ends_s + tail_s, half, utterance.name)
        line[first : first + len(utterance.samples)] += at_level(
            utterance.samples, SPOKEN_LEVEL_DBFS, self.level_dbfs
        )
        if self.noise is not None:
            made = self.noise.samples(ends_s + tail_s + 0.1, half, utterance.name)[: len(line)]
            line += at_level(made, UNIT_DBFS, self.level_dbfs - self.snr_db)
        return Stream(self.coding.carry(limited(line + self.offset)), LEAD_S, ends_s)


@dataclass(frozen=True, slots=True)
class NoiseAlone:
    """A line on which the caller says nothing."""

    name: str
    level_dbfs: float
    noise: Noise | None = None
    """None: the DC offset and a quiet line."""
    offset: int = 0

    def samples(self, seconds: float, half: Half) -> Audio:
        """Return that much of it."""
        line = _line(seconds, half, self.name)
        if self.noise is not None:
            made = self.noise.samples(seconds + 0.1, half, "alone")[: len(line)]
            line += at_level(made, UNIT_DBFS, self.level_dbfs)
        return limited(line + self.offset)


def _line(seconds: float, half: Half, seed: str) -> Samples:
    made = Noise.LINE.samples(seconds, half, f"quiet {seed}")
    return at_level(made, UNIT_DBFS, QUIET_LINE_DBFS)


CLEAN = Condition("-20 dBFS")
LEVELS = (
    CLEAN,
    Condition("-30 dBFS", -30),
    Condition("-41 dBFS", -41),
    Condition("-44 dBFS", -44),
    Condition("-47 dBFS", -47),
)
NOISY = (
    Condition("line noise, 20 dB", noise=Noise.LINE, snr_db=20),
    Condition("line noise, 10 dB", noise=Noise.LINE, snr_db=10),
    Condition("-41 dBFS, line noise, 15 dB", -41, noise=Noise.LINE, snr_db=15),
    Condition("babble, 20 dB", noise=Noise.BABBLE, snr_db=20),
    Condition("babble, 10 dB", noise=Noise.BABBLE, snr_db=10),
    Condition("music, 10 dB", noise=Noise.MUSIC, snr_db=10),
    Condition("50 Hz hum, 10 dB", noise=Noise.HUM_50, snr_db=10),
    Condition("60 Hz hum, 10 dB", noise=Noise.HUM_60, snr_db=10),
    Condition("clipped", -3),
    Condition("DC offset", -20, offset=1_500),
)
CODED = (
    Condition("μ-law", coding=Coding.MU_LAW),
    Condition("A-law", coding=Coding.A_LAW),
    Condition("-41 dBFS, μ-law", -41, coding=Coding.MU_LAW),
    Condition("-41 dBFS, A-law", -41, coding=Coding.A_LAW),
)
PACKETS = (
    Condition("20 ms packets, 80 ms of jitter", network=Network(20, 80)),
    Condition("30 ms packets, 40 ms of jitter", network=Network(30, 40)),
    Condition("60 ms packets, 20 ms of jitter", network=Network(60, 20)),
    Condition("20 ms packets, 2 % lost", network=Network(20, 20, 0.02)),
)
CONDITIONS = (*LEVELS, *NOISY, *CODED, *PACKETS)
NOISES_ALONE = (
    NoiseAlone("line noise", -45, Noise.LINE),
    NoiseAlone("babble", -30, Noise.BABBLE),
    NoiseAlone("music", -25, Noise.MUSIC),
    NoiseAlone("50 Hz hum", -30, Noise.HUM_50),
    NoiseAlone("60 Hz hum", -30, Noise.HUM_60),
    NoiseAlone("knocks", -35, Noise.KNOCKS),
    NoiseAlone("keypad tones", -15, Noise.TONES),
    NoiseAlone("DC offset", 0.0, offset=1_500),
)
