"""One conversation as the media worker keeps it: pure, no socket, no clock, no Ray.

What must survive a restart of the gateway lives here: the history, the dialog's state, what the dialplan
gets. The turns of each leg, and so all audio, are in `ingress.media.leg_turns`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import Any, Literal

from ingress.access.invitations import Invitation
from ingress.configuration.extensions import Extension
from ingress.configuration.settings import BargeInSettings, CallLimitSettings
from ingress.link import messages as link
from ingress.link.records import CallOutcome, CallRecord, CallResult, TurnRecord
from ingress.media.idle_sound import PhraseSource
from ingress.media.leg_turns import LegTurns
from ingress.media.turn import RUNNING, Turn, TurnState
from ingress.media.turn_sequence import TURN_DEADLINE_S, WAITING_LIMIT_S, TurnSequence

NO_LIMITS = CallLimitSettings(no_input_s=0.0, longest_s=0.0, no_audio_s=0.0)
"""Of a call without an extension's settings."""
MAXIMUM_TURN_RECORDS = 32
"""Kept per call for its summary, the newest, 1.6 KB each; each was sent when its turn was over."""


class Verdict(Enum):
    """Whether the call is taken."""

    NONE = "not decided"
    ADMITTED = "admitted, for good"
    REFUSED = "refused"


