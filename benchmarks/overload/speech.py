"""What every caller of this benchmark does: says "hello hello", waits for the answer, says it again.

One period is made once, as messages of 20 ms; a caller who has said all of it begins again. The server
greets and answers in tones whose pitch follows from the text, so that the first frames that a caller heard
show what it was: the greeting, or that all lines are busy.
"""

from __future__ import annotations

import numpy as np

from actors.engines.scripted import sentence_tone_hz
from actors.sentences import split_sentences
from actors.telephone import FRAME_BYTES, FRAME_S, TELEPHONE_RATE_HZ
from benchmarks.harness.callers import messages
from benchmarks.harness.speech_like import recorded_words
from ingress.caller.listening_quality import speech_spans
from ingress.configuration.extensions import Phrase
from ingress.configuration.phrases import TEXTS

PERIOD_S = 4.0
SPEAKS_AFTER_S = 0.8
"""Into each period."""
CHARACTERS_PER_S = 25.0
"""How fast the scripted engine speaks: with short phrases, short calls contain everything."""
GREETING = "Hello."
GREETING_HZ = sentence_tone_hz(GREETING)
BUSY_TEXT = TEXTS["en"][Phrase.BUSY]
BUSY_S = sum(map(len, split_sentences(BUSY_TEXT))) / CHARACTERS_PER_S
BUSY_HZ = sentence_tone_hz(split_sentences(BUSY_TEXT)[0])
PITCH_BYTES = 960
"""60 ms of sound, from which a pitch is read."""
PITCH_ERROR_HZ = 15.0

_WORDS = recorded_words(2)
SPEECH_ENDS_S = SPEAKS_AFTER_S + speech_spans(_WORDS)[-1].end_s
"""Into each period: the end of the last sound, not of the recording."""
_SILENT = bytes(round(SPEAKS_AFTER_S / FRAME_S) * FRAME_BYTES)
PERIOD = messages((_SILENT + _WORDS).ljust(round(PERIOD_S / FRAME_S) * FRAME_BYTES, b"\0"))


def pitch_hz(audio: bytes) -> float:
    """Return the strongest frequency of 8 kHz int16 audio, to a hertz; 0.0 for none."""
    samples = np.frombuffer(audio, "<i2")
    if not samples.any():
        return 0.0
    return float(np.abs(np.fft.rfft(samples, TELEPHONE_RATE_HZ)).argmax())
