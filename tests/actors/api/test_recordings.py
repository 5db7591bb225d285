"""What clients send becomes 8 kHz mono, or a clear refusal."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recordings import encoded, wav

from actors.api.errors import ApiError
from actors.api.recordings import decode

STARTS = [b"RIFF\0\0\0\0WAVE", b"fLaC", b"OggS", b"ID3", b"\x1a\x45\xdf\xa3", b"\0\0\0\x20ftyp"]


def decoded(content: bytes, maximum_s: float = 10.0) -> bytes:
    return decode(content, maximum_s, threading.Event())


def pitch_hz(audio: bytes) -> float:
    samples = np.frombuffer(audio, "<i2").astype(float)
    return float(np.argmax(np.abs(np.fft.rfft(samples))) * 8_000 / len(samples))


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_wave_files_of_any_rate(rate_hz: int, channels: int) -> None:
    """The same second at the same pitch."""
    audio = decoded(wav(rate_hz, channels=channels))
    assert len(audio) == pytest.approx(16_000, abs=320)
    assert pitch_hz(audio) == pytest.approx(400, abs=2)


@pytest.mark.parametrize(
    ("container", "codec"),
    [("flac", "flac"), ("ogg", "libopus"), ("mp3", "libmp3lame"), ("webm", "libopus"), ("wav", "pcm_mulaw"),
     ("wav", "pcm_s24le"), ("wav", "pcm_f32le")],
)  # fmt: skip
def test_other_formats(container: str, codec: str) -> None:
    """Encoded here by the same library, found by their first bytes."""
    audio = decoded(encoded(container, codec))
    assert len(audio) == pytest.approx(16_000, rel=0.1)
    assert pitch_hz(audio) == pytest.approx(400, abs=4)


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 415),
        (b"hello, this is text", 415),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", 415),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", 415),
        (wav()[:44], 400),
        (b"RIFF\0\0\0\0WAVEfmt " + bytes(200), 400),
        (b"\xff\xfb" + bytes(4_000), 400),
        (wav(seconds=3.0), 413),
    ],
)
def test_what_is_no_recording(content: bytes, status: int) -> None:
    """Not known, playlists that would open files, no audio, garbage, and too long a one."""
    with pytest.raises(ApiError) as raised:
        decoded(content, maximum_s=2.0)
    assert raised.value.status == status
    assert raised.value.parameter == "file"


@given(st.sampled_from(STARTS), st.binary(max_size=2_000))
def test_garbage_never_does_more_than_fail(start: bytes, rest: bytes) -> None:
    """Any bytes behind a known beginning are audio, or an error of the client's."""
    status = 200
    try:
        decoded(start + rest)
    except ApiError as error:
        status = error.status
    assert status in (200, 400, 413)


def test_a_decoder_that_nobody_waits_for_ends() -> None:
    """Given up, it ends at its next frame."""
    given_up = threading.Event()
    given_up.set()
    started_s = time.monotonic()
    with pytest.raises(ApiError):
        decode(wav(48_000, seconds=30.0), 60.0, given_up)
    assert time.monotonic() - started_s < 1.0


def test_a_coding_that_is_unknown_is_said() -> None:
    """The file is whole, but there is no decoder for what is in it."""
    content = bytearray(wav())
    content[20:22] = b"\x99\x99"  # the format's number
    with pytest.raises(ApiError, match="coding that is unknown") as caught:
        decode(bytes(content), 10.0, threading.Event())
    assert caught.value.status == 400
