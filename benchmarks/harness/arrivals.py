"""Judges many calls at once, by the definitions of `ingress/caller/listening_quality.py`, in numpy.

What counts is what arrived during the measured time. Each call is judged on its own timeline and through
its own phone; then all frames of all calls are one population, so that no percentile is ever a mean of
percentiles. The phone's rule in one line: let Z_k be a frame's arrival less the audio before it. The phone
plays with the delay max(Z_0 + buffer, Z_1, ..., Z_k), and each step by which that maximum grows is a hole.

*Missing* is the audio that a call should have brought and did not, over all calls: what a server that
runs slow, or 20 ms every 30 ms, leaves out. It is not the concealed ratio, in which a phone with a deep
buffer may still be playing what came before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from actors.percentiles import percentile
from actors.telephone import BYTES_PER_SAMPLE, TELEPHONE_RATE_HZ
from ingress.audiosocket import KIND_SLIN8
from ingress.caller.listening_quality import LONG_GAP_MS, PHONE_BUFFER_MS

PHONE_BUFFERS_MS: Final = (40.0, 60.0, 100.0)
ARRIVAL: Final = np.dtype(
    [("at_s", "<f8"), ("call", "<u4"), ("bytes", "<u2"), ("kind", "u1"), ("unused", "u1")]
)
"""`struct arrival` of `native/load_generator.c`."""
_CLOCK_ERROR_S: Final = 1e-6

Arrivals: TypeAlias = NDArray[np.void]
"""Records of ARRIVAL."""
Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Phone:
    """What phones with one size of buffer had to conceal, over all calls."""

    buffer_ms: float
    underruns: int
    """Holes heard."""
    concealed_ratio: float
    """Their share of the time played, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """How well a server served its calls."""

    calls: int
    frames: int
    lateness_ms: Floats
    """Of every frame, ascending."""
    phones: tuple[Phone, ...]
    """One for each of PHONE_BUFFERS_MS."""
    missing_ratio: float
    """Audio that did not come, over the audio that was due, 0 to 1."""
    long_gaps: int
    """Two arrivals of a call `LONG_GAP_MS` or more apart."""
    foreign_messages: int
    """Messages that are not 8 kHz audio."""

    def lateness_at_ms(self, percent: float) -> float:
        """Return a percentile of lateness; NaN when nothing came."""
        return percentile(self.lateness_ms.tolist(), percent) if self.frames else float("nan")

    def phone(self, buffer_ms: float) -> Phone:
        """Return the phone with that buffer."""
        return next(phone for phone in self.phones if phone.buffer_ms == buffer_ms)

    @property
    def holes(self) -> int:
        """In a phone's usual buffer of 60 ms, all calls together."""
        return self.phone(PHONE_BUFFER_MS).underruns


def judge(run: Arrivals, calls: int, measured_s: float) -> Judgement:
    """Judge the arrivals of `calls` calls, measured for `measured_s`."""
    streams = list(frames_of_calls(run))
    frames = sum(len(at_s) for at_s, _ in streams)
    audio_s = sum(float(lasts_s.sum()) for _, lasts_s in streams)
    latenesses = [lateness_ms(at_s, lasts_s) for at_s, lasts_s in streams]
    return Judgement(
        calls=calls,
        frames=frames,
        lateness_ms=np.sort(np.concatenate(latenesses)) if latenesses else np.empty(0),
        phones=tuple(_phone(streams, audio_s, buffer_ms) for buffer_ms in PHONE_BUFFERS_MS),
        # Which frame is the first and which the last inside the measured time is chance: over many calls
        # that is nothing, for one of them a frame.
        missing_ratio=max(0.0, 1.0 - audio_s / (calls * measured_s)),
        long_gaps=sum(long_gaps(at_s) for at_s, _ in streams),
        foreign_messages=len(run) - frames,
    )


def frames_of_calls(run: Arrivals) -> Iterator[tuple[Floats, Floats]]:
    """Yield when each call's audio messages came and how long each lasts, in seconds; none if unheard."""
    audio = run[run["kind"] == KIND_SLIN8]
    audio = audio[np.argsort(audio["call"], kind="stable")]
    borders = np.flatnonzero(np.diff(audio["call"].astype(np.int64))) + 1
    for call in np.split(audio, borders):
        if len(call):
            yield call["at_s"], call["bytes"] / (TELEPHONE_RATE_HZ * BYTES_PER_SAMPLE)


def long_gaps(at_s: Floats) -> int:
    """Return how many arrivals of one call are `LONG_GAP_MS` or more apart."""
    return int(np.count_nonzero(np.diff(at_s) * 1_000 >= LONG_GAP_MS))


def lateness_ms(at_s: Floats, lasts_s: Floats) -> Floats:
    """Return how late each frame of one call came, as `listening_quality.lateness_ms`."""
    zeros_s = _zeros_s(at_s, lasts_s)
    late_ms: Floats = (zeros_s - zeros_s.min()) * 1_000
    return late_ms


def phone_holes_ms(at_s: Floats, lasts_s: Floats, buffer_ms: float = PHONE_BUFFER_MS) -> Floats:
    """Return the silence that a phone plays before each frame, as `listening_quality.phone_holes_ms`."""
    zeros_s = _zeros_s(at_s, lasts_s)
    first_s = zeros_s[0] + buffer_ms / 1_000
    delays_s = np.maximum.accumulate(np.maximum(zeros_s, first_s))
    holes_s = np.diff(delays_s, prepend=first_s)
    holes_s[holes_s < _CLOCK_ERROR_S] = 0.0
    holes_ms: Floats = holes_s * 1_000
    return holes_ms


def _phone(streams: Sequence[tuple[Floats, Floats]], audio_s: float, buffer_ms: float) -> Phone:
    holes_ms = [phone_holes_ms(at_s, lasts_s, buffer_ms) for at_s, lasts_s in streams]
    concealed_s = sum(float(holes.sum()) for holes in holes_ms) / 1_000
    played_s = concealed_s + audio_s
    underruns = sum(int(np.count_nonzero(holes)) for holes in holes_ms)
    return Phone(buffer_ms, underruns, concealed_s / played_s if played_s else 0.0)


def _zeros_s(at_s: Floats, lasts_s: Floats) -> Floats:
    """Return where each frame says that its call's timeline begins."""
    zeros_s: Floats = at_s - (np.cumsum(lasts_s) - lasts_s)
    return zeros_s
