"""Hearing: frames in, what the caller does out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib.resources import files
from itertools import islice, product

import numpy as np
import pytest
import soxr
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from actors.engines.hibari import HibariTts
from actors.messages import Synthesize
from actors.settings import SpeechSettings
from actors.telephone import FRAME_BYTES, FRAME_S, SILENCE_FRAME
from benchmarks.harness.speech_like import speech_like
from ingress.configuration.settings import EndpointingSettings
from ingress.media.hearing.events import (
    CallerPaused,
    CallerResumed,
    CallerSpeaking,
    HeardUtterance,
    HearingEvent,
)
from ingress.media.hearing.hearing import GAP_S, Hearing
from ingress.media.hearing.silero import SileroVad, SpeechConfirmer
from ingress.media.hearing.spectrum import COLUMNS_HZ, ROWS_HZ
from ingress.media.hearing.utterance import VERDICT_DEADLINE_S
from ingress.media.hearing.vad import is_faint

SETTINGS = EndpointingSettings()
SPEECH_MS = 240
SECOND = bytes(16_000)
VOICE = (files("actors.engines") / "hello.sln").read_bytes() * 2
"""1.3 s of a recorded voice."""
COMPLETE = [CallerSpeaking, CallerPaused, HeardUtterance]


def new_hearing(
    confirmer: SpeechConfirmer | None = None, settings: EndpointingSettings = SETTINGS
) -> Hearing:
    """Return the hearing of one call, by default without the second stage."""
    return Hearing(settings, SPEECH_MS, confirmer)


def frames_of(audio: bytes) -> Iterator[bytes]:
    """Yield the audio's whole frames."""
    for start in range(0, len(audio) - FRAME_BYTES + 1, FRAME_BYTES):
        yield audio[start : start + FRAME_BYTES]


def hear(
    audio: bytes, hearing: Hearing, start_s: float = 0.0, confirmer: SpeechConfirmer | None = None
) -> list[HearingEvent]:
    """Feed audio as frames, one every 20 ms, with verdicts every 40 ms if there is a confirmer."""
    events: list[HearingEvent] = []
    for index, frame in enumerate(frames_of(audio)):
        events += hearing.frame(frame, start_s + index * FRAME_S)
        if confirmer is not None and index % 2:
            confirmer.confirm_waiting()
    return events


def utterances(events: Sequence[HearingEvent]) -> list[HeardUtterance]:
    """Return the utterances among the events."""
    return [event for event in events if isinstance(event, HeardUtterance)]


def kinds(events: Sequence[HearingEvent]) -> list[type]:
    """Return the events' types."""
    return [type(event) for event in events]


def test_an_utterance_keeps_what_came_before_its_onset() -> None:
    """Look-back: the audio begins before the speech was noticed, and ends soon after the last word."""
    speech = speech_like(1.0)
    events = hear(SECOND + speech + SECOND + speech + SECOND, new_hearing())
    assert kinds(events) == COMPLETE * 2
    for utterance in utterances(events):
        lead = utterance.audio.index(speech)
        assert 0.2 <= lead / 16_000 <= 0.5
        assert len(utterance.audio) - lead - len(speech) <= 16_000 * 0.4


def test_a_pause_reports_what_was_said_so_far() -> None:
    """The same audio as the utterance's, if nothing follows; taken back if something does.

    Silence counts from the last sound: the detector's own hangover is not waited for.
    """
    speech = speech_like(1.0)
    speaking, paused, utterance = hear(SECOND + speech + SECOND, new_hearing())
    assert isinstance(speaking, CallerSpeaking)
    assert isinstance(paused, CallerPaused)
    assert isinstance(utterance, HeardUtterance)
    assert paused.utterance.audio == utterance.audio
    assert paused.utterance.last_speech_s == utterance.last_speech_s == pytest.approx(2.0, abs=0.05)
    assert paused.utterance.decided_s == pytest.approx(2.24, abs=0.05)
    assert utterance.decided_s == pytest.approx(2.5, abs=0.05)
    breath = bytes(320 * 17)
    assert kinds(hear(speech + breath + speech + SECOND, new_hearing())) == [
        CallerSpeaking,
        CallerPaused,
        CallerResumed,
        CallerPaused,
        HeardUtterance,
    ]


def test_a_stream_that_stops_ends_the_utterance() -> None:
    """With silence suppression no frame comes at all: the clock ends the utterance."""
    hearing = new_hearing()
    assert kinds(hear(speech_like(1.0), hearing)) == [CallerSpeaking]
    now, events = 1.0, ()
    while not utterances(events) and now < 3.0:
        now += FRAME_S
        events = hearing.pause(now)
    assert 1.4 < now < 1.6
    assert not hearing.is_in_speech


