"""What scripted callers say: 8 kHz audio, its words, and where its last sound is.

Synthesised, unless recordings are given, with the engine whose weights come in its package; a server whose
speech to text is scripted always hears the same, so there one bundled recording does. An
utterance must be one stretch of sound: a pause inside it might be taken for its end, and what came then
would be no fault of the server's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import actors.engines
from actors.engines.registry import tts_engine
from actors.errors import ConfigurationError
from actors.messages import Synthesize
from actors.settings import SpeechSettings
from actors.telephone import BYTES_PER_SAMPLE, TELEPHONE_RATE_HZ, audio_duration_ms
from ingress.caller.listening_quality import speech_spans
from ingress.caller.wave_files import read_wave

PROMPTS = 40
LEAST_PROMPTS = 4
CANDIDATES = 60
CHARACTERS_PER_S = 15.0
"""Of English speech, roughly: which texts are worth being synthesised."""
_SHORT = (
    "Yes, please",
    "No, thank you",
    "The second one",
    "I want to speak to a person",
    "Say that again",
    "My number has changed",
    "What time is it",
    "Good morning to you",
)
_WHAT = (
    "I would like to change my appointment",
    "Please tell me about your opening hours",
    "My package has not arrived yet and I ordered it",
    "Could you connect me to the billing department",
    "I need to speak with somebody about my account",
    "The internet at my house stopped working",
    "Can I reserve a table for two people",
    "I want to cancel the order that I placed",
    "How much does it cost to send a letter",
    "I am calling about the invoice you sent me",
)
_WHEN = (
    "",
    "this morning",
    "for tomorrow afternoon",
    "on the second Tuesday of next month",
    "last week",
    "before the end of the year",
)


@dataclass(frozen=True, slots=True)
class Prompt:
    """One thing to say."""

    text: str
    audio: bytes
    """8 kHz int16, from its first sound to its last."""

    @property
    def duration_s(self) -> float:
        """How long it lasts."""
        return audio_duration_ms(self.audio) / 1_000.0


def scripted_prompts(transcript: str) -> list[Prompt]:
    """Return what callers say to a server that always hears `transcript`."""
    audio = Path(actors.engines.__file__).with_name("hello.sln").read_bytes()
    return [Prompt(transcript, _trimmed(audio))]


def synthesised_prompts(utterance_s: float) -> list[Prompt]:
    """Return English sentences of about that length. Raises ConfigurationError, EngineError."""
    settings = SpeechSettings(tts="hibari")
    engine = tts_engine(settings)
    engine.check(settings)
    engine.load()
    texts = sorted(_texts(), key=lambda text: abs(len(text) / CHARACTERS_PER_S - utterance_s))[:CANDIDATES]
    made = []
    for text in texts:
        audio = b"".join(engine.synthesize(Synthesize("caller", f"{text}.", settings.first_language)))
        if len(speech_spans(audio)) == 1:
            made.append(Prompt(text, _trimmed(audio)))
    return chosen(made, utterance_s)


def recorded_prompts(folder: Path, utterance_s: float) -> list[Prompt]:
    """Return the recordings of a folder: NAME.wav, what is said in NAME.txt. Raises ConfigurationError."""
    made = []
    for words in sorted(folder.glob("*.txt")):
        recording = words.with_suffix(".wav")
        if recording.is_file():
            text, audio = _words(words), read_wave(recording)
            if text and len(speech_spans(audio)) == 1:
                made.append(Prompt(text, _trimmed(audio)))
    if len(made) < LEAST_PROMPTS:
        raise ConfigurationError(
            f"{folder}: {len(made)} recordings are fit to be spoken by callers, at least {LEAST_PROMPTS} "
            "are needed; each needs NAME.wav, NAME.txt with its words, and no pause of 0.3 s inside"
        )
    return chosen(made, utterance_s)


def chosen(made: Sequence[Prompt], utterance_s: float) -> list[Prompt]:
    """Return those whose length is nearest to what is wanted."""
    return sorted(made, key=lambda prompt: abs(prompt.duration_s - utterance_s))[:PROMPTS]


def _texts() -> list[str]:
    """Return distinct texts of one to twelve seconds."""
    middle = [f"{what} {when}".strip() for what in _WHAT for when in _WHEN]
    pairs = [f"{first} and {second[:1].lower()}{second[1:]}" for first in middle for second in middle[::7]]
    return [*_SHORT, *middle, *(pair for pair in pairs if pair)]


def _words(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigurationError(f"{file}: cannot be read: {reason}") from None


def _trimmed(audio: bytes) -> bytes:
    """Return the audio without the silence at its edges."""
    spans = speech_spans(audio)
    begin = round(spans[0].start_s * TELEPHONE_RATE_HZ) * BYTES_PER_SAMPLE
    return audio[begin : round(spans[-1].end_s * TELEPHONE_RATE_HZ) * BYTES_PER_SAMPLE]
