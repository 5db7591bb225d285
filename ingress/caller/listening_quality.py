"""What the far end of a call would hear: was the audio on time, where was speech, how loud.

| figure | definition |
|---|---|
| lateness | delay less least delay (RFC 5481's PDV), see below |
| gap | time between two arrivals, the frame's own duration included |
| hole | silence that a phone with a jitter buffer plays because a frame is not there yet |
| concealed ratio | holes over playing time: WebRTC's concealedSamples over totalSamples |
| jitter | RFC 3550's smoothed mean; it hides a single long hole, so judge by holes and lateness |
| drift | audio received less time passed |

*Lateness*: the k-th frame holds the audio after D_k seconds of earlier frames, so if it arrived at R_k the
sender's zero was at R_k - D_k. The earliest such zero, that of the best frame, is taken as the true one, and
every frame's distance from it is its lateness: never negative, independent of a slow first frame and of the
sender's clock. It never recovers when a sender shifts its timeline after a stall; such a shift costs one
hole. The *phone* plays the first frame 60 ms after it came, the rest back to back, and when the next frame
is not there yet it conceals until it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from actors.percentiles import percentile
from actors.telephone import BYTES_PER_SAMPLE, TELEPHONE_RATE_HZ

PHONE_BUFFER_MS: Final = 60.0
"""A usual phone's jitter buffer: three 20 ms frames."""
LONG_GAP_MS: Final = 100.0
"""Two arrivals this far apart on a 20 ms stream move Asterisk's RTP timestamps: its own tolerance is 640
ticks, 80 ms at 8 kHz (`res_rtp_asterisk.c:98`), beside the frame itself."""

SOUND_DBFS: Final = -50.0
"""Louder than this is sound. Telephone speech is near -20 dBFS, a quiet line below -60, zeros at -100."""
SILENCE_DBFS: Final = -100.0
"""Loudness of no sound; one int16 step is at -90 dBFS."""
SPEECH_WINDOW_MS: Final = 10
"""Resolution of speech spans."""
SPEECH_JOIN_MS: Final = 300.0
"""A pause shorter than this is part of the speech around it: stops and breaths between words."""

_CLOCK_ERROR_S: Final = 1e-6
"""Sums of many durations are not exact: a hole shorter than this is none."""


@dataclass(frozen=True, slots=True)
class ReceivedFrame:
    """One message of audio, when it came and how long it lasts."""

    arrived_s: float
    """On the receiver's monotonic clock; frames of one read share it."""
    duration_s: float


@dataclass(frozen=True, slots=True)
class ListeningQuality:
    """How well a stream of frames arrived. All zero when there was no frame."""

    frames: int = 0
    audio_s: float = 0.0
    """Duration of all audio received."""
    lateness_p50_ms: float = 0.0
    lateness_p99_ms: float = 0.0
    lateness_max_ms: float = 0.0
    jitter_ms: float = 0.0
    """RFC 3550 §6.4.1 interarrival jitter, after the last frame."""
    longest_gap_ms: float = 0.0
    long_gaps: int = 0
    """Gaps of `LONG_GAP_MS` and more."""
    underruns: int = 0
    """Holes at a phone with the given buffer."""
    concealed_ratio: float = 0.0
    """Share of the playing time that those holes fill, 0 to 1."""
    drift_ms: float = 0.0
    """Audio received less time passed, first frame to last: negative when the sender is too slow."""


@dataclass(frozen=True, slots=True)
class SpeechSpan:
    """A stretch of sound, in seconds from the beginning of the audio."""

    start_s: float
    end_s: float


def listening_quality(
    frames: Sequence[ReceivedFrame], buffer_ms: float = PHONE_BUFFER_MS
) -> ListeningQuality:
    """Return how well `frames`, in the order of their arrival, would be heard through a phone's buffer."""
    if not frames:
        return ListeningQuality()
    lateness = lateness_ms(frames)
    gaps_ms = [(after.arrived_s - before.arrived_s) * 1000 for before, after in pairwise(frames)]
    audio_s = math.fsum(frame.duration_s for frame in frames)
    holes_ms = [hole for hole in phone_holes_ms(frames, buffer_ms) if hole > 0]
    concealed_ms = math.fsum(holes_ms)
    return ListeningQuality(
        frames=len(frames),
        audio_s=audio_s,
        lateness_p50_ms=percentile(lateness, 50),
        lateness_p99_ms=percentile(lateness, 99),
        lateness_max_ms=max(lateness),
        jitter_ms=jitter_ms(frames),
        longest_gap_ms=max(gaps_ms, default=0.0),
        long_gaps=sum(gap >= LONG_GAP_MS for gap in gaps_ms),
        underruns=len(holes_ms),
        concealed_ratio=concealed_ms / (concealed_ms + audio_s * 1000),
        drift_ms=(audio_s - frames[-1].duration_s - frames[-1].arrived_s + frames[0].arrived_s) * 1000,
    )


