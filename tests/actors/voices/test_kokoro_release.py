"""Which voice is for whom, and where voices are."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.errors import ConfigurationError
from actors.voices import kokoro_release as release
from actors.voices.folders import voice_folder


@pytest.mark.parametrize(
    ("language", "default", "count"),
    [("pt-BR", "pf_dora", 3), ("pt", "pf_dora", 3), ("pt-PT", "pf_dora", 3), ("en", "af_heart", 28),
     ("en-GB", "bf_emma", 8), ("en-US", "af_heart", 20), ("fr-CA", "ff_siwis", 1), ("de", None, 0)],
)  # fmt: skip
def test_a_region_has_its_voices_else_its_languages(language: str, default: str | None, count: int) -> None:
    """The default is one of them."""
    assert release.default_voice(language) == default
    voices = release.voices_of(language)
    assert len(voices) == count
    assert default is None or default in voices


def test_a_name_says_its_language() -> None:
    """A voice of the operator's own may say none."""
    assert release.voice_language("pm_alex") == "pt-BR"
    assert release.voice_language("paula") is None
    assert {release.voice_language(voice) for voice in release.VOICES} == set(release.LANGUAGES.values())


def test_the_folder_is_the_setting_else_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the XDG Base Directory Specification; a relative path there does not count."""
    assert voice_folder("kokoro", "/voices", {}) == Path("/voices")
    assert voice_folder("piper", None, {"XDG_DATA_HOME": "/data"}) == Path("/data/raymal/voices/piper")
    monkeypatch.setenv("HOME", "/home/ana")
    expected = Path("/home/ana/.local/share/raymal/voices/piper")
    assert voice_folder("piper", None, {"XDG_DATA_HOME": "data"}) == expected

    def homeless() -> Path:
        raise RuntimeError

    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(ConfigurationError, match=r"this user has no home; set speech\.piper\.folder"):
        voice_folder("piper", None, {})
