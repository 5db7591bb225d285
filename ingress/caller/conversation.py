"""Who speaks when, and what was heard. It has no clock and no socket.

Once every 20 ms it is asked for the caller's next frame and given the time; each frame that arrives is
given to it with its time of arrival.

| state | ends when |
|---|---|
| the greeting is awaited or heard | none began within `greeting_wait_s`, or it has been quiet long enough |
| an utterance is spoken, or keys are pressed | its last frame is sent; the last key is sent |
| the answer is awaited or heard | none began within `answer_deadline_s`, or it has been quiet long enough |
| ... and the next step goes into it | it has been heard for so long |
| a pause | its time is over, and it has been quiet long enough |

Quiet long enough is `quiet_s`, and `settle_s` where the caller then hangs up.

A frame is sent when its last sample would have been spoken, as a phone does: the answer's delay is what a
person at that phone would count.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from actors.telephone import BYTES_PER_SAMPLE, FRAME_BYTES, FRAME_S, TELEPHONE_RATE_HZ, audio_duration_ms
from ingress.caller.listening_quality import (
    SPEECH_JOIN_MS,
    ReceivedFrame,
    has_sound,
    phone_holes_ms,
    speech_spans,
)
from ingress.caller.script import CallScript, Pause, Press, Speak, Step

KEY_S = 0.2
"""From one key to the next."""
ON_THE_WAY_S = 0.1
"""What was heard when a key was pressed may go on for so long: frames that had left already."""
_ROUNDING_S = 1e-9
"""Ends of frames are multiples of 20 ms, which no binary fraction is."""


@dataclass(frozen=True)
class CallTurn:
    """The caller spoke or pressed keys; what came back. Times are seconds since the UUID was sent."""

    step: int
    """Which of the script's, 0 is the first."""
    spoke_from_s: float
    spoke_until_s: float
    """Beginning and end of the sound in the utterance, without its silent edges; of keys, the first and the
    last one."""
    answer_from_s: float | None
    """Arrival of the answer's first frame with sound; None when there was no answer in time. Sound that
    began while the caller spoke and still goes on when he finishes is the answer, early as it is."""
    answer_until_s: float | None
    """End of the last frame with sound."""
    answer: bytes
    """What was received from the first frame with sound to the last, 8 kHz int16."""

    @property
    def first_answer_ms(self) -> float | None:
        """From the end of the caller's speech to the first sound of the answer; None when there was none.

        Negative when the server spoke before that: it took a pause in the utterance for the end.
        """
        return None if self.answer_from_s is None else (self.answer_from_s - self.spoke_until_s) * 1000


class Conversation:
    """The caller's side of one call."""

    def __init__(self, script: CallScript, on_progress: Callable[[str], None]) -> None:
        self.frames: list[ReceivedFrame] = []
        self.audio: list[bytes] = []
        """The audio of each frame in `frames`."""
        self.turns: list[CallTurn] = []
        self.on_turn: Callable[[CallTurn], None] = lambda turn: None
        """Is given each turn when it is over."""
        self.reached_limit = False
        self._script = script
        self._progress = on_progress
        self._last_sound: int | None = None
        """Number of the latest frame with sound."""
        self._stretch_first = 0
        """Number of the first frame of the latest stretch of sound, short pauses included."""
        self._steps_begun = 0
        self._speech: _Speech | _Keys | _Silence | None = None
        """The step under way; None while a greeting is awaited and after the last one."""
        self._answer_first: int | None = None
        """Number of the first frame of that turn's answer; of the greeting, before the first step."""

    def hear(self, audio: bytes, arrived_s: float) -> None:
        """Take one frame in. Must be called in the order of arrival."""
        number = len(self.frames)
        self.audio.append(audio)
        self.frames.append(ReceivedFrame(arrived_s, audio_duration_ms(audio) / 1000))
        if not has_sound(audio):
            return
        if self._last_sound is None and self._speech is None:
            self._answer_first = number
            self._progress(f"heard the first sound after {arrived_s:.1f} s")
        if self._quiet_s(arrived_s) > SPEECH_JOIN_MS / 1000:
            self._stretch_first = number
        self._last_sound = number
        until_s = self._speech.until_s if self._speech is not None else None
        if until_s is not None and arrived_s > until_s and self._answer_first is None:
            if isinstance(self._speech, _Keys) and self.frames[self._stretch_first].arrived_s <= until_s:
                if arrived_s <= until_s + ON_THE_WAY_S:
                    return
                self._stretch_first = number  # a key stops at once what was heard then: this is new
            # A stretch that began earlier would, timed from now on, pass for a very fast answer.
            self._answer_first = self._stretch_first
            delay_ms = (self.frames[self._stretch_first].arrived_s - until_s) * 1000
            self._progress(
                f"the answer began after {delay_ms:.0f} ms"
                if delay_ms >= 0
                else f"the answer began {-delay_ms:.0f} ms before we had finished"
            )

    def next_frame(self, now_s: float) -> bytes | None:
        """Return the 20 ms of speech that are due, b"" to be silent, None to hang up."""
        if now_s >= self._script.max_call_s:
            self.reached_limit = True
            self._progress(f"the call reached its limit of {self._script.max_call_s:g} s")
            return None
        if self._speech is None or self._speech.is_over:
            if not self._other_side_is_done(now_s):
                return b""
            self.end()
            step = self._next_step
            if step is None:
                return None
            self._steps_begun += 1
            self._speech = _begun(step, now_s)
            self._progress(self._speech.description)
        return self._speech.next_frame(now_s)

    def take_key(self) -> str | None:
        """Return the key to send now, before the frame; None: there is none."""
        return self._speech.take_key() if isinstance(self._speech, _Keys) else None

    @property
    def _next_step(self) -> Step | None:
        steps = self._script.steps
        return steps[self._steps_begun] if self._steps_begun < len(steps) else None

    def end(self) -> None:
        """End the turn under way, because it or the call is over. It is kept if its utterance was spoken."""
        speech, first = self._speech, self._answer_first
        self._speech = self._answer_first = None
        if isinstance(speech, _Silence) or speech is None or speech.from_s is None or speech.until_s is None:
            return
        step, spoke = self._steps_begun - 1, (speech.from_s, speech.until_s)
        if first is None or self._last_sound is None:
            self._progress("no answer came")
            self._add(CallTurn(step, *spoke, None, None, b""))
            return
        last = self.frames[self._last_sound]
        answer = b"".join(self.audio[first : self._last_sound + 1])
        self._progress(f"the answer took {audio_duration_ms(answer) / 1000:.1f} s")
        answer_from_s, answer_until_s = self.frames[first].arrived_s, last.arrived_s + last.duration_s
        self._add(CallTurn(step, *spoke, answer_from_s, answer_until_s, answer))

    def _add(self, turn: CallTurn) -> None:
        self.turns.append(turn)
        self.on_turn(turn)

    def received(self) -> bytes:
        """Return all that was heard, 8 kHz int16, from the beginning of the call, as a phone plays it."""
        recording = bytearray(_bytes_of(self.frames[0].arrived_s) if self.frames else 0)
        for hole_ms, audio in zip(phone_holes_ms(self.frames), self.audio, strict=True):
            recording.extend(bytes(_bytes_of(hole_ms / 1000)))
            recording.extend(audio)
        return bytes(recording)

    def _quiet_s(self, now_s: float) -> float:
        """Return the time since the latest sound; infinite before the first."""
        return now_s - self.frames[self._last_sound].arrived_s if self._last_sound is not None else math.inf

    def _other_side_is_done(self, now_s: float) -> bool:
        """Whether the greeting or answer is over, or is awaited no longer."""
        following = self._next_step
        into_s = None if following is None or isinstance(following, Pause) else following.into_answer_s
        if self._speech is None:
            if self._last_sound is None:
                return now_s >= self._script.greeting_wait_s
            if into_s is not None and self._answer_first is not None:
                return now_s >= self.frames[self._answer_first].arrived_s + into_s
        elif not isinstance(self._speech, _Silence):
            if self._answer_first is None:
                assert self._speech.until_s is not None
                return now_s - self._speech.until_s >= self._script.answer_deadline_s
            if into_s is not None:
                return now_s >= self.frames[self._answer_first].arrived_s + into_s
        return self._quiet_s(now_s) >= (self._script.settle_s if following is None else self._script.quiet_s)