def lateness_ms(frames: Sequence[ReceivedFrame]) -> list[float]:
    """Return how late each frame came, against the timeline of the frame that came best."""
    zeros_s: list[float] = []
    audio_s = 0.0
    for frame in frames:
        zeros_s.append(frame.arrived_s - audio_s)
        audio_s += frame.duration_s
    earliest_s = min(zeros_s, default=0.0)
    return [(zero_s - earliest_s) * 1000 for zero_s in zeros_s]


def jitter_ms(frames: Sequence[ReceivedFrame]) -> float:
    """Return RFC 3550's J: each step moves it a sixteenth of the way to |arrival gap - media gap|."""
    jitter_s = 0.0
    for before, after in pairwise(frames):
        difference_s = abs(after.arrived_s - before.arrived_s - before.duration_s)
        jitter_s += (difference_s - jitter_s) / 16
    return jitter_s * 1000


def phone_holes_ms(frames: Sequence[ReceivedFrame], buffer_ms: float = PHONE_BUFFER_MS) -> list[float]:
    """Return, for each frame, the silence a phone plays before it because it is not there yet.

    The first frame plays `buffer_ms` after it came, each other one when the one before it ends or when it
    comes, whichever is later. The phone discards nothing, so what a hole delays stays delayed.
    """
    holes_ms: list[float] = []
    due_s = frames[0].arrived_s + buffer_ms / 1000 if frames else 0.0
    for frame in frames:
        hole_s = frame.arrived_s - due_s
        if hole_s < _CLOCK_ERROR_S:
            hole_s = 0.0
        holes_ms.append(hole_s * 1000)
        due_s += hole_s + frame.duration_s
    return holes_ms


def loudness_dbfs(audio: bytes) -> float:
    """Return the level of 8 kHz int16 `audio`: its power, 0 dBFS being a full-scale square wave.

    A constant offset, which is not audible, does not count. `SILENCE_DBFS` for zeros and for no audio.
    """
    samples = _samples(audio)
    return _level_dbfs(float(np.var(samples))) if samples.size else SILENCE_DBFS


def has_sound(audio: bytes) -> bool:
    """Return whether 8 kHz int16 `audio` is louder than a quiet line."""
    return loudness_dbfs(audio) >= SOUND_DBFS


def speech_spans(audio: bytes) -> tuple[SpeechSpan, ...]:
    """Return where 8 kHz int16 `audio` holds sound, pauses of less than `SPEECH_JOIN_MS` included.

    A simple energy gate on windows of `SPEECH_WINDOW_MS`: fit for a clean line or a recording made for
    it, not for a noisy street.
    """
    window_samples = TELEPHONE_RATE_HZ * SPEECH_WINDOW_MS // 1000
    samples = _samples(audio)
    padding = -len(samples) % window_samples
    windows = np.pad(samples, (0, padding)).reshape(-1, window_samples)
    spans: list[list[int]] = []  # first window, and the one after the last
    for number, power in enumerate(np.var(windows, axis=1)):
        if _level_dbfs(power) < SOUND_DBFS:
            continue
        if not spans or (number - spans[-1][1]) * SPEECH_WINDOW_MS >= SPEECH_JOIN_MS:
            spans.append([number, number])
        spans[-1][1] = number + 1
    audio_s = len(samples) / TELEPHONE_RATE_HZ
    return tuple(
        SpeechSpan(start * SPEECH_WINDOW_MS / 1000, min(end * SPEECH_WINDOW_MS / 1000, audio_s))
        for start, end in spans
    )


def _samples(audio: bytes) -> NDArray[np.float64]:
    """Return whole samples of -1 to 1."""
    whole_bytes = len(audio) // BYTES_PER_SAMPLE * BYTES_PER_SAMPLE
    return np.frombuffer(audio[:whole_bytes], "<i2").astype(np.float64) / 32768.0


def _level_dbfs(power: float) -> float:
    return max(SILENCE_DBFS, 10 * math.log10(power)) if power > 0 else SILENCE_DBFS
