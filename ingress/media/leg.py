"""One leg, an AudioSocket connection: where socket, protocol, hearing, call and clock meet.

`Leg` is the caller's: the call begins and ends with it. A second one is `ingress.media.return_leg`.

Until the UUID has come the connection is watched; from then on it is read and written on the clock's tick
alone. What has come is read

| while | every |
|---|---|
| an answer plays, which a key stops | tick |
| a decision about the caller's speech is near | tick |
| the caller surely speaks | second tick |
| the caller is silent | third tick |

so a frame waits 10 to 30 ms on average for its reading, and a call costs no wake-up of its own and, while
nothing plays, a third of the reads. Only after a reading may hearing take what is missing for a gap in the
stream.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from enum import Enum
from time import monotonic
from typing import TYPE_CHECKING

from actors.telephone import FRAME_S
from ingress.access.invitations import Invitation, Uninvited
from ingress.access.networks import origin
from ingress.audiosocket import (
    CallIdentified,
    DigitReceived,
    Event,
    PeerFailed,
    PeerHungUp,
    UnknownMessage,
)
from ingress.configuration.extensions import Extension, Phrase
from ingress.configuration.settings import Settings
from ingress.link.live import Activity, LiveCall
from ingress.link.messages import CallEnded, Message
from ingress.link.records import CallRecord
from ingress.media.call import Call, Verdict
from ingress.media.connection import Connection
from ingress.media.endings import Ending
from ingress.media.hearing.events import (
    CallerPaused,
    CallerResumed,
    CallerSpeaking,
    HeardUtterance,
    HearingEvent,
)
from ingress.media.hearing.hearing import Hearing
from ingress.media.hearing.vad import level_dbfs
from ingress.media.lateness import LatenessHistogram
from ingress.media.leg_turns import LegTurns
from ingress.media.pacing import LONG_GAP_S
from ingress.media.receiver import BadPeer, Receiver
from ingress.media.recording.recording import Recording
from ingress.media.turn_sequence import TURN_DEADLINE_S
from ingress.recordings.names import RecordingName

if TYPE_CHECKING:
    from ingress.media.calls import Calls
    from ingress.media.return_leg import ReturnLeg

UNUSUAL_GAP_S = 0.03
"""Shorter gaps between two sends are not measured: the longest is this or more."""
TURN_MARGIN_S = 5.0
"""For messages on their way."""

log = logging.getLogger(__name__)


class LegState(Enum):
    """Where a connection is."""

    HANDSHAKE = "handshake"
    LIVE = "live"
    ENDED = "ended"


class Leg:
    """One connection, from accept to hangup."""

    _hung_up = Ending.CALLER
    """When Asterisk ends it."""

    def __init__(self, calls: Calls, connection: Connection, extension: Extension) -> None:
        self._calls = calls
        self._connection = connection
        self.origin = origin(connection.address)
        """What the limits of one address count by."""
        self._extension = extension
        self._settings = calls.settings.server
        self._receiver = Receiver(connection.protocol)
        self._recording: Recording | None = None
        self._state = LegState.HANDSHAKE
        self.return_leg: ReturnLeg | None = None
        """The call's second connection, while it is there."""
        self._call: Call
        """From the UUID on, as the next four."""
        self._turns: LegTurns
        self._hearing: Hearing
        self._started_s: float
        self._last_send_s: float
        self._lateness = LatenessHistogram()
        self._level_dbfs: float | None = None
        self._longest_gap_s = UNUSUAL_GAP_S
        self._long_gaps = 0
        self._unread_ticks = 0
        """How many more ticks leave what has come in the kernel."""
        self._has_failed = False
        """Whether Asterisk has reported an error."""
        connection.watch(self.read)
        deadline_s = self._settings.handshake_deadline_s
        self._deadline = asyncio.get_running_loop().call_later(
            deadline_s, self._miss_uuid, f"no UUID within {deadline_s:g} s"
        )

    def send(self, frames: int, frame_bytes: int, due_s: float) -> None:
        """Send `frames` frames, the first of which was due at `due_s`. Called by the clock; never blocks."""
        now = monotonic()
        turns, connection = self._turns, self._connection
        self._lateness.add(now - due_s, frames)
        gap_s = now - self._last_send_s
        if gap_s > UNUSUAL_GAP_S:
            self._longest_gap_s = max(self._longest_gap_s, gap_s)
            self._long_gaps += gap_s >= LONG_GAP_S
        self._last_send_s = now
        try:
            for _ in range(frames):
                frame = turns.next_frame(now, frame_bytes)
                if not connection.send_audio(frame):
                    self.end(Ending.NOT_READING)
                    return
                if self._recording is not None:
                    self._recording.said(frame, now)
        except BrokenPipeError:
            # It closed some frames ago; a connection that broke would be reset. What it sent last is there.
            self.read()
            self._take(self._receiver.end(), now)
        except OSError as error:
            self._lost(error)

    def listen(self) -> None:
        """Take what has come. Called by the clock after the frames of all legs; never blocks."""
        if self._unread_ticks and self._turns.playout.is_empty:
            self._unread_ticks -= 1  # what there is to do can wait for the next reading
            return
        self.read()
        if self._state is not LegState.LIVE:
            return
        call, hearing, now = self._call, self._hearing, self._last_send_s
        self._unread_ticks = 2
        if hearing.is_in_speech:
            self._unread_ticks = 0 if hearing.is_deciding else 1
            self._pass_on(hearing.pause(now), now)
        call.check_deadlines(now)
        if call.outbox:
            self._forward()
        since_s, deadline_s = self._receiver.message_since_s, self._settings.message_deadline_s
        if since_s is not None and now - since_s > deadline_s:
            self.end(Ending.UNFINISHED, f"a message was not complete within {deadline_s:g} s")
        elif self._turns.is_at_end(now):
            limit = self._turns.limit_reached
            if limit is not None and call.refusal is None:
                self.end(limit.ending, limit.detail)
            else:
                self._end_as_planned(call)

    def _end_as_planned(self, call: Call) -> None:
        if call.refusal is None:
            self.end(Ending.DIALOG)
        elif call.verdict is not Verdict.REFUSED:
            self.end(Ending.WAITED, f"{Ending.WAITED.value}: {call.refusal}")
        else:
            self.end(Ending.REFUSED, f"{Ending.REFUSED.value}: {call.refusal}")

    def fault(self, error: Exception) -> None:
        """A mistake of ours came up, on the clock or on the link: it costs this call alone."""
        log.error("call %s failed", self._name, exc_info=error)
        self.end(Ending.FAULT, f"internal fault: {type(error).__name__}")

    def receive(self, message: Message) -> None:
        """Take a message of the gateway for this call."""
        try:
            self._call.receive(message, monotonic())
            self._forward()
        except Exception as error:  # the link is all calls'
            self.fault(error)

    def gateway_gone(self) -> None:
        """The link to the gateway broke."""
        try:
            self._call.gateway_gone(monotonic())
            self._forward()
        except Exception as error:
            self.fault(error)

    @property
    def is_live(self) -> bool:
        """Whether it is a call now."""
        return self._state is LegState.LIVE

    @property
    def call_id(self) -> str:
        """The call's; of a call alone."""
        return self._call.call_id

    @property
    def call(self) -> Call:
        """The call; of one alone."""
        return self._call

    @property
    def extension(self) -> Extension:
        """What the connection is served by."""
        return self._extension

    def changing(self) -> tuple[Activity, Activity | None, int, int, int]:
        """Return what is reported anew when it changes: activity of both legs, turns, underruns, lateness by
        10 ms."""
        call, lateness = self._call, int(self._lateness.maximum_s * 100.0)
        return self.activity, self._return_activity, call.turns_taken, call.underruns, lateness

    def seen(self) -> LiveCall:
        """Return the call as it is reported to the web process."""
        call, lateness, invitation = self._call, self._lateness, self._call.invitation
        return LiveCall(
            call_id=call.call_id,
            extension=call.extension,
            language=call.language or self._extension.language,
            priority=self._extension.priority,
            caller_number=invitation.caller_number if invitation else None,
            caller_name=invitation.caller_name if invitation else None,
            peer=self._connection.peer,
            started_at_s=call.started_at_s,
            activity=self.activity,
            return_activity=self._return_activity,
            turns=call.turns_taken,
            lateness_p99_ms=lateness.p99_ms(),
            lateness_maximum_ms=lateness.maximum_s * 1000.0,
            underruns=call.underruns,
            level_dbfs=self._level_dbfs,
        )

    def ended(self, record: CallRecord) -> CallEnded:
        """Return what the gateway gets when the call is over."""
        return self._call.ended(record)

    @property
    def _return_activity(self) -> Activity | None:
        return self.return_leg.activity if self.return_leg is not None else None

    @property
    def activity(self) -> Activity:
        """What happens on it; of a call alone."""
        activity = self._turns.activity
        is_heard = self._extension.needs_speech and self._hearing.is_sure
        if is_heard and activity not in (Activity.WAITING, Activity.REFUSED):
            return Activity.HEARING
        return activity

    @property
    def wait_s(self) -> float | None:
        """How long somebody in the call has waited for a gateway that can answer; None: nobody waits."""
        since_s = [leg.waits_since_s for leg in self._call.legs if leg.waits_since_s is not None]
        return monotonic() - min(since_s) if since_s else None

    def refuse(self, reason: str) -> bool:
        """Play the busy phrase, then hang up; False if the call was admitted and goes on, or ends already."""
        if self._call.verdict is Verdict.ADMITTED or self._call.refusal is not None:
            return False
        log.info("call %s refused: %s", self._name, reason)
        recording, self._recording = self._recording, None
        if recording is not None:
            recording.discard()
        self._call.refuse(reason, monotonic())
        return True

    def end(self, ending: Ending, detail: str = "") -> None:
        """End the connection: the one place where a leg releases what it holds. Idempotent."""
        detail = detail or ending.value
        state, self._state = self._state, LegState.ENDED
        if state is LegState.ENDED:
            return
        if state is LegState.HANDSHAKE:
            self._leave_handshake()
            log.info("connection from %s closed: %s", self._connection.peer, detail)
            self._calls.handshake_ended(self, self._connection, ending)
        else:
            self._hearing.close()
            self._end_live(ending, detail, monotonic())

    def _end_live(self, ending: Ending, detail: str, now: float) -> None:
        """The call is over."""
        self._call.end(now)
        self._forward()
        self._turns.leave_turn()
        record = self._record(ending, detail)
        log.info("%s", record.describe())
        self._calls.ended(self, self._connection, ending, record, self._recording)

    def _miss_uuid(self, detail: str) -> None:
        """End the connection, unless its UUID came while this process was stopped."""
        self.read()
        if self._state is LegState.HANDSHAKE:
            self.end(Ending.NO_UUID, detail)

    def _leave_handshake(self) -> None:
        self._connection.unwatch()
        self._deadline.cancel()

    def read(self) -> None:
        """Take what has come, now. The clock's `listen` does it in time; a second call may end with it."""
        try:
            data = self._connection.receive()
        except OSError as error:
            self._lost(error)
            return
        now = monotonic()
        if data is None:
            self._take(self._receiver.end(), now)
        elif data:
            for item in self._receiver.receive(data, now):
                if isinstance(item, list):
                    self._hear(item, now)
                else:
                    self._take(item, now)
                    if self._state is LegState.ENDED:
                        return

    def _hear(self, frames: list[bytes], now: float) -> None:
        self._turns.limits.came_s = now
        if self._recording is not None:
            self._recording.heard(frames, now)
        if self._hearing.has_ignored(frames, now):
            return
        self._hearing.wait_for(self._turns.listening.end_silence_ms)
        # Frames that are read together came one after the other, or would have.
        for frames_after, frame in zip(reversed(range(len(frames))), frames, strict=True):
            if events := self._hearing.frame(frame, now - FRAME_S * frames_after):
                self._pass_on(events, now)

    def _take(self, event: Event | BadPeer, now: float) -> None:
        match event:
            case CallIdentified(uuid):
                self._identify(str(uuid), now)
            case DigitReceived(digit):
                self._pass_on(self._hearing.digit(now), now)
                self._turns.press(digit, now)
                self._forward()
            case PeerHungUp():
                self.end(Ending.NO_CALL if self._state is LegState.HANDSHAKE else self._hung_up)
            case BadPeer(ending, detail):
                self.end(ending, detail)
            case PeerFailed(code):
                if not self._has_failed:
                    self._has_failed = True
                    log.warning("call %s: Asterisk reported error code %s", self._name, code)
            case UnknownMessage(kind, length):
                log.debug("call %s: skipped kind 0x%02x, %d bytes", self._name, kind, length)

    def _lost(self, error: OSError) -> None:
        if self._state is LegState.LIVE and isinstance(error, ConnectionResetError):
            self.end(self._hung_up)  # so a hangup arrives if a frame of ours crossed it, or was not read
        else:
            self.end(Ending.LOST, f"connection lost: {error.strerror or error}")

    def _identify(self, call_id: str, now: float) -> None:
        calls, settings = self._calls, self._calls.settings
        invitation = self._invitation(call_id, now)
        if isinstance(invitation, Uninvited):
            self.end(Ending.NOT_INVITED, f"call {call_id} refused: {invitation.value}")
            return
        extension = self._extension
        started_at = datetime.now(UTC)
        call = Call(
            call_id,
            extension.name,
            started_at_s=started_at.timestamp(),
            barge_in=extension.barge_in,
            keeps_text=settings.privacy.keep_transcripts,
            phrases=self._phrase,
            waiting_limit_s=settings.server.waiting_limit_s,
            turn_deadline_s=_turn_deadline_s(settings, extension),
            settings=extension,
            invitation=invitation,
        )
        refusal = calls.identified(self, call)
        if refusal is not None and not refusal.plays_phrase:
            self.end(refusal.ending, f"call {call_id} refused: {refusal.detail}")
            return
        self._go_live(call, call.caller, now)
        if refusal is not None:
            self.refuse(refusal.detail)
            return
        if extension.recording.keeps_anything:
            name = RecordingName(started_at, extension.name, call_id)
            self._recording = calls.recorder.begin(name, extension.recording, now)
            call.on_turn = self._recording.turn
        log.info("call %s started from %s on extension %s", call_id, self._connection.peer, extension.name)
        if calls.gateway_is_ready:
            call.gateway_ready(now)
        call.caller.begin(now)
        self._forward()

    def _go_live(self, call: Call, turns: LegTurns, now: float) -> None:
        self._leave_handshake()
        self._state = LegState.LIVE
        self._call, self._turns = call, turns
        extension = self._extension
        confirmer = self._calls.confirmer_for(extension.endpointing)
        self._hearing = Hearing(extension.endpointing, extension.barge_in.speech_ms, confirmer)
        self._started_s = self._last_send_s = turns.limits.came_s = now

    def _invitation(self, call_id: str, now: float) -> Invitation | Uninvited | None:
        """Use the call's invitation, whose extension, priority and language hold; None: it needs none."""
        calls = self._calls
        found = calls.invitations.take(call_id, self._connection.address, now)
        if found is Uninvited.UNKNOWN and not calls.settings.access.require_begin:
            return None
        if isinstance(found, Invitation):
            extension = calls.extensions.get(found.extension, self._extension)
            self._extension = extension.chosen(found.priority, found.language)
        return found

    def _phrase(self, phrase: Phrase) -> bytes | None:
        """Return a phrase in the call's language, if it is there."""
        extension = self._extension.chosen(None, self._call.language)
        return self._calls.phrases.audio(extension, phrase)

    def _pass_on(self, events: tuple[HearingEvent, ...], now: float) -> None:
        if not events or not self._extension.needs_speech:
            return
        turns = self._turns
        for event in events:
            match event:
                case CallerSpeaking():
                    turns.caller_speaking(now)
                case CallerPaused(utterance):
                    turns.caller_paused(utterance)
                case CallerResumed():
                    turns.caller_resumed()
                case HeardUtterance():
                    self._level_dbfs = round(level_dbfs(event.audio), 1)
                    turns.hear(event, now)
        self._forward()

    def _forward(self) -> None:
        messages, self._call.outbox = self._call.outbox, []
        for message in messages:
            self._calls.send(message)

    @property
    def _name(self) -> str:
        return self._connection.peer if self._state is LegState.HANDSHAKE else self._call.call_id

    def _record(self, ending: Ending, detail: str) -> CallRecord:
        call, receiver, hearing = self._call, self._receiver, self._hearing
        lateness = self._lateness.summary()
        return CallRecord(
            call_id=call.call_id,
            extension=call.extension,
            priority=self._extension.priority.value,
            was_refused=call.verdict is Verdict.REFUSED,
            duration_s=monotonic() - self._started_s,
            end_reason=detail,
            outcome=call.outcome(ending.result, detail),
            frames_sent=lateness.frames,
            frames_received=receiver.audio_messages,
            unknown_messages=receiver.unknown_messages,
            dropped_noises=hearing.dropped_noises,
            unconfirmed=hearing.unconfirmed,
            dropped_turns=call.dropped_turns,
            interruptions=call.interruptions,
            underruns=call.underruns,
            longest_gap_ms=self._longest_gap_s * 1000.0,
            long_gaps=self._long_gaps,
            discarded_ms=receiver.discarded_s * 1000.0,
            lateness=lateness,
            turns_taken=call.turns_taken,
            turns=tuple(call.turn_records),
            unfinished=call.caller.unfinished,
        )


def _turn_deadline_s(settings: Settings, extension: Extension) -> float:
    """Return how long the gateway may be silent in a turn: longer than all its own deadlines for one step."""
    speech = settings.speech
    work_s = max(speech.transcription_deadline_s, speech.synthesis_deadline_s)
    return max(TURN_DEADLINE_S, extension.dialog.deadline_s + work_s + TURN_MARGIN_S)
