"""Hearing of one call: frames in, what the caller does out.

| stage | judges | and is asked |
|---|---|---|
| `is_faint` | fainter than any voice on a telephone? | for every frame while no utterance is under way |
| the gate: WebRTC's detector | speech? | for every other frame; while it hears nothing, nothing else runs |
| loudness | not far quieter than the utterance's loudest? | for every frame of an utterance |
| Silero's detector | speech? | from the onset until the caller surely speaks; on a noisy line to the end |

In an utterance a frame is speech only if all stages say so. Loudness is one because WebRTC's detector goes on
saying "speech" for 80 to 280 ms after the last sound. It makes the gate exact on a quiet line, so there
Silero is asked no more once the caller surely speaks, which saves three quarters of its work. On a noisy
line the gate would never hear an end. Silero's verdict comes 30 to 60 ms after its frame; frames without
speech need none, so the end of an utterance costs no time.
"""

from __future__ import annotations

from collections import deque

from actors.telephone import FRAME_BYTES, FRAME_MS, FRAME_S, SILENCE_FRAME
from ingress.configuration.settings import EndpointingSettings
from ingress.media.hearing.endpointing import Endpointer, Judgement
from ingress.media.hearing.events import (
    CallerPaused,
    CallerResumed,
    CallerSpeaking,
    HeardUtterance,
    HearingEvent,
)
from ingress.media.hearing.silero import WINDOW_BYTES, SpeechConfirmer
from ingress.media.hearing.utterance import Utterance
from ingress.media.hearing.vad import WebRtcVad, frame_power, is_faint

GAP_S = 3 * FRAME_S
"""No frame for this long is a pause in the stream, not jitter."""
WARM_UP_BYTES = 2 * WINDOW_BYTES
"""Confirmed before the onset itself. The whole look-back would double the work, for one call is a batch of
one, and makes Silero take knocks for speech."""
NOTHING: tuple[HearingEvent, ...] = ()


