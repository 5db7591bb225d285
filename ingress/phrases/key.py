"""Which audio a text is: the key under which a spoken sentence is kept.

The key is a digest of everything that decides how the sentence sounds, so nothing is ever invalidated: after
a change the keys differ, and the old audio is removed when room is needed. A setting counts as audible
unless it is named in `INAUDIBLE`: to make a phrase once too often is cheap, to play the wrong voice is not.
The text is the speakable one: when its rules (`actors.speakable`) change, so do the keys of the texts that
they read differently, and no others. Only the space around it is left out: case and punctuation may change
what an engine says.
"""

from __future__ import annotations

import json
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version

from actors.engines.registry import TTS
from actors.settings import SpeechSettings
from actors.speakable import SpeakableText
from actors.telephone import TELEPHONE_RATE_HZ

INAUDIBLE: dict[str, set[str]] = {
    "hibari": {"threads"},
    "kokoro": {"threads"},
    "piper": {"threads"},
    "coqui": {"threads", "device", "gpu_memory_gb"},
    "pico": set(),
    "espeak": set(),
    "scripted": {
        "transcript",
        "stt_delay_s",
        "tts_delay_s",
        "real_time_factor",
        "load_delay_s",
        "batch_size",
    },
}
"""Settings of each engine that change how fast audio is made, not how it sounds. Of an engine that is not
here all settings count."""
PACKAGES = {
    "hibari": "hibari-tts",
    "kokoro": "espeakng-loader",
    "piper": "espeakng-loader",
    "coqui": "coqui-tts",
    "pico": "ttspico",
    "espeak": "espeakng-loader",
}
"""Engine to the distribution that contains it; the others are raymal's own."""


def phrase_key(speech: SpeechSettings, language: str, voice: str | None, text: SpeakableText) -> str:
    """Return the key of `text`: 64 hexadecimal digits.

    `voice` is the extension's, None for the engine's own setting.
    """
    settings = speech.own_table(speech.tts)
    if speech.tts in type(speech).model_fields:
        settings = getattr(speech, speech.tts).model_dump(mode="json", exclude=INAUDIBLE.get(speech.tts))
    identity = {
        "engine": speech.tts,
        "settings": settings,
        "version": engine_version(speech.tts),
        "language": language,
        "voice": voice,
        "rate_hz": TELEPHONE_RATE_HZ,
        "text": text.strip(),
    }
    # JSON with sorted keys: one text for each identity, and different texts for different ones.
    return sha256(json.dumps(identity, sort_keys=True).encode("ascii")).hexdigest()


@cache
def engine_version(engine: str) -> str:
    """Return the versions behind an engine's audio, such as `raymal 0.1.0, hibari-tts 0.2.1`.

    raymal resamples and levels what the engine makes. Where the workers run on other machines the engine's
    package may be missing here ("elsewhere"): after an upgrade of it alone `raymal cache clear` is needed.
    """
    package = PACKAGES.get(engine) or TTS.package(engine)
    packages = ["raymal", package] if package else ["raymal"]
    return ", ".join(f"{package} {_version(package)}" for package in packages)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "elsewhere"
