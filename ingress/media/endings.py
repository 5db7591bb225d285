"""Why connections end, or do not become calls: a short fixed list to count by; the log has the details."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ingress.link.records import CallResult


class Ending(Enum):
    """One reason; each connection ends for exactly one."""

    CALLER = "the caller hung up"
    RETURN_LEG = "the return leg hung up"
    DIALOG = "the dialog hung up"
    REFUSED = "refused"
    WAITED = "sent back to the dialplan after too long a wait"
    CALL_OVER = "the call is over"
    OPERATOR = "hung up by the operator"
    NO_INPUT = "nothing was said, several times in a row"
    TOO_LONG = "the longest time of a call was reached"
    NO_AUDIO = "no audio came any more"
    STOPPING = "the server is stopping"
    LOST = "connection lost"
    FAULT = "internal fault"
    # Bad peers.
    NOT_READING = "the peer does not read what it is sent"
    PROTOCOL = "protocol error"
    UNFINISHED = "a message was not completed in time"
    TOO_FAST = "audio came faster than time"
    CODEC = "a phone's codec labelled as linear audio"
    # Never became calls.
    NO_CALL = "closed without a UUID"
    NO_UUID = "no UUID in time"
    FULL = "refused: all calls are taken"
    IN_USE = "refused: the UUID is in use"
    DRAINING = "refused: the server is stopping"
    CROWDED = "closed before its UUID, to make room for newer connections"
    NOT_ALLOWED = "refused: the address is not in access.networks"
    TOO_OFTEN = "refused: the address connects too often"
    CROWDED_ADDRESS = "closed before its UUID, to make room for newer connections of its address"
    FULL_ADDRESS = "refused: all calls of its address are taken"
    NO_DESCRIPTORS = "refused: no file descriptors left"
    NO_SUCH_CALL = "refused: the return port has no running call with the UUID"
    NOT_INVITED = "refused: the UUID is not invited"

    @property
    def result(self) -> CallResult:
        """What the dialplan gets of a call that ends so."""
        match self:
            case Ending.CALLER | Ending.DIALOG | Ending.OPERATOR:
                return CallResult.ENDED
            case Ending.REFUSED | Ending.WAITED:
                return CallResult.REFUSED
            case Ending.NO_INPUT:
                return CallResult.NO_INPUT
            case Ending.TOO_LONG:
                return CallResult.TOO_LONG
            case Ending.NO_AUDIO:
                return CallResult.NO_AUDIO
            case _:
                return CallResult.FAILED


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a connection does not become a call."""

    ending: Ending
    detail: str
    plays_phrase: bool = False
    """Whether the busy phrase is played before the hangup; the leg is on the clock until then."""
