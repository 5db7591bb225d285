"""What the dialog does in one turn, action by action."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from actors.messages import SessionActivity
from ingress.configuration.extensions import Extension
from ingress.dialogs.actions import checked_action
from ingress.dialogs.base import (
    CollectKeys,
    Dialog,
    DialogAction,
    DialogCall,
    DialogEvent,
    EndCall,
    Interrupted,
    Listen,
    PlayContinuousTone,
    PlayFile,
    Say,
    SetVariable,
    Transfer,
)
from ingress.dialogs.run import DialogRun
from ingress.dialogs.state import encoded_state
from ingress.gateway.key_stop import KeyStop
from ingress.gateway.turn_call import Stages, TurnCall, now_s, since_ms
from ingress.gateway.turn_speech import TurnSpeech
from ingress.link.messages import (
    HangUp,
    KeysWanted,
    LegChanged,
    LegName,
    ListenOptions,
    ListenTo,
    PlayTone,
    StateChanged,
    TurnRequest,
    VariableSet,
)


class TurnAnswer:
    """Of one turn."""

    def __init__(
        self,
        request: TurnRequest,
        call: TurnCall,
        extension: Extension,
        dialog: Dialog,
        speech: TurnSpeech,
        stages: Stages,
        key_stop: KeyStop,
    ) -> None:
        """`extension` is in the call's language. Raises DialogError."""
        self._request = request
        self._call = call
        self._extension = extension
        self._dialog = dialog
        self._speech = speech
        self._stages = stages
        self._key_stop = key_stop
        self._sent_state = encoded_state(request.state)
        """As the media worker has it."""
        self._leg: LegName = request.leg
        """Who hears what the dialog does not address: who the event came from, if somebody is there."""
        if isinstance(request, LegChanged) and not request.is_there:
            self._leg = "caller"

    async def run(self, event: DialogEvent) -> None:
        """Have the dialog respond, first to the interruption that this turn began with, if it did.

        Raises DialogError, what the dialog raises, what speaking raises, LinkError.
        """
        self._call.turn_to(SessionActivity.THINKING)
        call, asked_s = self._dialog_call(), now_s()
        if self._request.interrupted is not None:
            await self._note_interruption(Interrupted(self._request.interrupted, self._request.leg), call)
        await self._key_stop.run(self._respond(event, call, asked_s))

    async def _note_interruption(self, event: Interrupted, call: DialogCall) -> None:
        """Let the dialog take note: what it remembers counts, and nothing that it yields is done.

        Else a dialog that does the same about every event would answer twice.
        """
        run = self._begin(event, call)
        try:
            await run.next()
            await self._send_state(call)
        finally:
            await run.close()

    async def _respond(self, event: DialogEvent, call: DialogCall, asked_s: float) -> None:
        """Do each action as it is yielded."""
        run = self._begin(event, call)
        try:
            while (action := await run.next()) is not None:
                if self._stages.times.dialog_ms is None:
                    self._stages.note(dialog_ms=since_ms(asked_s))
                await self._send_state(call)
                await self._do(action)
            await self._send_state(call)
        finally:
            await run.close()

    def _begin(self, event: DialogEvent, call: DialogCall) -> DialogRun:
        return DialogRun(self._dialog, event, call, self._extension.dialog.deadline_s)

    def _dialog_call(self) -> DialogCall:
        started = self._call.started
        return DialogCall(
            call_id=started.call_id,
            extension=self._extension.name,
            language=self._extension.language,
            caller_number=started.caller_number,
            caller_name=started.caller_name,
            started_at=datetime.fromtimestamp(started.started_at_s, UTC),
            has_return_leg=self._request.has_return_leg,
            history=self._request.history,
            state=json.loads(self._sent_state),  # a copy: the dialog changes it in place
        )

    async def _send_state(self, call: DialogCall) -> None:
        """Send the dialog's state if it has changed: before the messages of the action that goes with it."""
        state = encoded_state(call.state)
        if state != self._sent_state:
            self._sent_state = state
            await self._call.send(
                StateChanged(call_id=call.call_id, turn=self._request.turn, state=json.loads(state))
            )

    async def _do(self, action: DialogAction) -> None:
        call_id, turn = self._request.call_id, self._request.turn
        match checked_action(action):
            case Say(leg=leg) as say:
                await self._key_stop.say(self._speech.say(say, leg or self._leg))
            case PlayFile(leg=leg) as file:
                await self._key_stop.say(self._speech.play(file, leg or self._leg))
            case CollectKeys() as keys:
                await self._call.send(self._keys_wanted(keys))
            case Listen() as listen:
                await self._call.send(self._listen_to(listen))
            case PlayContinuousTone(frequency_hz):
                await self._call.send(PlayTone(call_id=call_id, turn=turn, frequency_hz=frequency_hz))
            case EndCall() | Transfer() if self._key_stop.cut_something:
                pass  # the key is answered instead
            case EndCall(reason, leg):
                await self._call.send(HangUp(call_id=call_id, turn=turn, leg=leg, reason=reason))
            case Transfer(target, reason):
                await self._call.send(HangUp(call_id=call_id, turn=turn, transfer_to=target, reason=reason))
            case SetVariable(name, value):
                await self._call.send(VariableSet(call_id=call_id, turn=turn, name=name, value=value))

    def _keys_wanted(self, collect: CollectKeys) -> KeysWanted:
        return KeysWanted(
            call_id=self._request.call_id,
            turn=self._request.turn,
            leg=collect.leg or self._request.leg,
            count=collect.count,
            terminator=collect.terminator,
            gap_s=collect.gap_s,
        )

    def _listen_to(self, listen: Listen) -> ListenTo:
        options = ListenOptions(
            end_silence_ms=listen.end_silence_ms,
            hot_words=tuple(listen.hot_words),
            expected_words=tuple(listen.expected_words),
            initial_prompt=listen.initial_prompt,
            language=listen.language,
            no_input_s=listen.no_input_s,
        )
        leg = listen.leg or self._request.leg
        return ListenTo(call_id=self._request.call_id, turn=self._request.turn, leg=leg, options=options)