class Hearing:
    """Of one call."""

    def __init__(
        self, settings: EndpointingSettings, speech_ms: int, confirmer: SpeechConfirmer | None
    ) -> None:
        self._has_speech = WebRtcVad(settings.aggressiveness).has_speech
        self._endpointer = Endpointer(settings, speech_ms)
        self._confirmer = confirmer
        # The onset itself takes up to one and a half times onset_ms of what is kept.
        kept_ms = settings.look_back_ms + settings.onset_ms * 3 // 2
        self._look_back: deque[bytes] = deque(maxlen=max(1, kept_ms // FRAME_MS))
        self._utterance: Utterance | None = None
        self._gap_s = 0.0
        """When it will be a gap in the stream if no further frame comes."""
        self.dropped_noises = 0
        self.unconfirmed = 0
        """Finished utterances that were left to the gate, because verdicts were missing or late."""

    @property
    def is_in_speech(self) -> bool:
        """Whether an utterance may be under way."""
        return self._utterance is not None

    @property
    def is_deciding(self) -> bool:
        """Whether the caller may be beginning, or have finished."""
        utterance = self._utterance
        return utterance is not None and not (utterance.is_sure and utterance.had_speech)

    def has_ignored(self, frames: list[bytes], now: float) -> bool:
        """Take frames that came until `now` at once, if none is of interest; else take none."""
        first_s = now - (len(frames) - 1) * FRAME_S
        if self._utterance is not None or first_s >= self._gap_s or not is_faint(b"".join(frames)):
            return False
        self._gap_s = now + GAP_S
        self._look_back.extend(frames)
        self._endpointer.pass_over(len(frames))
        return True

    def frame(self, frame: bytes, now: float) -> tuple[HearingEvent, ...]:
        """Take one 20 ms frame that arrived at `now`."""
        utterance = self._utterance
        if utterance is None:
            if now >= self._gap_s:
                self._endpointer.forget()
            self._gap_s = now + GAP_S
            self._look_back.append(frame)
            has_speech = not is_faint(frame) and self._has_speech(frame)
            onset = self._endpointer.listen(has_speech, now)
            return self._begin(onset, now) if onset else NOTHING
        self._gap_s = now + GAP_S
        is_loud = utterance.judge_loudness(frame)
        has_speech = self._has_speech(frame) and is_loud
        utterance.confirm_if_noisy()
        if utterance.awaits_verdicts:
            utterance.append_waiting(frame, has_speech, now)
            return self._decide(utterance, now)
        utterance.append(frame, has_speech)
        judgement = self._endpointer.follow(has_speech, now)
        return NOTHING if judgement is None else self._act(judgement, now)

    def pause(self, now: float) -> tuple[HearingEvent, ...]:
        """Note that nothing arrived lately: to be called about every 20 ms while `is_in_speech`."""
        events = NOTHING
        while self._utterance is not None and now >= self._gap_s:
            # Missing frames keep their length, so that words do not run together.
            self._utterance.append_waiting(SILENCE_FRAME, False, self._gap_s)
            self._gap_s += FRAME_S
            events += self._decide(self._utterance, now)
        if not events and self._utterance is not None:
            events = self._decide(self._utterance, now)
        return events

    def digit(self, now: float) -> tuple[HearingEvent, ...]:
        """End the utterance, because a key was pressed."""
        if self._utterance is None:
            return NOTHING
        events = self._decide(self._utterance, now)
        judgement = self._endpointer.end()
        return events if judgement is None else (*events, *self._act(judgement, now))

    def close(self) -> None:
        """Drop what waits for the confirmer."""
        self._forget_utterance()

    def _begin(self, onset: tuple[bool, ...], now: float) -> tuple[HearingEvent, ...]:
        before = len(self._look_back) - len(onset)
        # The third quartile: most of the look-back is the line alone, the rest is the onset.
        line_power = sorted(map(frame_power, self._look_back))[len(self._look_back) * 3 // 4]
        first_byte = max(0, before * FRAME_BYTES - WARM_UP_BYTES)
        self._utterance = Utterance(self._confirmer, first_byte, line_power)
        for frame, passed_gate in zip(self._look_back, (False,) * before + onset, strict=True):
            self._utterance.append_waiting(frame, passed_gate, now)
        self._look_back.clear()
        return self._decide(self._utterance, now)

    def _decide(self, utterance: Utterance, now: float) -> tuple[HearingEvent, ...]:
        """Pass on, in order, every frame whose verdict is there."""
        for frame, has_speech in utterance.take_corrected():
            self._endpointer.correct(has_speech, frame.at_s)
        events = NOTHING
        for frame, has_speech in utterance.take_judged(now):
            judgement = self._endpointer.follow(has_speech, frame.at_s)
            if judgement is not None:
                events += self._act(judgement, now)
        return events

    def _act(self, judgement: Judgement, now: float) -> tuple[HearingEvent, ...]:
        utterance = self._utterance
        assert utterance is not None
        match judgement:
            case Judgement.SURE:
                utterance.become_sure()
                return (CallerSpeaking(),)
            case Judgement.RESUMED:
                return (CallerResumed(),)
            case Judgement.DROPPED:
                self.dropped_noises += 1
                self._forget_utterance()
                return NOTHING
        kept = bytes(utterance.audio[: utterance.kept_bytes])
        heard = HeardUtterance(kept, self._endpointer.last_speech_s, now)
        if judgement is Judgement.PAUSED:
            return (CallerPaused(heard),)
        self._forget_utterance(utterance.kept_bytes)
        return (heard,)

    def _forget_utterance(self, used_bytes: int = 0) -> None:
        """Go back to listening; what was not used may be the next utterance's look-back."""
        utterance, self._utterance = self._utterance, None
        if utterance is None:
            return
        utterance.close()
        self.unconfirmed += utterance.is_gate_alone
        first = max(used_bytes, len(utterance.audio) - FRAME_BYTES * (self._look_back.maxlen or 0))
        for start in range(first, len(utterance.audio), FRAME_BYTES):
            self._look_back.append(bytes(utterance.audio[start : start + FRAME_BYTES]))
