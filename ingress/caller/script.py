"""What a caller does in one call: where to call, what to say, how long to wait."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from actors.errors import ConfigurationError
from actors.telephone import audio_duration_ms
from ingress.caller.listening_quality import speech_spans


@dataclass(frozen=True)
class CallScript:
    """One call. Raises ConfigurationError for a silent utterance."""

    host: str
    port: int
    call_id: UUID
    utterances: Sequence[bytes] = ()
    """8 kHz int16 recordings, spoken one after another; none means only to listen."""
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
        for number, utterance in enumerate(self.utterances, 1):
            if not speech_spans(utterance):
                raise ConfigurationError(
                    f"utterance {number} ({audio_duration_ms(utterance) / 1000:.1f} s) holds no sound; "
                    "nothing can answer it: check the recording's level"
                )
