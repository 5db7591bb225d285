"""Where an utterance begins and ends: WebRTC's detector, one frame at a time, and a count of silence.

The seed kept only the frames with speech in them; here all frames of an utterance are kept, which whisper
hears better, and the 300 ms before it, and a quiet line is not put before the detector at all, which takes
its noise for speech now and then. The detector and its mode are raymal's.
"""

from __future__ import annotations

from collections import deque

from actors.telephone import FRAME_BYTES
from ingress.media.hearing.vad import WebRtcVad, is_faint

FRAME_MS = 20
AGGRESSIVENESS = 2
LOOK_BACK_MS = 300


class Endpointer:
    """Of one call."""

    def __init__(self, end_silence_ms: int, minimum_speech_ms: int) -> None:
        self._vad = WebRtcVad(AGGRESSIVENESS)
        self._end_silence_ms = end_silence_ms
        self._minimum_speech_ms = minimum_speech_ms
        self._before: deque[bytes] = deque(maxlen=LOOK_BACK_MS // FRAME_MS)
        self.forget()

    def forget(self) -> None:
        """Begin anew, as after an answer."""
        self._frames: list[bytes] = []
        self._speech_ms = 0
        self._silence_ms = 0
        self._before.clear()

    def hear(self, frame: bytes) -> bytes | None:
        """Take 20 ms of 8 kHz int16; return the utterance when it is over."""
        has_speech = len(frame) == FRAME_BYTES and not is_faint(frame) and self._vad.has_speech(frame)
        if not self._frames and not has_speech:
            self._before.append(frame)
            return None
        self._frames.append(frame)
        self._speech_ms += FRAME_MS * has_speech
        self._silence_ms = 0 if has_speech else self._silence_ms + FRAME_MS
        if self._silence_ms < self._end_silence_ms:
            return None
        utterance = b"".join((*self._before, *self._frames))
        is_speech = self._speech_ms >= self._minimum_speech_ms
        self.forget()
        return utterance if is_speech else None