class Call:
    """The conversation of one caller."""

    def __init__(
        self,
        call_id: str,
        extension: str,
        started_at_s: float = 0.0,
        barge_in: BargeInSettings | None = None,
        keeps_text: bool = False,
        phrases: PhraseSource = lambda phrase: None,
        waiting_limit_s: float = WAITING_LIMIT_S,
        turn_deadline_s: float = TURN_DEADLINE_S,
        settings: Extension | None = None,
        invitation: Invitation | None = None,
    ) -> None:
        """`started_at_s` is Unix time; `keeps_text` puts words into the records."""
        self.call_id = call_id
        self.extension = extension
        self.started_at_s = started_at_s
        self.keeps_text = keeps_text
        self.invitation = invitation
        self.outbox: list[link.Message] = []
        """For the gateway; the user takes them out."""
        self.turn_records: deque[TurnRecord] = deque(maxlen=MAXIMUM_TURN_RECORDS)
        self.turns = 0
        """How many there have been, on all legs: the newest one's number."""
        self.turns_taken = 0
        self.on_turn: Callable[[Turn], None] | None = None
        """Is given each turn when it is over."""
        self.verdict = Verdict.NONE
        self.refusal: str | None = None
        self.hang_up: link.HangUp | None = None
        """The dialog's, of the caller's leg, once the turn it came in is over."""
        self.is_over = False
        """The caller's leg has ended: nothing that happens on another one is part of the call."""
        self.dialog_state: link.DialogState = {}
        self.language: str | None = None
        """Found out at an utterance; None: the extension's first."""
        self.gateway_is_ready = False
        self.gateway_is_lost = False
        """The link to the gateway broke, so what it was asked is lost. Until the next one is ready."""
        self._settings = settings
        self._variables: dict[str, str] = {}
        self._history: deque[link.HistoryEntry] = deque(maxlen=link.MAXIMUM_HISTORY)
        turns = partial(
            LegTurns,
            self,
            barge_in=barge_in or BargeInSettings(),
            phrases=phrases,
            waiting_limit_s=waiting_limit_s,
            turn_deadline_s=turn_deadline_s,
        )
        self.caller = turns("caller")
        self.return_leg: LegTurns | None = None
        """From the first time that it joins; its turns go on when it is gone."""
        self._new_return_leg = partial(turns, "return")

    @property
    def legs(self) -> tuple[LegTurns, ...]:
        """The turns of the caller's leg, and of the return leg if it has ever joined."""
        return (self.caller,) if self.return_leg is None else (self.caller, self.return_leg)

    @property
    def has_return_leg(self) -> bool:
        """Whether somebody is on the return leg."""
        return self.return_leg is not None and self.return_leg.is_there

    @property
    def underruns(self) -> int:
        """Of all legs."""
        return sum(leg.underruns for leg in self.legs)

    @property
    def interruptions(self) -> int:
        """On all legs."""
        return sum(leg.interruptions for leg in self.legs)

    @property
    def dropped_turns(self) -> int:
        """Of all legs."""
        return sum(leg.dropped_turns for leg in self.legs)

    @property
    def history(self) -> tuple[link.HistoryEntry, ...]:
        """What was said so far and was heard."""
        return tuple(self._history)

    @property
    def limits(self) -> CallLimitSettings:
        """When it ends by itself."""
        return NO_LIMITS if self._settings is None else self._settings.call_limits

    @property
    def needs_speech(self) -> bool:
        """Whether its dialog listens."""
        return self._settings is not None and self._settings.needs_speech

    @property
    def awaits_verdict(self) -> bool:
        """Whether it has been neither taken nor refused."""
        return self.verdict is Verdict.NONE

    def outcome(self, ending: CallResult, reason: str) -> CallOutcome:
        """Return what the dialplan gets: `ending` and `reason` are the connection's."""
        hang_up = self.hang_up if ending is CallResult.ENDED and self.caller.was_played_out else None
        if hang_up is None:
            return CallOutcome(result=ending, reason=reason, variables=dict(self._variables))
        result = CallResult.ENDED if hang_up.transfer_to is None else CallResult.TRANSFER
        return CallOutcome(
            result=result,
            target=hang_up.transfer_to,
            reason=hang_up.reason or reason,
            variables=dict(self._variables),
        )

    def ended(self, record: CallRecord) -> link.CallEnded:
        """Return the call's end for the gateway, with what its dialog needs for the last event."""
        return link.CallEnded(
            record=record, history=self.history, state=self.dialog_state, language=self.language
        )

    def _invited(self) -> dict[str, Any]:
        """Return what the dialplan said of the call."""
        invitation = self.invitation
        if invitation is None:
            return {}
        return {
            "caller_number": invitation.caller_number,
            "caller_name": invitation.caller_name,
            "was_invited": True,
        }

    def refuse(self, reason: str, now: float) -> None:
        """The call is not taken: give up all turns, play the busy phrase, then end."""
        self.verdict = Verdict.REFUSED
        self.send_back(reason, now)

    def send_back(self, reason: str, now: float) -> None:
        """Nothing can answer: as `refuse`, also for a call that was taken."""
        self.refusal, self.gateway_is_ready = reason, False
        self.caller.play_refusal(now)
        if self.return_leg is not None:
            self.return_leg.play_farewell(now)

    def join(self, now: float) -> LegTurns:
        """The return leg is there; return its turns."""
        if self.return_leg is None:
            self.return_leg = self._new_return_leg()
        self.return_leg.join(now)
        return self.return_leg

    def leave(self, now: float) -> None:
        """The return leg is gone, perhaps after the call."""
        if self.return_leg is not None and not self.is_over:
            self.return_leg.leave(now)

    def end(self, now: float) -> None:
        """The caller's leg has ended: nothing more is asked, or written down."""
        leg = self.return_leg
        if leg is not None and leg.turn.state is not TurnState.OVER:
            self.write_record(leg.turn)
        self.is_over = True
        if leg is not None and self.refusal is None:
            leg.call_ended(self.hang_up is not None and self.caller.was_played_out, now)

    def check_deadlines(self, now: float) -> None:
        """Those of a leg that is not on the clock."""
        if self.return_leg is not None:
            self.return_leg.check_deadlines(now)

    def gateway_ready(self, now: float) -> None:
        """The gateway can serve turns (again): make the call known and ask what is owed."""
        if self.refusal is not None:
            return
        self.outbox.append(
            link.CallStarted(
                call_id=self.call_id,
                extension=self.extension,
                started_at_s=self.started_at_s,
                **self._invited(),
                is_admitted=self.verdict is Verdict.ADMITTED,
                settings=self._settings,
            )
        )
        if self.gateway_is_lost:
            for leg in self.legs:
                leg.gateway_replaced(now)
        self.gateway_is_ready, self.gateway_is_lost = True, False
        for leg in self.legs:
            leg.gateway_ready(now)

    def gateway_gone(self, now: float) -> None:
        """The link to the gateway broke: the next one knows of nothing."""
        self.gateway_is_ready, self.gateway_is_lost = False, True
        for leg in self.legs:
            leg.gateway_left(True, now)

    def receive(self, message: link.Message, now: float) -> None:
        """Take a message of the gateway."""
        match message:
            case link.Readiness(is_ready=True):
                self.gateway_ready(now)
            case link.Readiness():  # what it was asked goes on
                self.gateway_is_ready = False
                for leg in self.legs:
                    leg.gateway_left(False, now)
            case link.Admitted() if self.verdict is Verdict.NONE:
                self.verdict = Verdict.ADMITTED
            case link.TurnMessage():
                for leg in self.legs:  # of which one works on that turn
                    leg.receive(message, now)

    # For the turns of its legs

    def on_leg(self, leg: link.LegName) -> LegTurns | None:
        """Return the turns of a leg, if somebody is there."""
        turns = self.caller if leg == "caller" else self.return_leg
        return turns if turns is not None and turns.is_there else None

    def next_turn(self) -> int:
        """Return the number of a new turn; what is transcribed ahead was begun for that number."""
        for leg in self.legs:
            leg.caller_resumed()
        self.turns += 1
        return self.turns

    def may_ask(self, asking: TurnSequence) -> bool:
        """Whether the turn of a leg may be asked for: the gateway works on one of a call at a time.

        The older one goes first, and none goes before it is known whether what the dialog remembers of the
        one before counts.
        """
        other = self._other(asking)
        if other is None or self.is_over:
            return not self.is_over
        turn = other.turn
        goes_first = turn.state is TurnState.WAITING and turn.number < asking.turn.number
        return turn.state not in RUNNING and turn.dialog_state is None and not goes_first

    def ask(self, turn: Turn) -> None:
        """Ask the gateway for the answer of a turn."""
        self.outbox.append(
            turn.request(self.call_id, self.history, self.dialog_state, self.language, self.has_return_leg)
        )

    @property
    def is_transcribed_ahead(self) -> bool:
        """Whether a transcription was begun at a pause that lasts: one for a call."""
        return any(leg.ahead_turn is not None for leg in self.legs)

    def announce(self, message: link.SentenceAudio | link.HangUp, now: float) -> bool:
        """Do on a leg what a turn of another one has done there; False: nobody is there."""
        leg = self.on_leg(message.leg)
        return leg is not None and leg.announce(message, now)

    def announcement_heard(self, leg: TurnSequence, source: int) -> None:
        """Something was heard on a leg that a turn of another one says there."""
        if (other := self._other(leg)) is not None:
            other.was_announced(source)

    def withdraw(self, leg: TurnSequence, source: int, now: float) -> None:
        """A turn of a leg is given up unheard."""
        if (other := self._other(leg)) is not None:
            other.withdraw(source, now)

    def leg_changed(self, leg: TurnSequence, now: float) -> None:
        """Something happened on a leg."""
        if (other := self._other(leg)) is not None:
            other.other_changed(leg, now)

    def _other(self, leg: TurnSequence) -> LegTurns | None:
        return self.return_leg if leg.leg == "caller" else self.caller

    def note(self, speaker: Literal["caller", "server"], text: str, leg: link.LegName) -> None:
        """Something was said and heard."""
        self._history.append(link.HistoryEntry(speaker=speaker, text=text, leg=leg))

    def forget_heard(self, leg: link.LegName) -> None:
        """Take back what was heard last on a leg, if nothing was answered since: it will be heard again."""
        for index in reversed(range(len(self._history))):
            if self._history[index].leg == leg:
                if self._history[index].speaker == "caller":
                    del self._history[index]
                return

    def set_variable(self, name: str, value: str) -> None:
        """The dialplan gets this variable; one too many is dropped."""
        if name in self._variables or len(self._variables) < link.MAXIMUM_VARIABLES:
            self._variables[name] = value

    def write_record(self, turn: Turn) -> None:
        """A turn is over."""
        if self.is_over:
            return
        self.turns_taken += 1
        if self.on_turn is not None:
            self.on_turn(turn)
        self.turn_records.append(turn.record(self.keeps_text))
        self.outbox.append(link.TurnFinished(call_id=self.call_id, record=self.turn_records[-1]))
