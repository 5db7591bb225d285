"""Which audio a text is: the name under which a spoken sentence is kept.

A phrase is content-addressed. Its key is a digest of everything that decides how it sounds: the engine
and its settings, the versions of the programs that make the audio, the language, the voice, the rate and
the text. So nothing is ever invalidated: after a change of any of these the keys are others, the old
audio is no longer asked for, and goes when room is needed. A setting that is new counts as audible until
it is named in `INAUDIBLE`: to make a phrase once too often is cheap, to play the wrong voice is not.

Of the text only the space around it is left out. Case, punctuation and the space inside may change what
an engine says, and how.
"""

from __future__ import annotations

import json
from hashlib import sha256

from actors.settings import SpeechSettings
from actors.telephone import TELEPHONE_RATE_HZ

INAUDIBLE = {
    "hibari": frozenset({"threads"}),
    "coqui": frozenset({"threads", "device", "gpu_memory_gb"}),
    "scripted": frozenset({"transcript", "stt_delay_s", "tts_delay_s", "load_delay_s", "batch_size"}),
}
"""Settings of each engine that change how fast audio is made, not how it sounds."""


def phrase_key(
    speech: SpeechSettings, engine_version: str, language: str, voice: str | None, text: str
) -> str:
    """Return the key of `text`: 64 hexadecimal digits.

    `engine_version` names the programs that make the audio (`ingress.phrases.engine_version`); `voice` is the
    caller's extension's, None for the engine's own setting.
    """
    settings = speech.own_table(speech.tts)
    if speech.tts in type(speech).model_fields:
        inaudible = INAUDIBLE.get(speech.tts, frozenset())
        settings = getattr(speech, speech.tts).model_dump(mode="json", exclude=set(inaudible))
    identity = {
        "engine": speech.tts,
        "settings": settings,
        "version": engine_version,
        "language": language,
        "voice": voice,
        "rate_hz": TELEPHONE_RATE_HZ,
        "text": text.strip(),
    }
    # JSON with sorted keys: one text for each identity, and different texts for different ones.
    return sha256(json.dumps(identity, sort_keys=True).encode("ascii")).hexdigest()