@pytest.mark.parametrize("interval_s", [0.02, 0.03])
def test_a_short_gap_inside_an_utterance_becomes_silence(interval_s: float) -> None:
    """Missing frames keep their length at any interval of the clock, so that words do not run together."""
    hearing = new_hearing()
    hear(speech_like(1.0), hearing)
    events: list[HearingEvent] = []
    for tick in range(1, int(0.3 / interval_s)):
        events += hearing.pause(0.98 + tick * interval_s)
    assert kinds(events) == [CallerPaused]
    (utterance,) = utterances(hear(speech_like(1.0) + SECOND, hearing, start_s=1.28))
    assert len(utterance.audio) / 16 == pytest.approx(2_000 + 280 + 200, abs=GAP_S * 1000)


def test_a_digit_ends_the_utterance() -> None:
    """What was said before the key is an utterance of its own."""
    hearing = new_hearing()
    hear(speech_like(1.0), hearing)
    (utterance,) = utterances(hearing.digit(1.0))
    assert utterance.decided_s == 1.0
    assert hearing.digit(1.1) == ()


def test_a_soft_ending_is_not_cut() -> None:
    """Words that end 12 dB softer than they began still count."""
    loud, soft = speech_like(0.6), np.frombuffer(speech_like(0.6), dtype="<i2") // 4
    (utterance,) = utterances(hear(loud + soft.astype("<i2").tobytes() + SECOND, new_hearing()))
    assert utterance.last_speech_s == pytest.approx(1.2, abs=0.05)


@given(
    st.lists(st.integers(-32_768, 32_767), min_size=160, max_size=160),
    st.sampled_from([1, 60, 130, 500, 2_000]),
)
def test_faint_is_what_no_sample_of_128_or_more_is_in(samples: list[int], shrink: int) -> None:
    """Against the plain comparison of every sample; of frames together, if it is so of each."""
    values = np.array(samples) // shrink
    frame = values.astype("<i2").tobytes()
    assert is_faint(frame) == bool(np.all((values >= -128) & (values <= 127)))
    assert is_faint(SILENCE_FRAME + frame + SILENCE_FRAME) == is_faint(frame)


@given(st.lists(st.tuples(st.sampled_from(["zeros", "line", "voice"]), st.integers(1, 40)), max_size=12))
def test_the_short_way_of_a_silent_line_changes_no_event(runs: list[tuple[str, int]]) -> None:
    """Three frames at a time, ignored where they may be, as well as each by itself."""
    random = np.random.default_rng(len(runs))
    line = (random.standard_normal(40 * 160) * 20).astype("<i2").tobytes()
    sounds = {"zeros": bytes(len(line)), "line": line, "voice": speech_like(0.8)}
    audio = b"".join(sounds[name][: count * FRAME_BYTES] for name, count in runs) + SECOND
    frames = list(frames_of(audio))
    short, plain = new_hearing(), new_hearing()
    events: list[HearingEvent] = []
    for start in range(0, len(frames), 3):
        together = frames[start : start + 3]
        if not short.has_ignored(together, (start + len(together) - 1) * FRAME_S):
            for index, frame in enumerate(together, start):
                events += short.frame(frame, index * FRAME_S)
    assert events == hear(audio, plain)


def test_the_short_way_is_taken_on_a_silent_line_only() -> None:
    """Not when there is a sound, not within an utterance, not after a gap of the stream."""
    silent, voiced = [SILENCE_FRAME] * 3, list(frames_of(speech_like(0.06)))
    hearing = new_hearing()
    hearing.frame(SILENCE_FRAME, 0.0)
    assert hearing.has_ignored(silent, 0.06)
    assert not hearing.has_ignored(voiced, 0.12)
    assert not hearing.has_ignored(silent, 5.0)
    hear(speech_like(0.5), hearing, start_s=6.0)
    assert hearing.is_in_speech
    assert not hearing.has_ignored(silent, 6.56)


# The second stage


@pytest.fixture(scope="module")
def model() -> SileroVad:
    """Return the real model, loaded."""
    model = SileroVad()
    model.load()
    return model


