"""What a caller does in one call: where to call, what to say or press, how long to wait."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from actors.errors import ConfigurationError
from actors.telephone import audio_duration_ms
from ingress.audiosocket import DIGITS
from ingress.caller.listening_quality import speech_spans


@dataclass(frozen=True)
class Speak:
    """Speak a recording once the other side has finished, or into its answer."""

    audio: bytes
    """8 kHz int16."""
    into_answer_s: float | None = None
    """So long after that answer has begun; None: once it is over."""


@dataclass(frozen=True)
class Press:
    """Press keys, one each `KEY_S`; when, is as for `Speak`."""

    keys: str
    into_answer_s: float | None = None


@dataclass(frozen=True)
class Pause:
    """Say nothing for so long, whatever is heard."""

    pause_s: float


Step = Speak | Press | Pause


@dataclass(frozen=True)
class CallScript:
    """One call. Raises ConfigurationError for a silent recording, and for what is no key."""

    host: str
    port: int
    call_id: UUID
    steps: Sequence[Step] = ()
    """Done one after another; none means only to listen."""
    greeting_wait_s: float = 2.0
    """Speak after this if nothing is heard. A call that only listens ends instead."""
    quiet_s: float = 1.0
    """The other side has finished when it has been quiet for so long after a sound."""
    answer_deadline_s: float = 15.0
    """From the end of our speech to the first sound of an answer; after it the turn is unanswered."""
    settle_s: float = 1.5
    """Quiet to listen to after the last answer, in case there is more, before hanging up."""
    max_call_s: float = 120.0
    """Hang up after this in any case; it also bounds the memory, at 16 kB a second."""
    connect_deadline_s: float = 5.0

    def __post_init__(self) -> None:
        for number, step in enumerate(self.steps, 1):
            match step:
                case Speak(audio) if not speech_spans(audio):
                    raise ConfigurationError(
                        f"step {number} ({audio_duration_ms(audio) / 1000:.1f} s) holds no sound; "
                        "nothing can answer it: check the recording's level"
                    )
                case Press(keys) if not keys or not set(keys) <= DIGITS:
                    raise ConfigurationError(f"step {number}: keys are 0 to 9, *, # and A to D")
                case _:
                    pass

    @property
    def turns(self) -> int:
        """How many steps are to be answered."""
        return sum(not isinstance(step, Pause) for step in self.steps)
