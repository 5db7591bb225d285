"""The utterance under way: its audio, how loud it is, and which of its frames are speech.

A frame that passed the gate waits for the verdict of the second stage. An utterance whose verdicts are
missing or late is left to the gate alone.

Silero recognises a sound only when it has heard some of it, so of a word of 0.2 s its "speech" and the gate's
hardly coincide. Until the caller surely speaks each frame is therefore judged twice: by its own window, and
again by the window 160 ms later. A sound that ends before, a part of which Silero has denied, is given to it
again as a whole; if it is speech, all of its frames are.

Frames of zeros stand for frames that did not come. If those come late after all, the zeros are taken out of
the utterance's audio; what has been given to Silero stays.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from actors.telephone import BYTES_PER_MS, BYTES_PER_SAMPLE, FRAME_BYTES, FRAME_MS, SILENCE_FRAME
from ingress.media.hearing.silero import WINDOW_BYTES, Confirmer, SecondHearing, gain_for
from ingress.media.hearing.spectrum import may_be_voice, without_key_tones
from ingress.media.hearing.vad import frame_power

TRAILING_SILENCE_BYTES = 200 // FRAME_MS * FRAME_BYTES
"""Kept after the last word; the transcriber pads with silence by itself."""
SPEECH_RANGE = 10.0**-3
"""Of the loudest frame's power, -30 dB: vowels and most consonants lie within it, a quiet line does not."""
ABOVE_LINE = 2.0
"""3 dB: the gate goes on saying "speech" after a tone, too, which says nothing of how loud speech is."""
VERDICT_DEADLINE_S = 0.4
"""Several cycles of the confirmer, and still less than the silence that ends an utterance."""
RECOGNITION_BYTES = 5 * WINDOW_BYTES
"""160 ms. Silero's "speech" begins up to so long after a short word's first sound, and ends as long after its
last. A tone's or a knock's begins when the sound is over already."""
SOUND_BEFORE_BYTES = 60 * BYTES_PER_MS
SOUND_AFTER_BYTES = 100 * BYTES_PER_MS
"""Around a sound that is heard a second time."""
CUT_FRAMES = 2_000 // FRAME_MS
"""At the end of an utterance that is too long: where it may be cut."""
PAUSE_FRAMES = 5
LONGEST_SOUND_BYTES = 1_000 * BYTES_PER_MS
"""That is: of a longer one Silero has heard enough."""
LEVEL_SHARE = 0.2
"""Of a frame in the level: an average over some 100 ms."""
NEAR_RANGE = 10.0**-0.8
"""Of the level's maximum, -8 dB: voices 10 dB behind the caller's hardly ever come above, and hardly any
sentence on a quiet line stays below for longer than pauses last."""
FAR_SHARE = 0.5
"""Of frames within the speech range, in a time without a near voice: it is no silence."""
BACKGROUND_SHARE = 0.8
"""The same, where other voices go on."""
VOICES_GO_ON_FRAMES = 3
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

    def __init__(
        self,
        confirmer: Confirmer | None,
        first_byte: int,
        line_power: float,
        floor_power: float,
        loudest_power: float,
        second_hearing_frames: int,
    ) -> None:
        """Audio from `first_byte` on is confirmed.

        Mean squares: `line_power` of the line's noise, `floor_power` of its quieter frames, `loudest_power`
        of the onset's loudest frame.
        A second hearing begins after `second_hearing_frames` without a sound.
        """
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
        self._denied: list[Frame] = []
        """Frames that passed the gate and are no speech by both verdicts."""
        self._second_hearing: SecondHearing | None = None
        self._second_hearing_frames = second_hearing_frames
        self._silent_frames = 0
        """Since the last frame that passed the gate."""
        self._sound = (sys.maxsize, 0)
        """From the first to the last byte that passed the gate."""
        self._fillers: list[int] = []
        """Where the frames of zeros begin that stand for frames that did not come."""
        self._taken_out: list[int] = []
        """Where those began whose frames came late."""
        self._line_power = line_power
        self._floor_power = floor_power
        self._loudest_power = loudest_power
        self._loud_frames = 0
        self._level = self._loudest_level = 0.0
        self._far_frames = self._far_loud_frames = 0

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
            self._confirmation.hand_over(self.audio, gain_for(self._loudest_power))
            if not self.is_sure:
                self._listen_again(passed_gate)

    def fill(self, at_s: float) -> None:
        """Append zeros for a frame that did not come."""
        self._fillers.append(len(self.audio))
        self.append_waiting(SILENCE_FRAME, False, at_s)

    def take_out_filler(self) -> bool:
        """Take out zeros, because a frame has come late; False if there are none."""
        if self._fillers:
            self._taken_out.append(self._fillers.pop())
            return True
        return False

    def piece(self, first_byte: int, end_byte: int) -> bytes:
        """Return the audio from byte to byte, both at a frame's border, without what was taken out."""
        parts = []
        for position in sorted(self._taken_out):
            if first_byte <= position < end_byte:
                parts.append(self.audio[first_byte:position])
                first_byte = position + FRAME_BYTES
        return b"".join((*parts, self.audio[first_byte:end_byte]))

    def judge_loudness(self, frame: bytes) -> bool:
        """Return whether the next frame is not far quieter than the loudest, which it may be itself."""
        power = frame_power(frame)
        if power > self._loudest_power:
            self._loudest_power = power
        is_loud = power > max(self._loudest_power * SPEECH_RANGE, self._floor_power * ABOVE_LINE)
        self._loud_frames = self._loud_frames + 1 if is_loud else 0
        self._level += (power - self._level) * LEVEL_SHARE
        if self._level > self._loudest_level:
            self._loudest_level = self._level
        if self._level > self.background_power:
            self._far_frames = self._far_loud_frames = 0
        else:
            self._far_frames += 1
            self._far_loud_frames += is_loud
        return is_loud

    @property
    def background_power(self) -> float:
        """What is no louder than this, on average over 100 ms, is not the caller but behind the caller."""
        return self._loudest_level * NEAR_RANGE

    @property
    def has_background(self) -> bool:
        """Whether, since the caller's voice faded, others have gone on."""
        return self._far_loud_frames >= self._far_frames * BACKGROUND_SHARE

    def has_faded(self, frames: int) -> bool:
        """Whether the caller surely spoke, and for so many frames there was nothing as near."""
        if self._far_frames < frames or not self.is_sure or self._loud_frames < VOICES_GO_ON_FRAMES:
            return False
        # Without the second stage any noise would be voices.
        return self._confirmer is not None and self._far_loud_frames >= self._far_frames * FAR_SHARE

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

    def take_away(self, end_byte: int) -> None:
        """Take the audio up to `end_byte` away: it is an utterance of its own, and this one goes on."""
        del self.audio[:end_byte]
        self.last_speech_bytes = max(0, self.last_speech_bytes - end_byte)
        self._fillers = [byte - end_byte for byte in self._fillers if byte >= end_byte]
        self._taken_out = [byte - end_byte for byte in self._taken_out if byte >= end_byte]
        for index, frame in enumerate(self._waiting):
            self._waiting[index] = frame._replace(end_bytes=frame.end_bytes - end_byte)
        if self._confirmation is not None:
            self._confirmation.move(end_byte)

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
        """Yield each frame whose later verdict is not as the one before, and the later one."""
        while self._provisional and self._confirmation is not None:
            frame, had_speech = self._provisional[0]
            has_speech = self._confirmation.verdict(frame.end_bytes - FRAME_BYTES // 2 + RECOGNITION_BYTES)
            if has_speech is None:
                return
            self._provisional.popleft()
            if not has_speech:
                self._denied.append(frame)
            if has_speech != had_speech:
                if has_speech:
                    self.last_speech_bytes = max(self.last_speech_bytes, frame.end_bytes)
                yield frame, has_speech
        if self._second_hearing is not None and self._second_hearing.is_speech:
            self._forget_second_hearing()
            for frame in self._denied:
                self.last_speech_bytes = max(self.last_speech_bytes, frame.end_bytes)
                yield frame, True
            self._denied.clear()

    def become_sure(self) -> None:
        """Note that the caller surely speaks: from now on the first verdict counts."""
        self.is_sure = True
        self._provisional.clear()
        self._denied.clear()
        self._forget_second_hearing()

    def close(self) -> None:
        """Drop what waits: no further frame is judged."""
        self._waiting.clear()
        self._stop_confirming()

    @property
    def kept_bytes(self) -> int:
        """Length of the audio up to the last speech, with a little trailing silence."""
        return self.last_speech_bytes + TRAILING_SILENCE_BYTES

    def _listen_again(self, passed_gate: bool) -> None:
        """Begin the second hearing when the sound is over; a sound that goes on ends it."""
        if passed_gate:
            end = len(self.audio)
            self._sound = (min(self._sound[0], end - FRAME_BYTES), end)
            self._silent_frames = 0
            self._forget_second_hearing()
            return
        self._silent_frames += 1
        is_over = self._silent_frames == self._second_hearing_frames
        confirmation = self._confirmer.begin() if is_over and self._denied and self._confirmer else None
        if confirmation is None:
            return
        first, end = self._sound
        sound = without_key_tones(self.audio[max(0, first - SOUND_BEFORE_BYTES) : end + SOUND_AFTER_BYTES])
        if len(sound) > LONGEST_SOUND_BYTES or not may_be_voice(sound):
            return
        self._second_hearing = SecondHearing(confirmation, sound, gain_for(self._loudest_power))

    def _forget_second_hearing(self) -> None:
        if self._second_hearing is not None:
            self._second_hearing.close()
            self._second_hearing = None

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
        self._forget_second_hearing()


def last_pause(audio: bytearray) -> int:
    """Return the byte, at a frame's border, in the middle of the last pause of the audio's last two seconds.

    A pause is 100 ms far quieter than the loudest, or nearly as quiet as the quietest; there always is one.
    """
    frames = CUT_FRAMES + PAUSE_FRAMES - 1
    samples = np.frombuffer(audio[-frames * FRAME_BYTES :], "<i2").astype(np.float32)
    powers = np.square(samples).reshape(-1, FRAME_BYTES // BYTES_PER_SAMPLE).mean(axis=1)
    smooth = np.convolve(powers, np.full(PAUSE_FRAMES, 1.0 / PAUSE_FRAMES), "valid")
    limit = max(smooth.max() * SPEECH_RANGE, smooth.min() * 2.0)
    last = int(np.nonzero(smooth <= limit)[0][-1])
    return len(audio) - (len(powers) - last - PAUSE_FRAMES // 2) * FRAME_BYTES
