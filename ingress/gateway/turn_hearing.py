"""What somebody said in a turn, as the event that its dialog gets."""

from __future__ import annotations

import logging

from actors.errors import EngineError, WorkerLostError, described
from actors.messages import Doubt, SessionActivity
from ingress.configuration.extensions import Extension
from ingress.dialogs.base import CallerNotUnderstood, CallerSaid
from ingress.dialogs.matching.expected import match_expected
from ingress.gateway.call_language import confidence_of, found_language
from ingress.gateway.transcriber import Ahead, Transcriber
from ingress.gateway.turn_call import Stages, TurnCall, now_s, since_ms
from ingress.link.messages import Heard, Utterance

log = logging.getLogger(__name__)


class TurnHearing:
    """Of one turn; before anything was said, and in a turn without words, all is understood."""

    def __init__(self, stages: Stages) -> None:
        self.was_ahead = False
        """Whether the words were there, or under way, before the turn."""
        self.was_understood = True
        self.doubt: Doubt | None = None
        self.failure: str | None = None
        """Why there are no words, if the transcription failed."""
        self.language: str | None = None
        """In which the answer is given and the call goes on; None: that has not become clear."""
        self._stages = stages

    async def hear(
        self,
        utterance: Utterance,
        extension: Extension,
        call: TurnCall,
        transcriber: Transcriber,
        ahead: Ahead | None,
    ) -> CallerSaid | CallerNotUnderstood:
        """Have an utterance transcribed, and the words sent to the media worker.

        `extension` is in the call's language, if that is known. Raises CapacityError, LinkError.
        """
        call.turn_to(SessionActivity.TRANSCRIBING)
        asked_s = now_s()
        try:
            result, granted_s, self.was_ahead = await transcriber.transcription(utterance, extension, ahead)
        except (WorkerLostError, EngineError) as error:
            log.warning("call %s turn %d: %s", utterance.call_id, utterance.turn, described(error))
            self.was_understood, self.failure = False, described(error)
            return CallerNotUnderstood(utterance.leg)
        # Only what was waited for in this turn: ahead of time, the lease may be older than its request.
        lease_wait_ms = max(0.0, (granted_s - asked_s) * 1000.0)
        self._stages.note(lease_wait_ms=lease_wait_ms, transcription_ms=since_ms(asked_s) - lease_wait_ms)
        transcript = result.transcript
        text, self.doubt, self.was_understood = transcript.text, transcript.doubt, bool(transcript.text)
        self.language = found_language(transcript) if extension.languages else None
        await call.send(
            Heard(
                call_id=utterance.call_id,
                turn=utterance.turn,
                text=text,
                was_ahead=self.was_ahead,
                language=self.language,
            )
        )
        if not text:
            return CallerNotUnderstood(utterance.leg)
        return CallerSaid(
            text,
            confidence_of(transcript),
            transcript.language or None,
            transcript.language_probability,
            match_expected(text, utterance.listening.expected_words),
            utterance.leg,
        )
