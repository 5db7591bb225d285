"""What the callers say: recorded prompts with pauses between them, and the sound of a quiet line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import actors.engines
from actors.telephone import TELEPHONE_RATE_HZ
from benchmarks.harness.telephone_speech import find_corpus, read_corpus, spread

PROMPTS = 24
PAUSE_S = 0.7
"""Longer than the silence that ends an utterance."""
NOISE_STEPS = 16.0
"""Standard deviation of comfort noise, in int16 steps: -66 dBFS."""
NOISE_S = 8.0
ZEROS_S = 2.0
"""Some phones send digital silence now and then."""


@dataclass(frozen=True, slots=True)
class CallerAudio:
    """What callers send, 8 kHz int16."""

    source: str
    speech: NDArray[np.int16]
    """Speech with pauses, sent by every third caller."""
    prompt: NDArray[np.int16]
    """Speech without pauses, for PESQ."""
    quiet: NDArray[np.int16]

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write speech and quiet line as raw files; return their paths."""
        paths = folder / "speech.sln", folder / "quiet.sln"
        for path, samples in zip(paths, (self.speech, self.quiet), strict=True):
            samples.astype("<i2").tofile(path)
        return paths


def caller_audio() -> CallerAudio:
    """Return Asterisk's recorded prompts if this machine has them, else the one that comes with raymal."""
    quiet = _quiet_line()
    root = find_corpus()
    if root is None:
        recording = Path(actors.engines.__file__).with_name("hello.sln").read_bytes()
        prompts, source = [recording], "the bundled prompt"
    else:
        chosen = spread(read_corpus(root), PROMPTS)
        prompts, source = [utterance.audio for utterance in chosen], f"{len(chosen)} recorded prompts"
    speech = [np.frombuffer(prompt, "<i2").astype(np.int16) for prompt in prompts]
    pause = quiet[: round(PAUSE_S * TELEPHONE_RATE_HZ)]
    return CallerAudio(
        source, _joined(part for prompt in speech for part in (prompt, pause)), _joined(speech), quiet
    )


def _quiet_line() -> NDArray[np.int16]:
    noise = np.random.default_rng(1).normal(0.0, NOISE_STEPS, round(NOISE_S * TELEPHONE_RATE_HZ))
    return _joined((noise.astype(np.int16), np.zeros(round(ZEROS_S * TELEPHONE_RATE_HZ), np.int16)))


def _joined(parts: Iterable[NDArray[np.int16]]) -> NDArray[np.int16]:
    joined: NDArray[np.int16] = np.concatenate(list(parts))
    return joined
