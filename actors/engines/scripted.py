"""Engines without a model: given words after a given delay, for tests and load.

The whole path around them is the real one: leases, deadlines, batches, streams, cancellation. The delays are
slept and use no CPU, so that one machine can carry the load of a large fleet.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator, Sequence

import numpy as np

from actors.engines.abandonment import AbandonedError, Abandonment
from actors.engines.base import BatchSttEngine, TtsEngine
from actors.engines.speech_audio import MAX_PIECE_BYTES
from actors.errors import EngineError
from actors.messages import Synthesize, Transcribe, Transcript
from actors.telephone import BYTES_PER_SAMPLE, TELEPHONE_RATE_HZ

TONE_AMPLITUDE = 0.25
"""Of full scale: -12 dBFS, as loud as speech, far from clipping."""


def sentence_tone_hz(text: str) -> int:
    """Return the pitch of a sentence's tone: 300, 310 … 1290 Hz, inside the telephone's band."""
    return 300 + 10 * (zlib.crc32(text.encode()) % 100)


class ScriptedStt(BatchSttEngine):
    """Hears `scripted.transcript` in every utterance."""

    def load(self) -> None:
        """Sleep for `scripted.load_delay_s`."""
        time.sleep(self.settings.scripted.load_delay_s)

    @property
    def batch_size(self) -> int:
        """Return `scripted.batch_size`."""
        return self.settings.scripted.batch_size

    def transcribe_batch(
        self, requests: Sequence[Transcribe], abandonments: Sequence[Abandonment]
    ) -> list[Transcript | EngineError]:
        """Return the configured words after one `scripted.stt_delay_s`, sooner if all are abandoned."""
        end = time.monotonic() + self.settings.scripted.stt_delay_s
        for abandonment in abandonments:
            abandonment.wait(end - time.monotonic())
        return [self._heard(*work) for work in zip(requests, abandonments, strict=True)]

    def _heard(self, request: Transcribe, abandonment: Abandonment) -> Transcript | EngineError:
        if abandonment.is_set:
            return AbandonedError()
        if len(request.audio) % BYTES_PER_SAMPLE:
            return EngineError(f"{len(request.audio)} bytes of audio are no whole number of 16-bit samples")
        return Transcript(self.settings.scripted.transcript, request.language)


class ScriptedTts(TtsEngine):
    """Says each sentence as one steady tone, so that a recording shows which sentence it was."""

    def load(self) -> None:
        """Sleep for `scripted.load_delay_s`."""
        time.sleep(self.settings.scripted.load_delay_s)

    def synthesize(self, request: Synthesize) -> Iterator[bytes]:
        """Yield the tone after the script's delay; blank text yields nothing."""
        text = request.text.strip()
        if not text:
            return
        script = self.settings.scripted
        speech_s = len(text) / script.speech_rate_characters_per_s
        time.sleep(script.tts_delay_s + script.real_time_factor * speech_s)
        tone_hz = sentence_tone_hz(text)
        samples = round(speech_s * TELEPHONE_RATE_HZ)
        piece_samples = MAX_PIECE_BYTES // BYTES_PER_SAMPLE
        for start in range(0, samples, piece_samples):
            yield _tone(tone_hz, start, min(samples, start + piece_samples))


def _tone(frequency_hz: int, start: int, stop: int) -> bytes:
    """Return samples `start` to `stop` of an endless sine."""
    phase = np.arange(start, stop) * (2.0 * np.pi * frequency_hz / TELEPHONE_RATE_HZ)
    audio: bytes = np.rint(np.sin(phase) * (TONE_AMPLITUDE * 32767.0)).astype("<i2").tobytes()
    return audio
