"""WAV files for callers: of any rate, from one folder alone, bounded."""

from __future__ import annotations

import io
import os
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recorded_pool import extension
from recordings import tone, wav

from actors.errors import DialogError
from actors.messages import SessionActivity
from actors.settings import SpeechSettings
from actors.telephone import audio_duration_ms
from ingress.configuration.settings import DialogSettings
from ingress.dialogs import audio_files
from ingress.dialogs.audio_files import AudioFiles, telephone_audio
from ingress.dialogs.base import Dialog, DialogAction, DialogCall, DialogEvent, PlayFile
from ingress.gateway.turn_runner import TurnRunner
from ingress.link.messages import CallStarted, Greet, Message, SentenceAudio, TurnDone


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 16_000, 48_000])
def test_a_file_of_any_rate_becomes_telephone_audio(rate_hz: int) -> None:
    """As long and as loud as it was; at 8 kHz sample by sample."""
    audio = telephone_audio(wav(rate_hz), "file")
    assert audio_duration_ms(audio) == pytest.approx(1000.0, abs=1.0)
    level = np.sqrt(np.mean(np.frombuffer(audio, "<i2").astype(float) ** 2))
    assert level == pytest.approx(8_000 / np.sqrt(2), rel=0.02)
    if rate_hz == 8_000:
        assert audio == tone().tobytes()


def of_bytes(width: int) -> bytes:
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setparams((1, width, 8_000, 0, "NONE", ""))
        file.writeframes(bytes(8_000 * width))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (wav(channels=2), "2 channels of 16 bits: write it as mono"),
        (of_bytes(3), "1 channels of 24 bits"),
        (wav(96_000, 0.1), "has 96000 samples a second: 4000 to 48000"),
        (wav(seconds=61), "longer than 60 s"),
        (wav(seconds=0), "no sound in it"),
        (b"", "no WAV file of PCM samples"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "no WAV file"),
        (b"ID3 not a wave file at all" * 10, "no WAV file"),
    ],
    ids=["stereo", "24 bits", "96 kHz", "long", "silent", "empty", "cut", "other"],
)
def test_what_is_no_such_file_is_named(content: bytes, problem: str) -> None:
    """With what it is, and what it should be."""
    with pytest.raises(DialogError, match=f"^file .*{problem}"):
        telephone_audio(content, "file")


def test_a_file_that_is_cut_off_is_played_as_far_as_it_goes() -> None:
    """Half a sample is none."""
    assert telephone_audio(wav()[:-3], "file") == tone().tobytes()[:-4]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with files, and things that are none, beside a secret one."""
    inside = tmp_path / "audio"
    (inside / "pt").mkdir(parents=True)
    (inside / "pt" / "welcome.wav").write_bytes(wav())
    (tmp_path / "secret.wav").write_bytes(wav())
    (inside / "link.wav").symlink_to("pt/welcome.wav")
    (inside / "out.wav").symlink_to("../secret.wav")
    (inside / "loop.wav").symlink_to("loop.wav")
    os.mkfifo(inside / "pipe.wav")
    return inside


@pytest.mark.parametrize("path", ["pt/welcome.wav", "link.wav", "pt/../link.wav"])
async def test_a_file_below_the_folder_is_read_once(folder: Path, path: str) -> None:
    """Also by a link; anew once it has changed."""
    files = AudioFiles()
    first = await files.audio(str(folder), path)
    assert first == tone().tobytes()
    assert await files.audio(str(folder), path) is first
    (folder / "pt" / "welcome.wav").write_bytes(wav(seconds=0.5))
    assert audio_duration_ms(await files.audio(str(folder), path)) == 500.0


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("../secret.wav", "not below dialog.audio_folder"),
        ("out.wav", "not below dialog.audio_folder"),
        ("/etc/passwd", "not below dialog.audio_folder"),
        ("", "not below dialog.audio_folder"),
        ("pt", "Is a directory"),
        ("pipe.wav", "is no file"),
        ("nosuch.wav", "No such file"),
        ("loop.wav", "cannot be read"),
        ("a\0b", "null"),
        ("x" * 5_000, "name too long"),
        (7, "with a int: its path is a str"),
    ],
)
async def test_nothing_else_is_read(folder: Path, path: Any, problem: str) -> None:
    """Nothing outside the folder, and nothing that would block."""
    with pytest.raises(DialogError, match=problem) as caught:
        await AudioFiles().audio(str(folder), path)
    assert len(str(caught.value)) < 250


class Plays(Dialog):
    """Plays a file, then one that is not there."""

    needs_speech = False

    async def respond(self, event: DialogEvent, call: DialogCall) -> AsyncIterator[DialogAction]:
        yield PlayFile("pt/welcome.wav")
        yield PlayFile("nosuch.wav")


class Caller:
    """A call that keeps what is sent to its media worker."""

    def __init__(self, folder: Path) -> None:
        self.started = CallStarted(call_id="c1", extension="default")
        self.extension = extension(dialog=DialogSettings(name="tone", audio_folder=str(folder)))
        self.sent: list[Message] = []

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    def turn_to(self, activity: SessionActivity) -> None:
        pass


async def test_a_turn_plays_a_file(folder: Path) -> None:
    """In pieces; it counts as heard by its name. Also for a dialog that needs no speech."""
    (folder / "pt" / "welcome.wav").write_bytes(wav(seconds=2.5))
    call, dialog = Caller(folder), Plays()
    runner = TurnRunner(None, None, SpeechSettings(), lambda extension: dialog)
    await runner.run(Greet(call_id="c1", turn=1, history=()), call)
    *pieces, done = call.sent
    assert [(piece.text, piece.is_last) for piece in pieces if isinstance(piece, SentenceAudio)] == [
        *[("pt/welcome.wav", False)] * 3,
        ("pt/welcome.wav", True),
    ]
    audio = b"".join(piece.audio for piece in pieces if isinstance(piece, SentenceAudio))
    assert audio == tone(seconds=2.5).tobytes()
    assert isinstance(done, TurnDone)
    assert done.failure == "PlayFile 'nosuch.wav' cannot be read: No such file or directory"
    assert done.stages.synthesis_ms is not None
    assert (done.stages.cache_hits, done.stages.cache_misses) == (0, 0)


async def test_without_a_folder_nothing_is_played() -> None:
    """The error says which setting to make."""
    with pytest.raises(DialogError, match=r"dialog\.audio_folder is not set"):
        await AudioFiles().audio(None, "welcome.wav")


async def test_what_was_not_used_for_longest_is_forgotten(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the memory for files; a file that is too large is not read to its end."""
    monkeypatch.setattr(audio_files, "KEPT_BYTES", 40_000)
    files = AudioFiles()
    for name in "abc":
        (folder / name).write_bytes(wav())
    first = await files.audio(str(folder), "a")
    await files.audio(str(folder), "b")
    assert await files.audio(str(folder), "a") is first
    await files.audio(str(folder), "c")
    assert await files.audio(str(folder), "a") is first
    assert (len(files._audio), files._kept_bytes) == (2, 32_000)
    monkeypatch.setattr(audio_files, "MOST_BYTES", 1_000)
    with pytest.raises(DialogError, match="larger than 1000 bytes"):
        await files.audio(str(folder), "b")
