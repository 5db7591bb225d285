"""One call's ear: frames in; that the caller speaks, pauses, goes on, has finished out.

Two stages. WebRTC's detector judges every frame and is the gate: while it hears nothing, nothing else runs.
What is fainter than any voice on a telephone does not even reach it.
From the onset on the utterance's audio also goes to Silero's (`ingress.media.hearing.silero`), and a
frame counts as speech only if both say so. The verdict comes some 30 to 60 ms after the frame and is
waited for, `VERDICT_DEADLINE_S` at most; frames without speech need none, so the end of an utterance costs
no time. Late or missing verdicts leave that utterance to the gate: overload must not make us deaf.

Silero recognises a sound only when it has heard some of it, so of a word of 0.2 s its "speech" and the gate's
hardly coincide. Until the caller surely speaks each frame that passed the gate is therefore judged twice: by
its own window, for a quick decision, and again by the window 160 ms later (`RECOGNITION_BYTES`), which
replaces the first verdict. Whether there was enough speech for an utterance thus depends on the second one.

WebRTC's detector goes on saying "speech" for 80 to 280 ms after the last sound. Each of those frames would
be a frame the caller waits for the answer, so inside an utterance a frame counts as speech only if it is
also not far quieter than the utterance's loudest. That makes the gate exact on a line where noise and voice
are further apart, so there Silero is asked no more once the caller surely speaks, which saves three quarters
of its work. On a noisy line, where the gate would never hear an end, it is asked all along.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from actors.telephone import FRAME_BYTES, FRAME_MS, FRAME_S, SILENCE_FRAME
from ingress.configuration.settings import EndpointingSettings
from ingress.media.hearing.endpointing import (
    Endpointer,
    Judgement,
    SpeechDropped,
    SpeechEnded,
    SpeechIsSure,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
)
from ingress.media.hearing.events import (
    CallerPaused,
    CallerResumed,
    CallerSpeaking,
    EndReason,
    HeardUtterance,
    HearingEvent,
)
from ingress.media.hearing.silero import WINDOW_BYTES, Confirmation, SpeechConfirmer
from ingress.media.hearing.vad import WebRtcVad, frame_power, is_faint

TRAILING_SILENCE_BYTES = 200 // FRAME_MS * FRAME_BYTES
"""Kept after the last word; the transcriber pads with silence by itself."""
SPEECH_RANGE = 10.0**-3
"""Of the loudest frame's power, -30 dB: vowels and most consonants lie within it, a quiet line does not."""
GAP_S = 3 * FRAME_S
"""No frame for this long is a pause in the stream, not jitter."""
VERDICT_DEADLINE_S = 0.4
"""Several cycles of the confirmer, and still less than the silence that ends an utterance."""
WARM_UP_BYTES = 2 * WINDOW_BYTES
"""Confirmed before the onset itself. The whole look-back would double the work, for one call is a batch of
one, and makes Silero take knocks for speech."""
RECOGNITION_BYTES = 5 * WINDOW_BYTES
"""160 ms. Silero's "speech" begins up to so long after a short word's first sound, and ends as long after its
last. A tone's or a knock's begins when the sound is over already."""
NOISY_FRAMES = 2_000 // FRAME_MS
"""No quiet frame for this long is a noisy line: even fluent speech has its stops."""
NOTHING: tuple[HearingEvent, ...] = ()


class _Frame(NamedTuple):
    """A frame of the utterance that waits for its verdict."""

    passed_gate: bool
    at_s: float
    end_bytes: int
    """Length of the utterance up to and with this frame."""


