"""The models: stock faster-whisper and hibari, or stand-ins that only take their time."""

from __future__ import annotations

from queue import SimpleQueue

import numpy as np

from actors.engines.hibari import HibariTts
from actors.engines.scripted import ScriptedStt, ScriptedTts
from actors.messages import Synthesize, Transcribe
from actors.settings import SpeechSettings
from actors.telephone import TELEPHONE_RATE_HZ

WHISPER_RATE_HZ = 16_000
DEFAULT_BEAM = 5
"""The library's own."""
LANGUAGE = "en"


class StockModels:
    """faster-whisper as its documentation runs it, and the voice that raymal has.

    One whisper model of int8 with a thread per core, which all calls share. One hibari for each synthesis
    that may run at a time: it promises nothing about threads.
    """

    def __init__(self, whisper: str, threads: int, voices: int, beam_size: int = DEFAULT_BEAM) -> None:
        """`whisper` is a folder or a hub name. Loads and tries everything once."""
        from faster_whisper import WhisperModel

        self._whisper = WhisperModel(whisper, device="cpu", compute_type="int8", cpu_threads=threads)
        self._beam_size = beam_size
        self._voices: SimpleQueue[HibariTts] = SimpleQueue()
        for _ in range(voices):
            voice = HibariTts(SpeechSettings())
            voice.load()
            self._voices.put(voice)
        self.transcribe(bytes(2 * TELEPHONE_RATE_HZ))

    def transcribe(self, audio: bytes) -> str:
        """Return what `WhisperModel.transcribe` hears, with its defaults, the language given."""
        import soxr

        samples = np.frombuffer(audio, "<i2").astype(np.float32) / 32_768.0
        wide = soxr.resample(samples, TELEPHONE_RATE_HZ, WHISPER_RATE_HZ)
        segments, _ = self._whisper.transcribe(wide, language=LANGUAGE, beam_size=self._beam_size)
        return "".join(segment.text for segment in segments).strip()

    def synthesize(self, text: str) -> bytes:
        """Return all of hibari's speech."""
        voice = self._voices.get()
        try:
            return b"".join(voice.synthesize(Synthesize("seed", text, LANGUAGE)))
        finally:
            self._voices.put(voice)


class ScriptedModels:
    """Raymal's scripted engines: what is heard and said does not matter."""

    def __init__(self, settings: SpeechSettings) -> None:
        self._stt = ScriptedStt(settings)
        self._tts = ScriptedTts(settings)

    def transcribe(self, audio: bytes) -> str:
        """Return the configured words after the configured time."""
        return self._stt.transcribe(Transcribe("seed", audio, LANGUAGE)).text

    def synthesize(self, text: str) -> bytes:
        """Return tones after the configured time."""
        return b"".join(self._tts.synthesize(Synthesize("seed", text, LANGUAGE)))
