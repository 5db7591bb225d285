"""One turn in the gateway: words from audio, an answer from the dialog, audio from the answer.

History and dialog state come with the request, so that any gateway can run a turn. What the manager's
decision forbids (work ahead of time, a second decoding, long answers) is looked up each time where it
applies.

| what fails | then |
|---|---|
| a transcription | the dialog gets "not understood", never words |
| a synthesis, or a slot in time | the turn ends with the reason, and the caller hears an apology |
| the dialog | the same; the reason names the place in its code and quotes nothing |
| the dialog's next action within `dialog.deadline_s` | the same |

The stages of a turn count from its request on: what the caller waits for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from actors.errors import CapacityError, LinkError, MessageTooLargeError, RaymalError, described
from actors.pool.speech_pool import SpeechPool
from actors.settings import SpeechSettings
from ingress.configuration.extensions import Extension
from ingress.dialogs.audio_files import AudioFiles
from ingress.dialogs.base import (
    CallBegan,
    CallerPressed,
    Dialog,
    DialogEvent,
    LegJoined,
    LegLeft,
    NothingHeard,
)
from ingress.dialogs.run import failure_of
from ingress.gateway.key_stop import KeyStop
from ingress.gateway.transcriber import Ahead, Transcriber
from ingress.gateway.turn_answer import TurnAnswer
from ingress.gateway.turn_call import Stages, TurnCall
from ingress.gateway.turn_hearing import TurnHearing
from ingress.gateway.turn_speech import TurnSpeech
from ingress.link.messages import (
    Digits,
    Greet,
    LegChanged,
    NoInput,
    TranscribeAhead,
    TurnDone,
    TurnRequest,
    Utterance,
)
from ingress.phrases.speaker import Speaker

log = logging.getLogger(__name__)


class TurnRunner:
    """Runs turns for all calls of a gateway; holds no state of one."""

    def __init__(
        self,
        pool: SpeechPool | None,
        speaker: Speaker | None,
        speech: SpeechSettings,
        dialog_of: Callable[[Extension], Dialog],
    ) -> None:
        """`pool`, `speaker`: None, if no extension needs speech."""
        self.ahead_begun = 0
        self.ahead_used = 0
        """Those whose words became a turn's; the rest was dropped, or failed."""
        self._transcriber = None if pool is None else Transcriber(pool, speech.transcription_deadline_s)
        self.speaker = speaker
        self._synthesis_deadline_s = speech.synthesis_deadline_s
        self._dialog_of = dialog_of
        self._files = AudioFiles()

    def begin_ahead(self, request: TranscribeAhead, extension: Extension) -> Ahead | None:
        """Begin to transcribe what may be a whole utterance; None if that is not to be done (now)."""
        if self._transcriber is None or not extension.needs_speech:
            return None
        ahead = self._transcriber.begin_ahead(request, extension)
        self.ahead_begun += ahead is not None
        return ahead

    async def run(
        self,
        request: TurnRequest,
        call: TurnCall,
        ahead: Ahead | None = None,
        key_stop: KeyStop | None = None,
    ) -> None:
        """Run one turn to its `TurnDone`. Raises LinkError.

        `ahead` is what was begun for this turn's utterance; it is cancelled with the turn.
        `key_stop`: how a key stops what it says.
        """
        stages = Stages()
        hearing = TurnHearing(stages)
        failure: str | None = None
        try:
            await self._run(request, call, stages, hearing, ahead, key_stop or KeyStop())
        except MessageTooLargeError as error:  # the link itself is there: the caller hears the apology
            failure = str(error)
        except LinkError:
            raise
        except CapacityError as error:
            failure = f"no free slot in time: {described(error)}"
        except RaymalError as error:
            failure = described(error)
        except Exception as error:  # a dialog may be anyone's code
            failure = failure_of(error)
        if failure is not None:
            log.warning("call %s turn %d: %s", request.call_id, request.turn, failure)
        self.ahead_used += hearing.was_ahead
        await call.send(
            TurnDone(
                call_id=request.call_id,
                turn=request.turn,
                stages=stages.times,
                failure=failure,
                was_understood=hearing.was_understood,
                doubt=hearing.doubt,
                transcription_failure=hearing.failure,
            )
        )

    async def _run(
        self,
        request: TurnRequest,
        call: TurnCall,
        stages: Stages,
        hearing: TurnHearing,
        ahead: Ahead | None,
        key_stop: KeyStop,
    ) -> None:
        """Find out what happened, and do what the dialog says about it."""
        extension = call.extension.spoken_in(request.language)
        event: DialogEvent
        if isinstance(request, Utterance):
            if self._transcriber is None or not extension.needs_speech:  # the dialog does not listen
                return
            event = await hearing.hear(request, extension, call, self._transcriber, ahead)
            extension = extension.spoken_in(hearing.language)
        else:
            event = _event_of(request)
        speaker = self.speaker if extension.needs_speech else None
        speech = TurnSpeech(
            call, request.turn, extension, speaker, self._files, stages, self._synthesis_deadline_s
        )
        dialog = self._dialog_of(call.extension)
        await TurnAnswer(request, call, extension, dialog, speech, stages, key_stop).run(event)


def _event_of(request: TurnRequest) -> DialogEvent:
    """Return the dialog's event of a turn without words."""
    match request:
        case Greet():
            return CallBegan()
        case Digits(digits=digits, is_complete=is_complete, leg=leg):
            return CallerPressed(digits, is_complete, leg)
        case NoInput(times=times, leg=leg):
            return NothingHeard(times, leg)
        case LegChanged(is_there=is_there):
            return LegJoined() if is_there else LegLeft()
        case _:
            raise TypeError(request.kind)
