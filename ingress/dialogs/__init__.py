"""What answers the caller: events in, sentences and commands out.

Everything that the author of a dialog needs is here (docs/dialogs.md). A dialog object holds no state of a
call: history and state come with each event.
"""

from ingress.configuration.settings import DialogSettings
from ingress.dialogs.base import (
    CallBegan,
    CallEnded,
    CallerNotUnderstood,
    CallerPressed,
    CallerSaid,
    CollectKeys,
    Dialog,
    DialogAction,
    DialogCall,
    DialogEvent,
    EndCall,
    Interrupted,
    LegJoined,
    LegLeft,
    Listen,
    NothingHeard,
    PlayContinuousTone,
    PlayFile,
    Say,
    SetVariable,
    Transfer,
)

__all__ = [
    "CallBegan",
    "CallEnded",
    "CallerNotUnderstood",
    "CallerPressed",
    "CallerSaid",
    "CollectKeys",
    "Dialog",
    "DialogAction",
    "DialogCall",
    "DialogEvent",
    "DialogSettings",
    "EndCall",
    "Interrupted",
    "LegJoined",
    "LegLeft",
    "Listen",
    "NothingHeard",
    "PlayContinuousTone",
    "PlayFile",
    "Say",
    "SetVariable",
    "Transfer",
]
