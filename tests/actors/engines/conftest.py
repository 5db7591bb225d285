"""Models that several files of tests use: each is loaded once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.settings import SpeechSettings

if TYPE_CHECKING:
    from actors.engines.whisper import WhisperStt


@pytest.fixture(scope="session")
def whisper() -> WhisperStt:
    """The default transcriber."""
    # Here, because the environment of coqui's tests need not have its packages.
    from actors.engines.whisper import WhisperStt

    loaded = WhisperStt(SpeechSettings())
    loaded.load()
    return loaded
