"""Hearing of one call: frames in, what the caller does out.

| stage | judges | and is asked |
|---|---|---|
| `is_faint` | fainter than any voice on a telephone? | for what is read while no utterance is under way |
| the gate: WebRTC's detector | speech? | for every other frame; while it hears nothing, nothing else runs |
| `is_key_tone` | no key's tone? | until the caller surely speaks |
| loudness | not far quieter than the utterance's loudest? | for every frame of an utterance |
| Silero's detector | speech? | from the onset until the caller surely speaks; on a noisy line to the end |
| `may_be_voice` | neither hum nor hiss? | once, for what may be an utterance |

In an utterance a frame is speech only if all stages say so. Loudness is one because WebRTC's detector goes on
saying "speech" for 80 to 280 ms after the last sound. It makes the gate exact on a quiet line, so there
Silero is asked no more once the caller surely speaks, which saves three quarters of its work. On a noisy
line the gate would never hear an end. Silero's verdict comes 30 to 60 ms after its frame; frames without
speech need none, so the end of an utterance costs no time.
"""

from __future__ import annotations

from collections import deque
from itertools import compress

from actors.telephone import FRAME_BYTES, FRAME_MS, FRAME_S
from ingress.configuration.settings import EndpointingSettings
from ingress.media.hearing.endpointing import Endpointer, Judgement
from ingress.media.hearing.events import (
    CallerPaused,
    CallerResumed,
    CallerSpeaking,
    HeardUtterance,
    HearingEvent,
)
from ingress.media.hearing.silero import WINDOW_BYTES, Confirmer
from ingress.media.hearing.spectrum import is_key_tone, may_be_voice
from ingress.media.hearing.stream_time import StreamTime
from ingress.media.hearing.utterance import ABOVE_LINE, Utterance, last_pause
from ingress.media.hearing.vad import WebRtcVad, frame_power, is_faint

GAP_S = 8 * FRAME_S
"""A frame that is later than this does not come: 80 ms of jitter on messages of 60 ms, and some."""
FADING_MS = 140
"""Beside `end_silence_ms`, until an utterance with voices behind it is over: sentences end softer than they
begin."""
BACKGROUND_S = 10.0
"""So long what is no louder than the voices behind the caller is theirs: an answer's length."""
LEVEL_FRAMES = 5
SECOND_HEARING_MS = 240
"""Of silence, until a short sound is heard a second time; half of `end_silence_ms` if that is less."""
WARM_UP_BYTES = 2 * WINDOW_BYTES
"""Confirmed before the onset itself. The whole look-back would double the work, for one call is a batch of
one, and makes Silero take knocks for speech."""
BYTES_PER_S = FRAME_BYTES / FRAME_S
NOTHING: tuple[HearingEvent, ...] = ()


