"""Recordings of any usual shape become the telephone's format."""

from __future__ import annotations

import contextlib
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import ConfigurationError
from ingress.caller import wave_files
from ingress.caller.wave_files import read_wave, write_wave


def save(path: Path, data: bytes, rate_hz: int = 8_000, width: int = 2, channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, width, rate_hz, 0, "NONE", ""))
        file.writeframes(data)
    return path


def patch(path: Path, position: int, value: bytes) -> Path:
    """Overwrite bytes of the file's header."""
    content = bytearray(path.read_bytes())
    content[position : position + len(value)] = value
    path.write_bytes(content)
    return path


def sine(rate_hz: int, frequency_hz: float = 440.0, duration_s: float = 0.5) -> np.ndarray:
    """Half-scale sine, -0.5 to 0.5."""
    return 0.5 * np.sin(2 * np.pi * frequency_hz * np.arange(int(rate_hz * duration_s)) / rate_hz)


def as_width(samples: np.ndarray, width: int) -> bytes:
    if width == 1:
        return np.round(samples * 128 + 128).astype(np.uint8).tobytes()
    whole = np.round(samples * 2 ** (8 * width - 1)).astype("<i4")
    low_bytes: np.ndarray = whole.view(np.uint8).reshape(-1, 4)[:, :width]
    return low_bytes.tobytes()


@given(samples=st.binary(max_size=600).map(lambda data: data[: len(data) // 2 * 2]))
def test_telephone_audio_comes_back_unchanged(
    samples: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """What is written is what is read, bit by bit."""
    path = tmp_path_factory.getbasetemp() / "same.wav"
    write_wave(path, samples)
    assert read_wave(path) == samples


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 16_000, 44_100, 48_000])
@pytest.mark.parametrize("width", [1, 2, 3, 4])
@pytest.mark.parametrize("channels", [1, 2])
def test_any_rate_width_and_channels(tmp_path: Path, rate_hz: int, width: int, channels: int) -> None:
    """A sine keeps its length, its pitch and its level in every format."""
    frames = np.repeat(sine(rate_hz), channels)
    heard = np.frombuffer(
        read_wave(save(tmp_path / "any.wav", as_width(frames, width), rate_hz, width, channels)), "<i2"
    )
    assert len(heard) == pytest.approx(4_000, abs=2)
    middle = heard[500:3_500] / 32768
    expected = sine(8_000)[500:3_500]
    assert np.abs(middle - expected).max() < 0.01


def test_channels_are_averaged(tmp_path: Path) -> None:
    """Two opposite channels cancel out, a silent second channel halves the level."""
    left = np.array([1000, -2000, 3000], "<i2")
    opposite = np.stack([left, -left], axis=1).tobytes()
    half = np.stack([left, np.zeros_like(left)], axis=1).tobytes()
    assert read_wave(save(tmp_path / "o.wav", opposite, channels=2)) == bytes(6)
    assert read_wave(save(tmp_path / "h.wav", half, channels=2)) == (left // 2).tobytes()


def test_loud_audio_is_clipped_not_wrapped(tmp_path: Path) -> None:
    """A full-scale square wave overshoots in the resampler and keeps its signs."""
    square = np.where(np.arange(16_000) // 80 % 2, 32767, -32768).astype("<i2")
    heard = np.frombuffer(read_wave(save(tmp_path / "s.wav", square.tobytes(), 16_000)), "<i2")
    assert heard.max() == 32767
    assert heard.min() == -32768
    # 40 samples a half-wave: away from the edges every sample has its half-wave's sign.
    assert all(heard[40 * k + 10 : 40 * k + 30].min() > 0 for k in range(1, 199, 2))


def test_an_empty_file_and_a_cut_one(tmp_path: Path) -> None:
    """An empty recording is empty audio; one whose last sample is half missing keeps the whole ones."""
    for rate_hz in (8_000, 16_000):
        assert read_wave(save(tmp_path / "e.wav", b"", rate_hz)) == b""
    path = save(tmp_path / "cut.wav", np.array([1, 2, 3], "<i2").tobytes())
    path.write_bytes(path.read_bytes()[:-1])
    assert read_wave(path) == np.array([1, 2], "<i2").tobytes()


def test_what_is_no_wave_file_is_named_with_a_way_out(tmp_path: Path) -> None:
    """The message says which file and what to run."""
    for name, content in (("text.wav", b"not a RIFF file at all"), ("empty.wav", b""), ("cut.wav", b"RIFF")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ConfigurationError, match=rf"{name}: not a PCM WAV.*sox {name} -r 8000"):
            read_wave(tmp_path / name)


def test_floating_point_samples_are_refused_clearly(tmp_path: Path) -> None:
    """A format the standard library does not read gets the same advice."""
    wave_format_ieee_float = (3).to_bytes(2, "little")
    path = patch(save(tmp_path / "float.wav", bytes(8), width=4), 20, wave_format_ieee_float)
    with pytest.raises(ConfigurationError, match=r"unknown format: 3.*sox"):
        read_wave(path)


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    """A missing file and a missing folder are named."""
    with pytest.raises(ConfigurationError, match=r"absent\.wav: cannot be read: No such file"):
        read_wave(tmp_path / "absent.wav")
    with pytest.raises(ConfigurationError, match=r"out\.wav: cannot be written: No such file"):
        write_wave(tmp_path / "absent" / "out.wav", b"")


def test_a_recording_too_long_to_hold_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of an hour does not fill the memory."""
    monkeypatch.setattr(wave_files, "MAX_FILE_S", 0.001)
    assert read_wave(save(tmp_path / "fits.wav", bytes(16))) == bytes(16)
    with pytest.raises(ConfigurationError, match=r"long\.wav: longer than 0\.001 s"):
        read_wave(save(tmp_path / "long.wav", bytes(18)))


def test_a_rate_and_a_width_that_no_recorder_uses_are_refused(tmp_path: Path) -> None:
    """The header is broken."""
    for rate_hz in (0, 3_999, 192_001, 2**32 - 1):
        path = patch(save(tmp_path / "odd.wav", bytes(32)), 24, rate_hz.to_bytes(4, "little"))
        with pytest.raises(ConfigurationError, match=rf"sample rate of {rate_hz} Hz"):
            read_wave(path)
    path = patch(save(tmp_path / "wide.wav", bytes(40)), 34, (40).to_bytes(2, "little"))
    with pytest.raises(ConfigurationError, match="40 bits a sample"):
        read_wave(path)


def test_a_header_of_unknown_length_is_read_to_the_end(tmp_path: Path) -> None:
    """A recorder that wrote to a pipe could not fill in the lengths."""
    path = save(tmp_path / "piped.wav", bytes(range(32)))
    patch(patch(path, 4, b"\xff" * 4), 40, b"\xff" * 4)
    assert read_wave(path) == bytes(range(32))


@given(place=st.integers(0, 43), value=st.integers(0, 255), length=st.integers(0, 76))
def test_a_damaged_header_gives_audio_or_a_clear_error(
    place: int, value: int, length: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """No damage to a file raises anything but ConfigurationError."""
    path = patch(
        save(tmp_path_factory.getbasetemp() / "damaged.wav", bytes(range(32))), place, bytes([value])
    )
    path.write_bytes(path.read_bytes()[:length])
    with contextlib.suppress(ConfigurationError):
        assert len(read_wave(path)) % 2 == 0
