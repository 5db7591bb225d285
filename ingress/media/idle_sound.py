"""What a call hears while no answer plays: chosen when something happens, not for each frame.

| situation | sound |
|---|---|
| an answer was interrupted | its last 5 ms, faded out: first of all, to its end |
| the greeting waits for the gateway | the waiting beep; after a second, once, the waiting phrase whole |
| a later turn waits for the gateway for more than a second | the waiting beep |
| the dialog has set a tone | that tone |
| otherwise | silence |
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from ingress.configuration.extensions import Phrase
from ingress.media.playout import SILENCE
from ingress.media.tones import Loop, endless_tone, faded_out, waiting_beep

WAITING_TONE_AFTER_S = 1.0
NOTHING = memoryview(b"")

PhraseSource = Callable[[Phrase], bytes | None]
"""Returns a phrase as 8 kHz int16, at once; None if it has not been rendered."""


class IdleSound:
    """The sound of one call between answers."""

    def __init__(self, phrases: PhraseSource) -> None:
        self._phrases = phrases
        self._has_asked_to_wait = False
        self._tone: bytes | None = None
        """One second of the dialog's tone."""
        self._audio: bytes | None = None
        """What is repeated now; None: silence."""
        self.first = NOTHING
        """What comes before everything, answers too."""
        self.next_frame: Callable[[int], bytes] = SILENCE.__getitem__
        """Returns the next frame, of so many bytes, of what is repeated."""

    @property
    def has_tone(self) -> bool:
        """Whether the dialog has set a tone."""
        return self._tone is not None

    def next_first(self, frame_bytes: int) -> bytes:
        """Return the next frame of `first`, padded at its end."""
        frame = bytes(self.first[:frame_bytes])
        self.first = self.first[frame_bytes:]
        return frame.ljust(frame_bytes, b"\0")

    def fade_out(self, rest: bytes) -> None:
        """Play the rest of an interrupted answer on a ramp down to silence."""
        self.first = memoryview(faded_out(rest))

    def set_tone(self, frequency_hz: float) -> None:
        """Play a tone from the next `settle` on."""
        self._tone = endless_tone(frequency_hz)

    def stop_tone(self) -> None:
        """Play no tone from the next `settle` on."""
        self._tone = None

    def clear(self) -> None:
        """Stop everything."""
        self.first, self._tone = NOTHING, None

    def settle(self, now: float, waits_since_s: float | None, is_greeting: bool) -> float:
        """Choose the sound, given since when a turn waits, if one does; return until when that holds."""
        audio, until_s = self._tone, inf
        if waits_since_s is not None:
            waits_long = now >= waits_since_s + WAITING_TONE_AFTER_S
            if waits_long or is_greeting:
                audio = waiting_beep()
            if not waits_long:
                until_s = waits_since_s + WAITING_TONE_AFTER_S
            elif is_greeting and not self._has_asked_to_wait:
                self._has_asked_to_wait = True
                self.first = memoryview(self._phrases(Phrase.WAITING) or b"")
        if audio is not self._audio:
            self._audio = audio
            self.next_frame = SILENCE.__getitem__ if audio is None else Loop(audio).next_frame
        return until_s
