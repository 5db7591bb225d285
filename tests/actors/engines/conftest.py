"""Models that several files of tests use: each is loaded once."""

from __future__ import annotations

import pytest

from actors.engines.whisper import WhisperStt
from actors.settings import SpeechSettings


@pytest.fixture(scope="session")
def whisper() -> WhisperStt:
    """The default transcriber."""
    loaded = WhisperStt(SpeechSettings())
    loaded.load()
    return loaded
