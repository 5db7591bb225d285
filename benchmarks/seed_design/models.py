"""The models: stock faster-whisper and hibari."""

from __future__ import annotations

from queue import SimpleQueue

import numpy as np

from actors.engines.hibari import HibariTts
from actors.messages import Synthesize
from actors.settings import SpeechSettings
from actors.telephone import BYTES_PER_SAMPLE, TELEPHONE_RATE_HZ

WHISPER_RATE_HZ = 16_000
DEFAULT_BEAM = 5
"""The library's own."""
LANGUAGE = "en"


class StockWhisper:
    """faster-whisper as its documentation runs it: int8, the defaults of `WhisperModel.transcribe`."""

    def __init__(self, weights: str, threads: int, beam_size: int) -> None:
        """Load `weights`, a folder or a hub name, and try them once."""
        from faster_whisper import WhisperModel

        self._model = WhisperModel(weights, device="cpu", compute_type="int8", cpu_threads=threads)
        self._beam_size = beam_size
        self.transcribe(bytes(2 * BYTES_PER_SAMPLE * TELEPHONE_RATE_HZ))

    def transcribe(self, audio: bytes, language: str = LANGUAGE) -> str:
        """Return the words of 8 kHz int16 audio, the language given."""
        import soxr

        samples = np.frombuffer(audio, "<i2").astype(np.float32) / 32_768.0
        wide = soxr.resample(samples, TELEPHONE_RATE_HZ, WHISPER_RATE_HZ)
        segments, _ = self._model.transcribe(wide, language=language, beam_size=self._beam_size)
        return "".join(segment.text for segment in segments).strip()


class StockModels:
    """Stock faster-whisper, and the voice that raymal has.

    One whisper model with a thread per core, which all calls share. One hibari for each synthesis that may
    run at a time: it promises nothing about threads.
    """

    def __init__(self, whisper: str, threads: int, voices: int, beam_size: int) -> None:
        """`whisper` is a folder or a hub name. Loads and tries everything once."""
        self.transcribe = StockWhisper(whisper, threads, beam_size).transcribe
        self._voices: SimpleQueue[HibariTts] = SimpleQueue()
        for _ in range(voices):
            voice = HibariTts(SpeechSettings())
            voice.load()
            self._voices.put(voice)

    def synthesize(self, text: str) -> bytes:
        """Return all of hibari's speech."""
        voice = self._voices.get()
        try:
            return b"".join(voice.synthesize(Synthesize("seed", text, LANGUAGE)))
        finally:
            self._voices.put(voice)