class _Silence:
    """A pause."""

    def __init__(self, pause_s: float, now_s: float) -> None:
        self.description = f"silent for {pause_s:.1f} s"
        self.until_s = now_s + pause_s
        self.is_over = False

    def next_frame(self, now_s: float) -> bytes:
        self.is_over = now_s >= self.until_s
        return b""


class _Keys:
    """Keys as they are pressed, one after the other."""

    def __init__(self, keys: str) -> None:
        self.description = f"pressing {len(keys)} keys" if len(keys) > 1 else "pressing a key"
        self.from_s: float | None = None
        self.until_s: float | None = None
        """When the first and the last were sent; None until then."""
        self._keys = keys
        self._next_s = 0.0
        self._due: str | None = None

    @property
    def is_over(self) -> bool:
        return not self._keys

    def next_frame(self, now_s: float) -> bytes:
        if self.from_s is None:
            self.from_s = self._next_s = now_s
        if now_s >= self._next_s - _ROUNDING_S:
            self._due, self._keys = self._keys[0], self._keys[1:]
            self._next_s += KEY_S
            if not self._keys:
                self.until_s = now_s
        return b""

    def take_key(self) -> str | None:
        key, self._due = self._due, None
        return key


def _begun(step: Step, now_s: float) -> _Speech | _Keys | _Silence:
    match step:
        case Speak(audio):
            return _Speech(audio)
        case Press(keys):
            return _Keys(keys)
        case Pause(pause_s):
            return _Silence(pause_s, now_s)


class _Speech:
    """One utterance as it is spoken, frame by frame."""

    def __init__(self, utterance: bytes) -> None:
        self.from_s: float | None = None
        self.until_s: float | None = None
        """When the sound in it began and ended; None until the frame that holds it is sent."""
        self.description = f"speaking for {audio_duration_ms(utterance) / 1000:.1f} s"
        self._utterance = utterance
        spans = speech_spans(utterance)
        self._sound_start_s, self._sound_end_s = spans[0].start_s, spans[-1].end_s
        self._sent_frames = 0

    @property
    def is_over(self) -> bool:
        return self._sent_frames * FRAME_BYTES >= len(self._utterance)

    def next_frame(self, now_s: float) -> bytes:
        start = self._sent_frames * FRAME_BYTES
        self._sent_frames += 1
        sent_s = self._sent_frames * FRAME_S  # of the utterance; its beginning was spoken so long ago
        if self.from_s is None and self._sound_start_s < sent_s:
            self.from_s = now_s - sent_s + self._sound_start_s
        if self.until_s is None and self._sound_end_s <= sent_s + _ROUNDING_S:
            self.until_s = now_s - sent_s + self._sound_end_s
        return self._utterance[start : start + FRAME_BYTES].ljust(FRAME_BYTES, b"\0")


def _bytes_of(duration_s: float) -> int:
    return round(duration_s * TELEPHONE_RATE_HZ) * BYTES_PER_SAMPLE