def test_a_voice_is_heard_as_without_the_second_stage(model: SileroVad) -> None:
    """The same events, the same audio, and the end not one frame later."""
    audio = SECOND + VOICE + SECOND
    confirmer = SpeechConfirmer(0.5, model)
    with_it = hear(audio, new_hearing(confirmer), confirmer=confirmer)
    without = hear(audio, new_hearing())
    assert kinds(with_it) == kinds(without) == COMPLETE
    (confirmed,), (gated,) = utterances(with_it), utterances(without)
    assert VOICE[: len(VOICE) // 320 * 320 - 3_200] in confirmed.audio
    assert confirmed.decided_s <= gated.decided_s
    assert abs(len(confirmed.audio) - len(gated.audio)) <= 2 * FRAME_BYTES


@pytest.fixture(scope="module")
def voice() -> HibariTts:
    """Return a synthetic voice that speaks short words really short, and far softer than a telephone's."""
    engine = HibariTts(SpeechSettings())
    engine.load()
    return engine


def clips(
    samples: NDArray[np.float64], gain_db: float = 0.0, lines: tuple[float, ...] = (0.0, 15.0)
) -> Iterator[bytes]:
    """Yield the sound at eight offsets against the frames, with silence and with a soft noise around it."""
    random = np.random.default_rng(0)
    for line in lines:
        for offset in range(0, 160, 20):
            audio = np.concatenate(
                [np.zeros(8_000 + offset), samples * 10 ** (gain_db / 20), np.zeros(8_000)]
            )
            audio += random.standard_normal(len(audio)) * line
            yield audio.clip(-32_768, 32_767).astype("<i2").tobytes()


@pytest.mark.parametrize(
    ("word", "gains_db"),
    [("hi", (3, 0, -3, -6)), ("at", (3, 0)), ("up", (3, 0)), ("eight", (3, 0)), ("no", (3, 0, -6, -12))],
)
def test_a_short_word_is_an_utterance(
    word: str, gains_db: tuple[int, ...], voice: HibariTts, model: SileroVad
) -> None:
    """Sounds of 0.2 to 0.3 s, at any offset to the frames; with all of their sound in it."""
    spoken = b"".join(voice.synthesize(Synthesize("caller", word, "en")))
    samples = np.frombuffer(spoken, dtype="<i2").astype(float)
    (loud,) = np.nonzero(np.abs(samples) > 0.1 * np.abs(samples).max())
    for gain_db in gains_db:
        heard = 0
        for audio in clips(samples, gain_db):
            confirmer = SpeechConfirmer(0.5, model)
            hearing = new_hearing(confirmer)
            found = utterances(hear(audio, hearing, confirmer=confirmer))
            heard += len(found) == 1 and len(found[0].audio) > 2 * (loud[-1] - loud[0])
            assert found or hearing.dropped_noises
        assert heard >= 15, f"{word} at {gain_db} dB: {heard} of 16"


@pytest.mark.parametrize("word", ["no", "up", "six", "yes", "hi", "t"])
def test_a_soft_short_word_is_an_utterance(word: str, voice: HibariTts, model: SileroVad) -> None:
    """Down to -44 dBFS, on a line of zeros and on one with noise at -60 dBFS."""
    spoken = b"".join(voice.synthesize(Synthesize("caller", word, "en")))
    samples = np.frombuffer(spoken, dtype="<i2").astype(float)
    frames = np.square(samples[: len(samples) // 160 * 160].reshape(-1, 160)).mean(axis=1)
    level_db = 10 * np.log10(frames[frames > frames.max() / 1_000].mean()) - 20 * np.log10(32_768)
    for target_db in (-38, -44):
        heard = 0
        clip_list = list(clips(samples, target_db - level_db, lines=(0.0, 33.0)))
        for audio in clip_list:
            confirmer = SpeechConfirmer(0.5, model)
            hearing = new_hearing(confirmer)
            found = utterances(hear(audio, hearing, confirmer=confirmer))
            heard += len(found) == 1
            assert found or hearing.dropped_noises
        assert heard >= len(clip_list) - 1, f"{word} at {target_db} dBFS: {heard}"


@pytest.mark.parametrize("speed", [0.85, 0.95, 1.0, 1.1, 1.2])
def test_a_short_word_is_heard_whatever_the_voice_makes_of_it(
    speed: float, voice: HibariTts, model: SileroVad
) -> None:
    """Another machine's arithmetic, another speed, a softer line: no word is a borderline case."""
    spoken = b"".join(voice.synthesize(Synthesize("caller", "hi", "en")))
    samples = soxr.resample(np.frombuffer(spoken, dtype="<i2").astype(float), 8_000, 8_000 * speed)
    for gain_db in (0, -12, -20):
        for audio in islice(clips(samples, gain_db, lines=(0.0, 2.0)), 0, None, 3):
            confirmer = SpeechConfirmer(0.5, model)
            assert len(utterances(hear(audio, new_hearing(confirmer), confirmer=confirmer))) == 1


@pytest.mark.parametrize("level_db", [-70, -60, -55, -50])
def test_the_noise_of_a_line_starts_nothing(level_db: int, model: SileroVad) -> None:
    """A minute of it; loud enough to be judged frame by frame."""
    noise = np.random.default_rng(level_db + 100).standard_normal(60 * 8_000) * 10 ** (level_db / 20) * 32_768
    confirmer = SpeechConfirmer(0.5, model)
    audio = np.rint(noise).astype("<i2").tobytes()
    assert hear(audio, new_hearing(confirmer), confirmer=confirmer) == []


def brief_noises() -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Yield sounds of up to 0.5 s that are no speech."""
    random = np.random.default_rng(0)
    for duration_s in (0.1, 0.2, 0.3, 0.5):
        time_s = np.arange(round(duration_s * 8_000)) / 8_000
        white = random.standard_normal(len(time_s))
        yield "white noise", white * 2_500
        spectrum = np.fft.rfft(white)
        pink = np.fft.irfft(spectrum / np.sqrt(np.arange(len(spectrum)).clip(1)), len(time_s))
        yield "pink noise", pink / pink.std() * 2_500
        hiss = np.fft.irfft(spectrum * (np.fft.rfftfreq(len(time_s), 1 / 8_000) > 2_000), len(time_s))
        yield "hiss", hiss * 4_000
        yield "hum", sum(np.sin(2 * np.pi * 50 * n * time_s) / n for n in range(1, 12)) * 3_000
        yield "a tone", np.sin(2 * np.pi * 440 * time_s) * 8_000
        yield "keypad", (np.sin(2 * np.pi * 697 * time_s) + np.sin(2 * np.pi * 1_209 * time_s)) * 7_000
        yield "a knock", np.sin(2 * np.pi * 300 * time_s) * np.exp(-time_s / 0.04) * 16_000
        yield "a cough", white * np.minimum(1, time_s / 0.01) * np.exp(-time_s / 0.08) * 9_000
    yield "a click", random.standard_normal(40) * 12_000


def test_a_brief_noise_is_no_utterance(model: SileroVad) -> None:
    """At any level it is at most counted."""
    for name, noise in brief_noises():
        for gain_db in (0, -12):
            for audio in islice(clips(noise, gain_db), 0, None, 5):
                confirmer = SpeechConfirmer(0.5, model)
                events = hear(audio, new_hearing(confirmer), confirmer=confirmer)
                assert events == [], f"{name} of {len(noise) / 8_000} s at {gain_db} dB"


@pytest.mark.parametrize("rest", ["silence", "nothing", "a key"])
def test_a_word_that_silero_recognises_late_is_kept_whole(rest: str) -> None:
    """Its verdicts begin when the sound is over; the whole word is heard however the stream goes on."""
    confirmer = SpeechConfirmer(0.5, ScriptedVad([False] * 8 + [True] * 9 + [False] * 1_000))
    hearing = new_hearing(confirmer)
    word = speech_like(0.24)
    events = hear(SECOND + word, hearing, confirmer=confirmer)
    now = 1.24
    while not events and now < 3.0:
        if rest == "silence":
            events += hearing.frame(SILENCE_FRAME, now)
        else:
            events += hearing.pause(now)
        confirmer.confirm_waiting()
        if rest == "a key" and now > 1.6:
            events += hearing.digit(now)
        now += FRAME_S
    (utterance,) = utterances(events)
    assert word in utterance.audio
    assert utterance.last_speech_s == pytest.approx(1.24, abs=0.05)


def test_a_buzz_that_the_gate_takes_for_speech_is_not_reported(model: SileroVad) -> None:
    """Neither as an interruption nor as an utterance; and the line is free for the voice that follows."""
    buzz = speech_like(3.0)
    assert kinds(hear(buzz + SECOND, new_hearing())) == COMPLETE
    confirmer = SpeechConfirmer(0.5, model)
    hearing = new_hearing(confirmer)
    assert hear(buzz, hearing, confirmer=confirmer) == []
    assert hearing.dropped_noises >= 4
    assert hearing.unconfirmed == 0
    events = hear(SECOND + VOICE + SECOND, hearing, start_s=3.0, confirmer=confirmer)
    assert kinds(events) == COMPLETE


@pytest.mark.parametrize(("begins_s", "ends_within_s"), [(0.0, 0.8), (2.3, 3.0)])
def test_noise_does_not_hold_an_utterance_open(
    model: SileroVad, begins_s: float, ends_within_s: float
) -> None:
    """The gate would hear no end. From a drill that begins after the words two seconds pass for speech."""
    audio = np.frombuffer(SECOND + VOICE + 5 * SECOND, dtype="<i2").astype(float)
    noise = np.random.default_rng(0).standard_normal(len(audio)) * 1_500
    noise[: int(begins_s * 8_000)] = 0
    loud = (audio + noise).clip(-32_768, 32_767).astype("<i2").tobytes()
    assert utterances(hear(loud, new_hearing())) == []
    confirmer = SpeechConfirmer(0.5, model)
    (utterance,) = utterances(hear(loud, new_hearing(confirmer), confirmer=confirmer))
    voice_end_s = (len(SECOND) + len(VOICE)) / 16_000
    assert utterance.last_speech_s > voice_end_s - 0.2
    assert utterance.decided_s < voice_end_s + ends_within_s


def test_on_a_quiet_line_a_sure_caller_is_confirmed_no_more() -> None:
    """Verdicts after that are not asked for: the gate is exact, and the model is expensive."""
    verdicts = iter([True] * 30 + [False] * 1_000)
    confirmer = SpeechConfirmer(0.5, ScriptedVad(verdicts))
    audio = SECOND + 4 * VOICE + SECOND
    (utterance,) = utterances(hear(audio, new_hearing(confirmer), confirmer=confirmer))
    (gated,) = utterances(hear(audio, new_hearing()))
    assert utterance == gated
    assert len(list(verdicts)) > 970


def test_without_verdicts_the_gate_decides() -> None:
    """A confirmer that never answers costs 300 ms at the beginning, is counted, and nothing is lost."""
    hearing = new_hearing(SpeechConfirmer(0.5))
    speech = speech_like(1.0)
    events: list[tuple[float, HearingEvent]] = []
    for index, frame in enumerate(frames_of(SECOND + speech + SECOND)):
        events += [(index * FRAME_S, event) for event in hearing.frame(frame, index * FRAME_S)]
    assert [type(event) for _, event in events] == COMPLETE
    assert events[0][0] == pytest.approx(1.1 + VERDICT_DEADLINE_S, abs=0.05)
    assert isinstance(events[-1][1], HeardUtterance)
    assert speech in events[-1][1].audio
    assert events[-1][1].decided_s == pytest.approx(2.5, abs=0.05)
    assert hearing.unconfirmed == 1


@pytest.mark.parametrize("has_failed", [True, False])
def test_a_confirmer_that_has_failed_or_is_full_is_not_waited_for(
    has_failed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gate decides from the first frame on."""
    monkeypatch.setattr("ingress.media.hearing.silero.MAXIMUM_WAITING", 4)
    confirmer = SpeechConfirmer(0.5)
    confirmer.failure = "the model failed" if has_failed else None
    hearing = new_hearing(confirmer)
    assert kinds(hear(speech_like(0.3), hearing)) == [CallerSpeaking]
    hearing.close()
    assert hearing.unconfirmed == 1


def test_close_leaves_no_work_behind(model: SileroVad) -> None:
    """What still waits of a call that has ended is not judged."""
    confirmer = SpeechConfirmer(0.5, model)
    hearing = new_hearing(confirmer)
    hear(VOICE, hearing)
    hearing.close()
    confirmer.confirm_waiting()
    assert not hearing.is_in_speech
    assert hear(SECOND + VOICE, hearing, start_s=2.0, confirmer=confirmer) != []


class ScriptedVad(SileroVad):
    """Gives the verdicts of a list, window by window, then always speech."""

    def __init__(self, verdicts: Iterable[bool]) -> None:
        super().__init__()
        self._verdicts = iter(verdicts)

    def probabilities(
        self, windows: Sequence[bytes | bytearray], states: NDArray[np.float32]
    ) -> tuple[list[float], NDArray[np.float32]]:
        """Return 1.0 or 0.0 for each window."""
        return [float(next(self._verdicts, True)) for _ in windows], states


ORDER: dict[type, tuple[type, ...]] = {
    CallerSpeaking: (CallerPaused, HeardUtterance),
    CallerPaused: (CallerResumed, HeardUtterance),
    CallerResumed: (CallerPaused, HeardUtterance),
    HeardUtterance: (CallerSpeaking, HeardUtterance),
}
LINE = np.random.default_rng(0).standard_normal(60 * 8_000) * 12
SPEECH_ON_THE_LINE = (np.frombuffer(speech_like(60.0), dtype="<i2") + LINE).astype("<i2").tobytes()
SILENCE_ON_THE_LINE = LINE.astype("<i2").tobytes()


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["speech", "silence", "nothing", "digit"]),
            st.integers(1, 70),
            st.sampled_from([1, 2, 3, 20, 1_000]),
        ),
        max_size=30,
    ),
    st.lists(st.booleans(), max_size=400),
)
def test_events_are_in_order_and_audio_is_whole(
    runs: list[tuple[str, int, int]], verdicts: list[bool]
) -> None:
    """Any speech, gaps, keys, verdicts and delays: events in order, each utterance a piece of the stream."""
    confirmer = SpeechConfirmer(0.5, ScriptedVad(verdicts))
    hearing = new_hearing(confirmer)
    stream, now, tick = bytearray(), 0.0, 0
    before: type = HeardUtterance
    used = 0
    for kind, count, verdict_every in runs:
        for _ in range(count if kind != "digit" else 1):
            now += FRAME_S
            tick += 1
            if kind == "nothing":
                events = hearing.pause(now)
            elif kind == "digit":
                events = hearing.digit(now)
            else:
                source = SPEECH_ON_THE_LINE if kind == "speech" else SILENCE_ON_THE_LINE
                frame = source[len(stream) : len(stream) + FRAME_BYTES]
                stream += frame
                events = hearing.frame(frame, now)
            if tick % verdict_every == 0:
                confirmer.confirm_waiting()
            for event in events:
                assert type(event) in ORDER[before]
                before = type(event)
                if isinstance(event, HeardUtterance):
                    # The line is never quite silent, so frames of zeros are those that stand for gaps.
                    real = b"".join(frame for frame in frames_of(event.audio) if frame != SILENCE_FRAME)
                    position = stream.find(real, used)
                    assert position >= 0
                    assert len(event.audio) % FRAME_BYTES == 0
                    assert event.last_speech_s <= event.decided_s == now
                    used = position + len(real)


