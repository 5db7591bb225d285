"""The utterance under way: its audio, how loud it is, and which of its frames are speech.

A frame that passed the gate waits for the verdict of the second stage. An utterance whose verdicts are
missing or late is left to the gate alone.

Silero recognises a sound only when it has heard some of it, so of a word of 0.2 s its "speech" and the gate's
hardly coincide. Until the caller surely speaks each frame is therefore judged twice: by its own window, and
again by the window 160 ms later.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from actors.telephone import FRAME_BYTES, FRAME_MS
from ingress.media.hearing.silero import WINDOW_BYTES, SpeechConfirmer
from ingress.media.hearing.vad import frame_power

TRAILING_SILENCE_BYTES = 200 // FRAME_MS * FRAME_BYTES
"""Kept after the last word; the transcriber pads with silence by itself."""
SPEECH_RANGE = 10.0**-3
"""Of the loudest frame's power, -30 dB: vowels and most consonants lie within it, a quiet line does not."""
VERDICT_DEADLINE_S = 0.4
"""Several cycles of the confirmer, and still less than the silence that ends an utterance."""
RECOGNITION_BYTES = 5 * WINDOW_BYTES
"""160 ms. Silero's "speech" begins up to so long after a short word's first sound, and ends as long after its
last. A tone's or a knock's begins when the sound is over already."""
NOISY_FRAMES = 2_000 // FRAME_MS
"""No quiet frame for this long is a noisy line: even fluent speech has its stops."""


class Frame(NamedTuple):
    """One, without its audio."""

    passed_gate: bool
    at_s: float
    end_bytes: int
    """Length of the utterance up to and with this frame."""


class Utterance:
    """Audio in; for each frame in order, as soon as it is known, whether it is speech."""

    def __init__(self, confirmer: SpeechConfirmer | None, first_byte: int, line_power: float) -> None:
        """Audio from `first_byte` on is confirmed; `line_power` is the mean square of the line's noise."""
        self.audio = bytearray()
        self.is_sure = False
        self.had_speech = False
        """Whether the last frame whose verdict is known was speech."""
        self.last_speech_bytes = 0
        self._confirmer = confirmer
        self._confirmation = confirmer.begin(first_byte) if confirmer is not None else None
        self.is_gate_alone = confirmer is not None and self._confirmation is None
        """Whether verdicts are missing."""
        self._waiting: deque[Frame] = deque()
        self._provisional: deque[tuple[Frame, bool]] = deque()
        """Frames that wait for their second verdict, each with its first."""
        self._line_power = line_power
        self._loudest_power = 0.0
        self._loud_frames = 0

    @property
    def awaits_verdicts(self) -> bool:
        """Whether the next frame's verdict comes later; else the gate's is the last word."""
        return self._confirmation is not None or len(self._waiting) > 0

    def append(self, frame: bytes, has_speech: bool) -> None:
        """Append a frame that has its verdict."""
        self.audio += frame
        self.had_speech = has_speech
        if has_speech:
            self.last_speech_bytes = len(self.audio)

    def append_waiting(self, frame: bytes, passed_gate: bool, at_s: float) -> None:
        """Append a frame that waits for its verdict."""
        self.audio += frame
        self._waiting.append(Frame(passed_gate, at_s, len(self.audio)))
        if self._confirmation is not None:
            self._confirmation.hand_over(self.audio)

    def judge_loudness(self, frame: bytes) -> bool:
        """Return whether the next frame is not far quieter than the loudest, which it may be itself."""
        power = frame_power(frame)
        if power > self._loudest_power:
            self._loudest_power = power
        is_loud = power > self._loudest_power * SPEECH_RANGE
        self._loud_frames = self._loud_frames + 1 if is_loud else 0
        return is_loud

    def confirm_if_noisy(self) -> None:
        """Once the caller surely speaks, confirm only where the gate alone would not hear the end."""
        if not self.is_sure:
            return
        is_noisy = self._loud_frames >= NOISY_FRAMES
        if self._confirmation is not None:
            if not is_noisy and self._line_power < self._loudest_power * SPEECH_RANGE:
                self._stop_confirming()
        elif is_noisy and self._confirmer is not None and not self.is_gate_alone:
            self._confirmation = self._confirmer.begin(len(self.audio))

    def take_judged(self, now: float) -> Iterator[tuple[Frame, bool]]:
        """Yield, in order, each waiting frame whose verdict is there at `now`, and whether it is speech."""
        while self._waiting:
            frame = self._waiting[0]
            has_speech = frame.passed_gate and self._verdict(frame, now)
            if has_speech is None:
                return
            self._waiting.popleft()
            if frame.passed_gate and self._confirmation is not None and not self.is_sure:
                self._provisional.append((frame, has_speech))
            self.had_speech = has_speech
            if has_speech:
                self.last_speech_bytes = frame.end_bytes
            yield frame, has_speech

    def take_corrected(self) -> Iterator[tuple[Frame, bool]]:
        """Yield each frame whose second verdict is not as the first, and the second."""
        while self._provisional and self._confirmation is not None:
            frame, had_speech = self._provisional[0]
            has_speech = self._confirmation.verdict(frame.end_bytes - FRAME_BYTES // 2 + RECOGNITION_BYTES)
            if has_speech is None:
                return
            self._provisional.popleft()
            if has_speech != had_speech:
                if has_speech:
                    self.last_speech_bytes = max(self.last_speech_bytes, frame.end_bytes)
                yield frame, has_speech

    def become_sure(self) -> None:
        """Note that the caller surely speaks: from now on the first verdict counts."""
        self.is_sure = True
        self._provisional.clear()

    def close(self) -> None:
        """Drop what waits: no further frame is judged."""
        self._waiting.clear()
        self._stop_confirming()

    @property
    def kept_bytes(self) -> int:
        """Length of the audio up to the last speech, with a little trailing silence."""
        return self.last_speech_bytes + TRAILING_SILENCE_BYTES

    def _verdict(self, frame: Frame, now: float) -> bool | None:
        """Return whether a frame that passed the gate is speech; None: not known yet."""
        if self._confirmation is None:
            return True
        verdict = self._confirmation.verdict(frame.end_bytes - FRAME_BYTES // 2)
        if verdict is None and (now - frame.at_s >= VERDICT_DEADLINE_S or self._confirmation.is_overtaxed):
            self._stop_confirming()
            self.is_gate_alone = True
            return True
        return verdict

    def _stop_confirming(self) -> None:
        if self._confirmation is not None:
            self._confirmation.is_over = True
            self._confirmation = None
        self._provisional.clear()
