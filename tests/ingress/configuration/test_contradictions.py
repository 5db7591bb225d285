"""Settings that are allowed one by one and not together."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.errors import ConfigurationError
from ingress.configuration.contradictions import contradictions
from ingress.configuration.loading import load_settings
from ingress.configuration.settings import Settings

SECTIONS = {
    "endpointing.minimum_speech_ms = 400": "barge_in.speech_ms = 240: less than endpointing",
    "endpointing.onset_ms = 200": "endpointing.onset_ms = 200: more than",
    "endpointing.pause_ms = 500": "endpointing.pause_ms = 500: not less than",
    "endpointing.end_silence_ms = 2_500\nendpointing.maximum_utterance_s = 2.0": "_ms = 2500: not",
    "endpointing.look_back_ms = 2_000\nendpointing.maximum_utterance_s = 2.0": "_ms = 2000: not",
    "barge_in.speech_ms = 2_000\nendpointing.maximum_utterance_s = 2.0": "_ms = 2000: not",
    "barge_in.speech_ms = 100": "barge_in.speech_ms = 100: less than",
    "extensions.fast.port = 1\nextensions.fast.barge_in.speech_ms = 60": "fast.barge_in.speech_ms = 60",
    "recording.audio = true": "recording.audio = true: needs recording.folder",
    "extensions.a.port = 1\nextensions.a.recording.transcripts = true": "transcripts = true: needs recording",
    "extensions.a.port = 1\nextensions.a.endpointing.onset_ms = 200": "extensions.a.endpointing.onset_ms =",
    "extensions.a.port = 1\nextensions.a.endpointing.minimum_speech_ms = 400": "a.barge_in.speech_ms = 240",
    "endpointing.confirmation = 'none'\n[extensions.a]\nport = 1\nendpointing.confirmation = 'silero'": (
        "extensions.a.endpointing.confirmation = silero: the server's own is none"
    ),
}


@pytest.mark.parametrize("lines", SECTIONS)
def test_a_pair_that_contradicts_itself_is_refused(lines: str, tmp_path: Path) -> None:
    """Before a port opens, in one line that names both settings and the file."""
    file = tmp_path / "raymal.toml"
    file.write_text(lines)
    with pytest.raises(ConfigurationError) as caught:
        load_settings(file, {}, {})
    assert SECTIONS[lines] in str(caught.value)
    assert str(file) in str(caught.value)


def test_a_flag_that_contradicts_the_file_is_named(tmp_path: Path) -> None:
    """So that it is the flag that gets changed."""
    flags = {"barge_in.speech_ms": ("--barge-in", "60")}
    with pytest.raises(ConfigurationError, match=r"^--barge-in: barge_in\.speech_ms = 60"):
        load_settings(None, {}, flags)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"endpointing": {"end_silence_ms": 200}},
        {"endpointing": {"pause_ms": 0}},
        {"endpointing": {"minimum_speech_ms": 240}},
        {"endpointing": {"maximum_utterance_s": 30.0}},
        {"extensions": {"quiet": {"port": 1, "barge_in": {"enabled": False}}}},
        {"extensions": {"quiet": {"port": 1, "recording": {"audio": False}}}},
        {"recording": {"audio": True, "folder": "kept"}},
    ],
)
def test_what_goes_together_is_taken(values: dict[str, object]) -> None:
    """The default of `pause_ms` is no contradiction to a shorter `end_silence_ms`."""
    assert list(contradictions(Settings.model_validate(values))) == []