def test_an_onset_across_a_gap_in_the_stream_does_not_count() -> None:
    """Two clicks, a second of suppressed silence between them, are no speech."""
    click = speech_like(0.08)
    hearing = new_hearing()
    hear(click, hearing)
    hear(click, hearing, start_s=1.0)
    assert not hearing.is_in_speech
    hear(click, hearing, start_s=1.08)
    assert hearing.is_in_speech


def test_what_was_never_judged_is_not_speech_of_the_next_utterance() -> None:
    """A key ends an utterance whose verdicts are outstanding; they do not count for a later noise."""
    confirmer = SpeechConfirmer(0.5, ScriptedVad([]))
    hearing = new_hearing(confirmer, EndpointingSettings(minimum_speech_ms=160))
    hear(speech_like(0.2), hearing)
    assert hearing.is_in_speech
    assert hearing.digit(0.2) == ()
    assert hear(speech_like(0.12) + SECOND, hearing, start_s=1.2, confirmer=confirmer) == []
    assert hearing.dropped_noises == 2


# Tones, voices behind the caller, utterances that are too long


def key_tone(
    row_hz: int, column_hz: int, duration_s: float, amplitude: float = 5_000.0
) -> NDArray[np.float64]:
    """Return the tone of a key."""
    time_s = np.arange(round(duration_s * 8_000)) / 8_000
    tone = np.sin(2 * np.pi * row_hz * time_s) + np.sin(2 * np.pi * column_hz * time_s)
    return np.asarray(tone * amplitude)


