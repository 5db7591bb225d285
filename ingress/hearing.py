"""One call's ear: frames in, whole utterances out.

Puts together the detector (does this frame hold speech), the endpointer (is the utterance over) and the
audio itself: `look_back_ms` before the onset, everything until the end, and a little of the silence after
it. Bounded: an utterance is cut at `maximum_utterance_s`.

WebRTC's detector goes on saying "speech" for 80 to 280 ms after the last sound. Each of those frames would
be a frame the caller waits for the answer, so inside an utterance a frame counts as speech only if it is
also not far quieter than the utterance's loudest. On a noisy line, where the pauses are not that quiet, the
detector alone decides.
"""

from __future__ import annotations

from collections import deque

from ingress.endpointing import Endpointer, Judgement, SpeechDropped, SpeechEnded, SpeechStarted
from ingress.pacing import FRAME_MS, FRAME_S
from ingress.playout import FRAME_BYTES, SILENCE_FRAME
from ingress.settings import EndpointingSettings
from ingress.utterance import EndReason, HeardUtterance
from ingress.vad import WebRtcVad, frame_power

TRAILING_SILENCE_MS = 200
"""Kept after the last word; the transcriber pads with silence by itself."""
SPEECH_RANGE = 10.0**-3
"""Of the loudest frame's power, -30 dB: vowels and most consonants lie within it, a quiet line does not."""
GAP_S = 3 * FRAME_S
"""No frame for this long is a pause in the stream, not jitter."""


class Hearing:
    """Frames and the clock in, utterances out."""

    def __init__(self, settings: EndpointingSettings) -> None:
        self._vad = WebRtcVad(settings.aggressiveness)
        self._endpointer = Endpointer(settings)
        # The onset itself takes up to one and a half times onset_ms of what is kept.
        kept_ms = settings.look_back_ms + settings.onset_ms * 3 // 2
        self._look_back: deque[bytes] = deque(maxlen=max(1, kept_ms // FRAME_MS))
        self._utterance = bytearray()
        self._last_speech_bytes = 0
        self._last_frame_s = 0.0
        self._loudest_power = 0.0
        self.dropped_noises = 0

    @property
    def is_in_speech(self) -> bool:
        """Whether the caller is speaking now."""
        return self._endpointer.is_in_speech

    def frame(self, frame: bytes, now: float) -> HeardUtterance | None:
        """Take one 20 ms frame that arrived at `now`."""
        self._last_frame_s = now
        was_in_speech = self._endpointer.is_in_speech
        has_speech = self._vad.has_speech(frame) and (not was_in_speech or self._is_loud(frame))
        judgement = self._endpointer.frame(has_speech, now)
        if was_in_speech:
            self._utterance += frame
            if has_speech:
                self._last_speech_bytes = len(self._utterance)
        else:
            self._look_back.append(frame)
        return self._act(judgement)

    def pause(self, now: float) -> HeardUtterance | None:
        """Nothing arrived lately, and it is `now`: call it about every 20 ms."""
        if not self._endpointer.is_in_speech or now - self._last_frame_s < GAP_S:
            return None
        self._utterance += SILENCE_FRAME
        return self._act(self._endpointer.pause(now))

    def digit(self, now: float) -> HeardUtterance | None:
        """A key was pressed: what was being said is over."""
        return self._act(self._endpointer.end(EndReason.DIGIT, now))

    def _is_loud(self, frame: bytes) -> bool:
        """Whether the frame is not far quieter than the utterance's loudest so far."""
        power = frame_power(frame)
        if power > self._loudest_power:
            self._loudest_power = power
        return power > self._loudest_power * SPEECH_RANGE

    def _act(self, judgement: Judgement | None) -> HeardUtterance | None:
        match judgement:
            case None:
                return None
            case SpeechStarted():
                self._utterance = bytearray().join(self._look_back)
                self._loudest_power = 0.0
                self._last_speech_bytes = len(self._utterance)
                self._look_back.clear()
                return None
            case SpeechDropped():
                self.dropped_noises += 1
                self._utterance = bytearray()
                return None
            case SpeechEnded(last_speech_s, decided_s, reason):
                keep = self._last_speech_bytes + TRAILING_SILENCE_MS // FRAME_MS * FRAME_BYTES
                audio = bytes(self._utterance[:keep])
                self._utterance = bytearray()
                return HeardUtterance(audio, last_speech_s, decided_s, reason)
