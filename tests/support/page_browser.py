"""Debian's Chromium on the live page, with a recording as its microphone."""

from __future__ import annotations

import shutil
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from actors.telephone import TELEPHONE_RATE_HZ

CHROMIUM = shutil.which("chromium")
SPEECH = Path(__file__).parents[2] / "actors" / "engines" / "hello.sln"

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: sudo apt-get install chromium")


@contextmanager
def chromium(microphone: Path) -> Iterator[Browser]:
    """Start a browser; `microphone` is a WAV file that it hears again and again."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--use-fake-device-for-media-stream",
                "--use-fake-ui-for-media-stream",
                f"--use-file-for-fake-audio-capture={microphone}",
            ],
        )
        yield browser
        browser.close()


def write_speech(path: Path, silence_s: float = 4.0) -> None:
    """Write a greeting and silence as a WAV file."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(TELEPHONE_RATE_HZ)
        file.writeframes(SPEECH.read_bytes() + bytes(int(silence_s * TELEPHONE_RATE_HZ) * 2))