class Hearing:
    """Of one call."""

    def __init__(self, settings: EndpointingSettings, speech_ms: int, confirmer: Confirmer | None) -> None:
        self._has_speech = WebRtcVad(settings.aggressiveness).has_speech
        self._endpointer = Endpointer(settings, speech_ms)
        self._confirmer = confirmer
        # The onset itself takes up to one and a half times onset_ms of what is kept.
        kept_ms = settings.look_back_ms + settings.onset_ms * 3 // 2
        self._look_back: deque[bytes] = deque(maxlen=max(1, kept_ms // FRAME_MS))
        self._usual_silence_ms = settings.end_silence_ms
        self._end_silence_ms = 0
        self.wait_for(None)
        self._utterance: Utterance | None = None
        self._background_power = 0.0
        self._background_until_s = 0.0
        """Until then what is no louder than the background does not begin an utterance."""
        self._stream = StreamTime(GAP_S)
        self.dropped_noises = 0
        self.unconfirmed = 0
        """Finished utterances that were left to the gate, because verdicts were missing or late."""

    @property
    def is_in_speech(self) -> bool:
        """Whether an utterance may be under way."""
        return self._utterance is not None

    @property
    def is_sure(self) -> bool:
        """Whether it is sure that the caller speaks, and the utterance is not over."""
        return self._utterance is not None and self._utterance.is_sure

    @property
    def is_deciding(self) -> bool:
        """Whether the caller may be beginning, or have finished."""
        utterance = self._utterance
        return utterance is not None and not (utterance.is_sure and utterance.had_speech)

    def wait_for(self, end_silence_ms: int | None) -> None:
        """Take an utterance for over after this much silence, from now on; None: as the extension has it."""
        end_silence_ms = self._usual_silence_ms if end_silence_ms is None else end_silence_ms
        if end_silence_ms != self._end_silence_ms:
            self._end_silence_ms = end_silence_ms
            self._endpointer.wait_for(end_silence_ms)
            self._second_hearing_frames = min(SECOND_HEARING_MS, end_silence_ms // 2) // FRAME_MS
            self._faded_frames = (end_silence_ms + FADING_MS) // FRAME_MS

    def has_ignored(self, frames: list[bytes], now: float) -> bool:
        """Take frames that came until `now` at once, if none is of interest; else take none."""
        first_s = now - (len(frames) - 1) * FRAME_S
        if self._utterance is not None or self._stream.is_gap(first_s) or not is_faint(b"".join(frames)):
            return False
        self._stream.begin(now)
        self._look_back.extend(frames)
        self._endpointer.pass_over(len(frames))
        return True

    def frame(self, frame: bytes, now: float) -> tuple[HearingEvent, ...]:
        """Take one 20 ms frame that arrived at `now`."""
        utterance = self._utterance
        if utterance is None:
            if self._stream.is_gap(now):
                self._endpointer.forget()
            self._stream.begin(now)
            self._look_back.append(frame)
            has_speech = not is_faint(frame) and self._has_speech(frame)
            if has_speech and now < self._background_until_s:
                has_speech = self._is_near()
            onset = self._endpointer.listen(has_speech, now)
            return self._begin(onset, now) if onset else NOTHING
        if self._stream.is_early(now) and utterance.take_out_filler():
            at_s = self._stream.take_back(now)
        else:
            at_s = self._stream.arrive(now)
        has_speech = self._has_speech(frame)
        if not has_speech or utterance.is_sure or not is_key_tone(frame):
            has_speech = utterance.judge_loudness(frame) and has_speech
        else:
            has_speech = False
        if utterance.has_faded(self._faded_frames):
            events = self._end_faded(utterance, now)
            self._look_back.append(frame)
            return events
        utterance.confirm_if_noisy()
        if utterance.awaits_verdicts:
            utterance.append_waiting(frame, has_speech, at_s)
            return self._decide(utterance, now)
        utterance.append(frame, has_speech)
        judgement = self._endpointer.follow(has_speech, at_s)
        return NOTHING if judgement is None else self._act(judgement, now)

    def _is_near(self) -> bool:
        """Return whether the latest 100 ms are louder than the background; then it is not asked again."""
        frames = list(self._look_back)[-LEVEL_FRAMES:]
        is_near = frame_power(b"".join(frames)) > self._background_power
        if is_near:
            self._background_until_s = 0.0
        return is_near

    def _end_faded(self, utterance: Utterance, now: float) -> tuple[HearingEvent, ...]:
        """The caller has finished, other voices go on: they shall not begin the next utterance."""
        if utterance.has_background:
            self._background_power = utterance.background_power
            self._background_until_s = now + BACKGROUND_S
        audio = utterance.piece(0, len(utterance.audio))
        self._endpointer.end()
        self._forget_utterance(len(utterance.audio))
        return (HeardUtterance(audio, now - self._faded_frames * FRAME_S, now),)

    def pause(self, now: float) -> tuple[HearingEvent, ...]:
        """Note that nothing arrived lately: to be called about every 20 ms while `is_in_speech`."""
        events = NOTHING
        self._stream.look(now)
        while self._utterance is not None and (at_s := self._stream.miss(now)) is not None:
            # Missing frames keep their length, so that words do not run together.
            self._utterance.fill(at_s)
            events += self._judge(self._utterance, now)
        if not events and self._utterance is not None:
            events = self._decide(self._utterance, now)
        return events

    def digit(self, now: float) -> tuple[HearingEvent, ...]:
        """End the utterance, because a key was pressed, or the caller hung up."""
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
        powers = list(map(frame_power, self._look_back))
        line_power = sorted(powers)[len(powers) * 3 // 4]
        floor_power = sorted(powers[:before])[before // 4] if before else 0.0
        frames = tuple(self._look_back)[before:]
        onset = tuple(
            passed and power > floor_power * ABOVE_LINE and not is_key_tone(frame)
            for frame, power, passed in zip(frames, powers[before:], onset, strict=True)
        )
        loudest_power = max(compress(powers[before:], onset), default=0.0)
        first_byte = max(0, before * FRAME_BYTES - WARM_UP_BYTES)
        self._utterance = Utterance(
            self._confirmer, first_byte, line_power, floor_power, loudest_power, self._second_hearing_frames
        )
        for frame, passed_gate in zip(self._look_back, (False,) * before + onset, strict=True):
            self._utterance.append_waiting(frame, passed_gate, now)
        self._look_back.clear()
        return self._decide(self._utterance, now)

    def _decide(self, utterance: Utterance, now: float) -> tuple[HearingEvent, ...]:
        """Pass on, in order, every frame whose verdict is there."""
        for frame, has_speech in utterance.take_corrected():
            self._endpointer.correct(has_speech, frame.at_s)
        return self._judge(utterance, now)

    def _judge(self, utterance: Utterance, now: float) -> tuple[HearingEvent, ...]:
        events = NOTHING
        for frame, has_speech in utterance.take_judged(now - self._stream.lost_s):
            judgement = self._endpointer.follow(has_speech, frame.at_s)
            if judgement is not None:
                events += self._act(judgement, now)
        return events

    def _cut(self, utterance: Utterance, now: float) -> tuple[HearingEvent, ...]:
        """End a full utterance in its last pause; what comes after is the next one, which has begun."""
        full = self._endpointer.frames * FRAME_BYTES
        end = last_pause(utterance.audio[:full])
        audio = utterance.piece(0, end)
        last_speech_s = now - (len(utterance.audio) - end) / BYTES_PER_S
        utterance.take_away(end)
        self._endpointer.go_on((full - end) // FRAME_BYTES)
        return (HeardUtterance(audio, last_speech_s, now), CallerSpeaking())

    def _act(self, judgement: Judgement, now: float) -> tuple[HearingEvent, ...]:
        utterance = self._utterance
        assert utterance is not None
        if not utterance.is_sure and judgement is not Judgement.DROPPED and not may_be_voice(utterance.audio):
            self._endpointer.end()
            judgement = Judgement.DROPPED
        is_full = self._endpointer.is_full
        if is_full and judgement is Judgement.ENDED and utterance.is_sure and utterance.had_speech:
            return self._cut(utterance, now)
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
        end = utterance.kept_bytes
        if is_full:
            end = min(end, self._endpointer.frames * FRAME_BYTES)
        kept = utterance.piece(0, end)
        heard = HeardUtterance(kept, min(self._endpointer.last_speech_s + self._stream.lost_s, now), now)
        if judgement is Judgement.PAUSED:
            return (CallerPaused(heard),)
        self._forget_utterance(end)
        return (heard,)

    def _forget_utterance(self, used_bytes: int = 0) -> None:
        """Go back to listening; what was not used may be the next utterance's look-back."""
        utterance, self._utterance = self._utterance, None
        if utterance is None:
            return
        utterance.close()
        self.unconfirmed += utterance.is_gate_alone
        first = max(used_bytes, len(utterance.audio) - FRAME_BYTES * (self._look_back.maxlen or 0))
        rest = utterance.piece(first, len(utterance.audio))
        for start in range(0, len(rest), FRAME_BYTES):
            self._look_back.append(rest[start : start + FRAME_BYTES])