class Hearing:
    """Frames and the clock in, what the caller does out."""

    def __init__(
        self, settings: EndpointingSettings, speech_ms: int, confirmer: SpeechConfirmer | None
    ) -> None:
        self._vad = WebRtcVad(settings.aggressiveness)
        self._has_speech = self._vad.has_speech
        self._endpointer = Endpointer(settings, speech_ms)
        self._confirmer = confirmer
        self._confirmation: Confirmation | None = None
        self._waiting: deque[_Frame] = deque()
        self._provisional: deque[tuple[_Frame, bool]] = deque()
        """Frames that passed the gate, each with its verdict, which may still be corrected."""
        # The onset itself takes up to one and a half times onset_ms of what is kept.
        kept_ms = settings.look_back_ms + settings.onset_ms * 3 // 2
        self._look_back: deque[bytes] = deque(maxlen=max(1, kept_ms // FRAME_MS))
        self._utterance: bytearray | None = None
        self._last_speech_bytes = 0
        self._line_power = 0.0
        self._loudest_power = 0.0
        self._loud_frames = 0
        self._is_sure = False
        self._had_speech = False
        """Whether the utterance's last frame was speech."""
        self._is_gate_alone = False
        self._gap_s = 0.0
        self.dropped_noises = 0
        self.unconfirmed = 0
        """Utterances that were left to the gate, for want of verdicts in time."""

    @property
    def is_in_speech(self) -> bool:
        """Whether an utterance may be under way."""
        return self._utterance is not None

    @property
    def is_deciding(self) -> bool:
        """Whether the next frame may decide something: the caller may be beginning, or have finished."""
        return self._utterance is not None and not (self._is_sure and self._had_speech)

    def has_ignored(self, frames: list[bytes], now: float) -> bool:
        """Take at once frames that came until `now`, if nothing in them matters: a silent line's short way.

        False if they have to be taken one by one, with `frame`.
        """
        first_s = now - (len(frames) - 1) * FRAME_S
        if self._utterance is not None or first_s >= self._gap_s or not is_faint(b"".join(frames)):
            return False
        self._gap_s = now + GAP_S
        self._look_back.extend(frames)
        self._endpointer.pass_over(len(frames))
        return True

    def frame(self, frame: bytes, now: float) -> tuple[HearingEvent, ...]:
        """Take one 20 ms frame that arrived at `now`."""
        if now >= self._gap_s and self._utterance is None:
            self._endpointer.forget()
        self._gap_s = now + GAP_S
        if self._utterance is None:
            self._look_back.append(frame)
            has_speech = not is_faint(frame) and self._has_speech(frame)
            started = self._endpointer.listen(has_speech, now)
            return NOTHING if started is None else self._begin(started, now)
        has_speech = self._has_speech(frame)
        is_loud = self._is_loud(frame)
        self._loud_frames = self._loud_frames + 1 if is_loud else 0
        if self._is_sure and self._confirmer is not None:
            self._confirm_if_noisy(self._confirmer)
        if self._confirmation is None and not self._waiting:  # nothing to wait for: the gate decides
            self._utterance += frame
            return self._follow(has_speech and is_loud, now, len(self._utterance), now)
        self._add(frame, has_speech and is_loud, now)
        return self._decide(now)

    def pause(self, now: float) -> tuple[HearingEvent, ...]:
        """Nothing arrived lately, and it is `now`: call it about every 20 ms while `is_in_speech`."""
        events = NOTHING
        while self._utterance is not None and now >= self._gap_s:
            # Missing frames keep their length, so that words do not run together.
            self._add(SILENCE_FRAME, False, self._gap_s)
            self._gap_s += FRAME_S
            events += self._decide(now)
        return events or self._decide(now)

    def digit(self, now: float) -> tuple[HearingEvent, ...]:
        """A key was pressed: what was being said is over."""
        if self._utterance is None:
            return NOTHING
        events = self._decide(now)
        judgement = self._endpointer.end(EndReason.DIGIT)
        return events if judgement is None else (*events, *self._act(judgement, now))

    def close(self) -> None:
        """The call is over: give back what the confirmer holds."""
        self._forget_utterance()

    def _begin(self, started: SpeechStarted, now: float) -> tuple[HearingEvent, ...]:
        onset_starts = len(self._look_back) - len(started.recent)
        if self._confirmer is not None:
            self._confirmation = self._confirmer.begin(max(0, onset_starts * FRAME_BYTES - WARM_UP_BYTES))
            self._is_gate_alone = self._confirmation is None
            self.unconfirmed += self._is_gate_alone
        # The third quartile: most of the look-back is the line alone, the rest is the onset.
        self._line_power = sorted(map(frame_power, self._look_back))[len(self._look_back) * 3 // 4]
        self._loudest_power = 0.0
        self._loud_frames = 0
        self._is_sure = False
        self._utterance = bytearray()
        self._last_speech_bytes = 0
        for index, frame in enumerate(self._look_back):
            self._add(frame, index >= onset_starts and started.recent[index - onset_starts], now)
        self._look_back.clear()
        return self._decide(now)

    def _add(self, frame: bytes, passed_gate: bool, at_s: float) -> None:
        assert self._utterance is not None
        self._utterance += frame
        self._waiting.append(_Frame(passed_gate, at_s, len(self._utterance)))
        if self._confirmation is not None:
            self._confirmation.hand_over(self._utterance)

    def _is_loud(self, frame: bytes) -> bool:
        """Whether the frame is not far quieter than the utterance's loudest so far."""
        power = frame_power(frame)
        if power > self._loudest_power:
            self._loudest_power = power
        return power > self._loudest_power * SPEECH_RANGE

    def _confirm_if_noisy(self, confirmer: SpeechConfirmer) -> None:
        """Go on confirming a caller who surely speaks only where the gate alone would not hear the end."""
        is_noisy = self._loud_frames >= NOISY_FRAMES
        if self._confirmation is None:
            if is_noisy and not self._is_gate_alone and self._utterance is not None:
                self._confirmation = confirmer.begin(len(self._utterance))
        elif not is_noisy and self._line_power < self._loudest_power * SPEECH_RANGE:
            self._drop_confirmation()

    def _decide(self, now: float) -> tuple[HearingEvent, ...]:
        """Pass on, in order, every frame whose verdict is there."""
        self._correct_verdicts()
        events = NOTHING
        waiting = self._waiting
        while waiting:
            frame = waiting[0]
            has_speech = frame.passed_gate and self._verdict(frame, now)
            if has_speech is None:
                break
            waiting.popleft()
            if frame.passed_gate and self._confirmation is not None and not self._is_sure:
                self._provisional.append((frame, has_speech))
            events += self._follow(has_speech, frame.at_s, frame.end_bytes, now)
        return events

    def _correct_verdicts(self) -> None:
        """Judge provisional frames again, by the window `RECOGNITION_BYTES` later, once that is judged."""
        while self._provisional and self._confirmation is not None:
            frame, had_speech = self._provisional[0]
            has_speech = self._confirmation.verdict(frame.end_bytes - FRAME_BYTES // 2 + RECOGNITION_BYTES)
            if has_speech is None:
                return
            self._provisional.popleft()
            if has_speech != had_speech:
                self._endpointer.correct(has_speech, frame.at_s)
                if has_speech:
                    self._last_speech_bytes = max(self._last_speech_bytes, frame.end_bytes)

    def _follow(self, has_speech: bool, at_s: float, end_bytes: int, now: float) -> tuple[HearingEvent, ...]:
        """Take the verdict on the frame that arrived at `at_s` and ends the utterance's `end_bytes`."""
        self._had_speech = has_speech
        if has_speech:
            self._last_speech_bytes = end_bytes
        judgement = self._endpointer.follow(has_speech, at_s)
        return NOTHING if judgement is None else self._act(judgement, now)

    def _verdict(self, frame: _Frame, now: float) -> bool | None:
        """Return whether a frame that passed the gate is speech; None while that is not known."""
        if self._confirmation is None:
            return True
        verdict = self._confirmation.verdict(frame.end_bytes - FRAME_BYTES // 2)
        if verdict is not None:
            return verdict
        if now - frame.at_s < VERDICT_DEADLINE_S and not self._confirmation.is_overtaxed:
            return None
        self._drop_confirmation()
        self._is_gate_alone = True
        self.unconfirmed += 1
        return True

    def _act(self, judgement: Judgement, now: float) -> tuple[HearingEvent, ...]:
        match judgement:
            case SpeechIsSure(since_s):
                self._is_sure = True
                self._provisional.clear()
                return (CallerSpeaking(since_s),)
            case SpeechPaused(last_speech_s):
                return (CallerPaused(self._heard(last_speech_s, now, EndReason.SILENCE)),)
            case SpeechResumed():
                return (CallerResumed(),)
            case SpeechEnded(last_speech_s, reason):
                heard = self._heard(last_speech_s, now, reason)
                self._forget_utterance(self._kept_bytes)
                return (heard,)
            case SpeechDropped():
                self.dropped_noises += 1
                self._forget_utterance()
                return NOTHING

    @property
    def _kept_bytes(self) -> int:
        return self._last_speech_bytes + TRAILING_SILENCE_BYTES

    def _heard(self, last_speech_s: float, now: float, reason: EndReason) -> HeardUtterance:
        assert self._utterance is not None
        return HeardUtterance(bytes(self._utterance[: self._kept_bytes]), last_speech_s, now, reason)

    def _forget_utterance(self, used_bytes: int = 0) -> None:
        """Go back to listening; what was not used of the utterance may be the next one's look-back."""
        if self._utterance is not None:
            first = max(used_bytes, len(self._utterance) - FRAME_BYTES * (self._look_back.maxlen or 0))
            for start in range(first, len(self._utterance), FRAME_BYTES):
                self._look_back.append(bytes(self._utterance[start : start + FRAME_BYTES]))
        self._drop_confirmation()
        self._utterance = None
        self._waiting.clear()

    def _drop_confirmation(self) -> None:
        if self._confirmation is not None:
            self._confirmation.is_over = True
            self._confirmation = None
            self._provisional.clear()