@pytest.mark.parametrize("duration_s", [0.05, 0.1, 0.3, 0.6, 1.0])
def test_the_tone_of_a_key_is_no_speech(duration_s: float, model: SileroVad) -> None:
    """All sixteen, on a silent and on a noisy line, loud and soft."""
    heard = []
    for number, (row_hz, column_hz) in enumerate(product(ROWS_HZ, COLUMNS_HZ)):
        gain_db = -20 * (number % 2)
        tone = key_tone(row_hz, column_hz, duration_s)
        for audio in islice(clips(tone, gain_db, lines=(0.0, 184.0)), number % 3, None, 3):
            confirmer = SpeechConfirmer(0.5, model)
            events = hear(audio, new_hearing(confirmer), confirmer=confirmer)
            heard += [(row_hz, column_hz, gain_db)] if events else []
    assert heard == []


@pytest.mark.parametrize("gap_s", [0.0, 0.1, 0.6])
def test_the_tone_of_a_key_hides_no_speech(gap_s: float, model: SileroVad) -> None:
    """Not even a far louder one, just before the words."""
    words = np.frombuffer(VOICE, dtype="<i2") * 0.2
    parts = [np.zeros(8_000), key_tone(770, 1_336, 0.3, 10_000.0), np.zeros(round(gap_s * 8_000)), words]
    audio = np.concatenate([*parts, np.zeros(8_000)]).astype("<i2").tobytes()
    confirmer = SpeechConfirmer(0.5, model)
    (utterance,) = utterances(hear(audio, new_hearing(confirmer), confirmer=confirmer))
    assert words.astype("<i2").tobytes()[4_000:-4_000] in utterance.audio


