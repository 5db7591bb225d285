"""What a gateway asks of the speech side.

There are two backends: `actors.cluster` (Ray) and `actors.local` (this process). Each request
takes a lease, uses the slot, gives the lease back and reports what it took, however it ends.
Cancelling the awaiting task, or closing the iterator, cancels the work and frees the slot.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Protocol

from actors.messages import (
    Admission,
    Decision,
    IngressSignals,
    SessionFigures,
    SessionStarted,
    SessionSummary,
    Synthesize,
    Transcribe,
    Transcript,
)
from actors.status import FleetStatus


@dataclass(frozen=True, slots=True)
class Transcription:
    """A transcript and what it cost."""

    transcript: Transcript
    lease_wait_ms: float
    """From the request to the lease, as seen by the asker."""
    processing_ms: float
    """From the lease to the transcript, as seen by the asker: dispatch and model."""


@dataclass(frozen=True, slots=True)
class SpeechChunk:
    """A piece of a sentence's audio, in order."""

    audio: bytes
    """8 kHz int16 mono, never empty."""
    lease_wait_ms: float
    """The same on every chunk of one sentence."""
    elapsed_ms: float
    """From the lease to this chunk, as seen by the asker."""


class SpeechPool(Protocol):
    """Leases, workers and bookkeeping behind one interface."""

    on_decision: Callable[[Decision], None]
    """Called after each change of level or reasons. Set by the gateway."""
    signals: Callable[[], IngressSignals]
    """Asked once per heartbeat how the ingress does. Set by the gateway."""

    @property
    def decision(self) -> Decision:
        """The manager's current decision; without a manager the last one, then one of our own."""

    async def start(self) -> None:
        """Plan and start the workers. Returns before they are ready; raises ConfigurationError."""

    async def status(self) -> FleetStatus:
        """Return what the manager knows now. Raises WorkerLostError when it cannot be asked."""

    async def transcribe(
        self, request: Transcribe, deadline_s: float, is_ahead: bool = False
    ) -> Transcription:
        """Transcribe one utterance, with the priority of its call's session.

        `is_ahead`: it may turn out to be for nothing. It waits behind all final work, and never takes the
        last free slot where there are several.

        Raises CapacityError (no slot in time), WorkerLostError (the worker died or the deadline
        passed while it worked) or EngineError (the engine refused).
        """

    def promote(self, call_id: str) -> None:
        """Let the call's ahead-of-time transcription, if one is under way, be final from now on."""

    def synthesize(self, request: Synthesize, deadline_s: float) -> AsyncIterator[SpeechChunk]:
        """Yield the audio of one sentence as it is made; raises as `transcribe` does."""

    async def admit(self, session: SessionStarted) -> Admission:
        """Ask whether a new call may be taken; if so it is registered. Answers within a third of a second."""

    async def register_session(self, session: SessionStarted) -> None:
        """Make a call known that was admitted before. Repeating it changes nothing."""

    def note(self, session_id: str, figures: SessionFigures) -> None:
        """Remember a call's newest figures for the next heartbeat. Unknown calls are ignored."""

    def note_answer(self, answer_ms: float) -> None:
        """Count one answered turn: end of the caller's speech to the answer's first frame."""

    async def unregister_session(self, session_id: str) -> SessionSummary | None:
        """Report that a call ended; returns what it used, None if it was unknown.

        The figures noted last go into the summary.
        """

    async def close(self) -> None:
        """Give back everything this asker holds. Idempotent."""
