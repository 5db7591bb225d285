"""Recordings that callers speak instead of synthesised sentences: which are taken, and why others are not."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from actors.errors import ConfigurationError
from benchmarks.capacity.prompts import LEAST_PROMPTS, PROMPTS, recorded_prompts

EDGE_S = 0.4
"""Of silence before and after the sound."""


def record(folder: Path, name: str, *sounds_s: float, text: str | None = None, rate_hz: int = 8_000) -> None:
    """Write a recording of noises with pauses of half a second between them, and its words."""
    random = np.random.default_rng(1)
    pieces = [np.zeros(round(EDGE_S * rate_hz))]
    for number, sound_s in enumerate(sounds_s):
        pieces += [np.zeros(rate_hz // 2)] * (number > 0)
        pieces.append(random.uniform(-9_000, 9_000, round(sound_s * rate_hz)))
    pieces.append(np.zeros(round(EDGE_S * rate_hz)))
    with wave.open(str(folder / f"{name}.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(np.concatenate(pieces).astype("<i2").tobytes())
    (folder / f"{name}.txt").write_text(f"words of {name}\n" if text is None else text, encoding="utf-8")


def test_recordings_are_taken_without_the_silence_at_their_edges(tmp_path: Path) -> None:
    """At any sample rate, with their words; what has a pause, or no words, is left out."""
    for number, rate_hz in enumerate((8_000, 16_000, 44_100, 48_000)):
        record(tmp_path, f"fit-{number}", 2.0, rate_hz=rate_hz)
    record(tmp_path, "with-a-pause", 1.0, 1.0)
    record(tmp_path, "silent")
    record(tmp_path, "wordless", 2.0, text="  \n")
    (tmp_path / "without-audio.txt").write_text("no audio")
    prompts = recorded_prompts(tmp_path, utterance_s=3.0)
    assert sorted(prompt.text for prompt in prompts) == [f"words of fit-{number}" for number in range(4)]
    for prompt in prompts:
        assert prompt.duration_s == pytest.approx(2.0, abs=0.05)


def test_those_of_the_wanted_length_come_first(tmp_path: Path) -> None:
    """A folder may hold more than is needed."""
    for number in range(PROMPTS + 5):
        record(tmp_path, f"{number:02}", 1.0 + 0.1 * number)
    prompts = recorded_prompts(tmp_path, utterance_s=3.0)
    assert len(prompts) == PROMPTS
    assert prompts[0].duration_s == pytest.approx(3.0, abs=0.05)
    assert f"words of {PROMPTS + 4}" not in [prompt.text for prompt in prompts]


def test_too_few_recordings_say_what_is_needed(tmp_path: Path) -> None:
    """How many there are, how many it takes, and what makes one fit."""
    for number in range(LEAST_PROMPTS - 1):
        record(tmp_path, f"{number}", 2.0)
    with pytest.raises(
        ConfigurationError, match=rf"3 recordings are fit .* at least {LEAST_PROMPTS} .*NAME.txt"
    ):
        recorded_prompts(tmp_path, utterance_s=3.0)


@pytest.mark.parametrize(
    ("spoilt", "content", "said"),
    [("2.txt", "caf\xe9".encode("latin-1"), "not UTF-8"), ("2.wav", b"RIFF", "not a PCM WAV file")],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, spoilt: str, content: bytes, said: str) -> None:
    """One bad file is a mistake to be mended, not a recording less."""
    for number in range(LEAST_PROMPTS):
        record(tmp_path, f"{number}", 2.0)
    (tmp_path / spoilt).write_bytes(content)
    with pytest.raises(ConfigurationError, match=f"{spoilt}: .*{said}"):
        recorded_prompts(tmp_path, utterance_s=3.0)