@cache
def spoken(text: str, voice: HibariTts) -> NDArray[np.float64]:
    """Return what a voice says, the same each time."""
    audio = b"".join(voice.synthesize(Synthesize("caller", text, "en")))
    return np.frombuffer(audio, dtype="<i2").astype(float)


def babble(duration_s: float, voice: HibariTts) -> NDArray[np.float64]:
    """Return five voices at once, root mean square 1."""
    texts = ("Could you tell me when the next train leaves for the coast, please, and from where?",
             "We have been waiting here since eight o'clock and there is still nobody at the desk.",
             "My sister moved to another town last year, and now she wants to come back again.")  # fmt: skip
    total = np.zeros(round(duration_s * 8_000))
    for number in range(5):
        total += np.roll(np.resize(spoken(texts[number % 3], voice), len(total)), 4_321 * number)
    return np.asarray(total / total.std())


@pytest.mark.parametrize("begins", ["before", "after"])
@pytest.mark.parametrize("below_db", [10, 15, 20])
def test_voices_behind_the_caller_do_not_hold_an_utterance_open(
    below_db: int, begins: str, voice: HibariTts, model: SileroVad
) -> None:
    """They begin before or after the caller's words, and begin no utterance of their own right after."""
    words = np.frombuffer(2 * VOICE, dtype="<i2").astype(float)
    frames = np.square(words[: len(words) // 160 * 160].reshape(-1, 160)).mean(axis=1)
    level = np.sqrt(frames[frames > frames.max() / 1_000].mean())
    audio = np.concatenate([np.zeros(8_000), words, np.zeros(6 * 8_000)])
    behind = babble(len(audio) / 8_000, voice) * level * 10 ** (-below_db / 20)
    end_s = 1.0 + len(words) / 8_000
    if begins == "after":
        behind[: round(end_s * 8_000)] = 0
    mixed = (audio + behind).clip(-32_768, 32_767).astype("<i2").tobytes()
    confirmer = SpeechConfirmer(0.5, model)
    found = utterances(hear(mixed, new_hearing(confirmer), confirmer=confirmer))
    decided_s = [utterance.decided_s for utterance in found if utterance.decided_s > end_s - 0.3]
    assert decided_s, found
    assert decided_s[0] <= end_s + 0.7


@pytest.mark.parametrize("pause_s", [1.0, 3.0])
def test_over_the_same_voices_the_caller_is_heard_again(
    pause_s: float, voice: HibariTts, model: SileroVad
) -> None:
    """What is no louder than they are begins nothing, but the caller does, at once and as a whole."""
    words = np.frombuffer(2 * VOICE, dtype="<i2").astype(float)
    pause = np.zeros(round(pause_s * 8_000))
    audio = np.concatenate([np.zeros(8_000), words, pause, words, np.zeros(2 * 8_000)])
    audio += babble(len(audio) / 8_000, voice)[: len(audio)] * words.std() * 10 ** (-12 / 20)
    again_s = 1.0 + len(words) / 8_000 + pause_s
    confirmer = SpeechConfirmer(0.5, model)
    stream = audio.clip(-32_768, 32_767).astype("<i2").tobytes()
    found = utterances(hear(stream, new_hearing(confirmer), confirmer=confirmer))
    starts_s = [stream.index(utterance.audio) / 16_000 for utterance in found]
    ends_s = [start_s + len(one.audio) / 16_000 for start_s, one in zip(starts_s, found, strict=True)]
    assert [end_s > again_s + len(words) / 8_000 - 0.2 for end_s in ends_s] == [False, True]
    assert starts_s[1] <= again_s + 0.1


@pytest.mark.parametrize("pause_ms", [120, 150, 300])
def test_a_full_utterance_is_cut_in_a_pause(pause_ms: int, voice: HibariTts, model: SileroVad) -> None:
    """Each word is whole and in one utterance, nothing is lost or doubled, and none is too long."""
    settings = EndpointingSettings(maximum_utterance_s=2.0)
    words = []
    for text in ("twenty one", "twenty two", "twenty three", "twenty four", "twenty five", "twenty six"):
        spoken = np.frombuffer(b"".join(voice.synthesize(Synthesize("caller", text, "en"))), dtype="<i2")
        (loud,) = np.nonzero(np.abs(spoken) > 300)
        words.append(spoken[loud[0] : loud[-1]].tobytes())
    stream = SECOND + bytes(pause_ms * 16).join(words) + SECOND
    confirmer = SpeechConfirmer(0.5, model)
    found = utterances(hear(stream, new_hearing(confirmer, settings), confirmer=confirmer))
    assert len(found) > 2
    assert max(len(utterance.audio) for utterance in found) <= 2.0 * 16_000
    whole = b"".join(utterance.audio for utterance in found)
    assert whole in stream
    for word in words:
        assert sum(word in utterance.audio for utterance in found) == 1
    speech = stream.strip(b"\0")
    assert speech in whole


def test_the_longest_utterance_is_no_longer_than_its_limit() -> None:
    """Look-back, and frames that wait for their verdict, included: the transcriber has 30 s."""
    settings = EndpointingSettings(maximum_utterance_s=30.0)
    for confirmer in (None, SpeechConfirmer(0.5, ScriptedVad([]))):
        hearing = new_hearing(confirmer, settings)
        found = utterances(hear(SECOND + speech_like(70.0) + SECOND, hearing, confirmer=confirmer))
        assert [round(len(utterance.audio) / 16_000) for utterance in found][:2] >= [28, 28]
        assert max(len(utterance.audio) for utterance in found) <= 30 * 16_000
        assert sum(len(utterance.audio) for utterance in found) >= 70 * 16_000


# Streams: messages of several lengths, jitter, gaps, and a clock of ours that was late


def feed(
    audio: bytes,
    ptime_ms: int,
    jitter_s: float,
    confirmer: SpeechConfirmer,
    stall: tuple[float, float] = (0, 0),
) -> list[HearingEvent]:
    """Feed audio in messages that come late by up to `jitter_s`, read and looked at on a clock of 20 ms.

    In the `stall`, from and to, the clock does not run.
    """
    random = np.random.default_rng(ptime_ms)
    size = ptime_ms * 16
    starts = range(0, len(audio) - size + 1, size)
    arrivals = np.maximum.accumulate(
        [(start + size) / 16_000 + random.uniform(0, jitter_s) for start in starts]
    )
    hearing = new_hearing(confirmer)
    events: list[HearingEvent] = []
    read = taken = 0
    for tick in range(round(arrivals[-1] / FRAME_S) + 40):
        now = tick * FRAME_S
        if stall[0] < now < stall[1]:
            continue
        read = size * int(np.searchsorted(arrivals, now, side="right"))
        frames = list(frames_of(audio[taken:read]))
        taken += len(frames) * FRAME_BYTES
        if frames and not hearing.has_ignored(frames, now):
            for number, frame in enumerate(frames, 1 - len(frames)):
                events += hearing.frame(frame, now + number * FRAME_S)
        if hearing.is_in_speech:
            events += hearing.pause(now)
        confirmer.confirm_waiting()
    return events


LINE_AND_VOICE = (
    (
        np.frombuffer(SECOND + 3 * VOICE + 2 * SECOND, dtype="<i2")
        + np.random.default_rng(1).integers(20, 60, 3 * 8_000 + 3 * len(VOICE) // 2)
    )
    .astype("<i2")
    .tobytes()
)
"""Of which no frame is zeros."""


@pytest.mark.parametrize("ptime_ms", [20, 30, 40, 60])
@pytest.mark.parametrize("jitter_s", [0.0, 0.03, 0.08, 0.15])
def test_no_zeros_are_cut_into_speech_that_comes_late(
    ptime_ms: int, jitter_s: float, model: SileroVad
) -> None:
    """However long the messages are and however irregularly they come."""
    (utterance,) = utterances(feed(LINE_AND_VOICE, ptime_ms, jitter_s, SpeechConfirmer(0.5, model)))
    position = LINE_AND_VOICE.find(utterance.audio)
    assert 0 <= position <= 16_000
    assert position + len(utterance.audio) >= 16_000 + 3 * len(VOICE) - 3_200


@pytest.mark.parametrize("late_s", [0.3, 0.7, 2.0])
@pytest.mark.parametrize("at_s", [1.9, 2.2, 2.5, 2.8, 3.1])
def test_time_that_our_clock_lost_is_no_silence_of_the_caller(
    at_s: float, late_s: float, model: SileroVad
) -> None:
    """All frames are there when it runs again: the sentence is one utterance, and whole."""
    confirmer = SpeechConfirmer(0.5, model)
    (utterance,) = utterances(feed(LINE_AND_VOICE, 20, 0.0, confirmer, (at_s, at_s + late_s)))
    assert utterance.audio in LINE_AND_VOICE


def test_what_was_thrown_away_or_never_came_while_our_clock_stood_still_is_no_silence() -> None:
    """Of a long backlog only the newest half second is read; a machine that stood still had no frames."""
    speech = speech_like(1.0)
    for first_s in (2.5, 3.0):  # 0.5 s of 2 s are there; nothing is
        hearing = new_hearing()
        events = hear(speech, hearing)
        quiet = (first_s - 1.0) * 50
        for number in range(10):
            events += hearing.frame(SILENCE_FRAME, first_s + number * FRAME_S)
        assert quiet
        events += hearing.pause(first_s + 0.2)
        assert not utterances(events)
        (utterance,) = utterances(hear(speech + SECOND, hearing, start_s=first_s + 0.22))
        assert utterance.audio.count(speech) == 2


def test_a_gap_in_the_stream_counts_as_silence_of_its_length_when_frames_come_again() -> None:
    """Silence suppression: what stands for it is not taken for late frames' place."""
    hearing = new_hearing()
    hear(speech_like(1.0), hearing)
    for tick in range(50, 70):
        hearing.pause(tick * FRAME_S)
    (utterance,) = utterances(hear(speech_like(1.0) + SECOND, hearing, start_s=1.4))
    assert len(utterance.audio) / 16 == pytest.approx(1_000 + 400 + 1_000 + 200, abs=40)
