"""Every error raymal raises on purpose.

    RaymalError
    ├── ConfigurationError      what the operator wrote cannot work; says where and what to do
    ├── ProtocolError           AudioSocket
    │   ├── RemoteProtocolError     the peer sent what the protocol forbids: end this call
    │   └── LocalProtocolError      we misused the protocol class: a defect of ours
    ├── CapacityError           no slot within the deadline
    ├── WorkerLostError         the worker died or was unreachable while it held a request
    │   └── UnknownIngressError     the manager does not know the ingress: it has to register
    ├── EngineError             an engine could not load, transcribe or synthesize
    ├── DialogError             a dialog did what no dialog may do
    ├── PortError               a port cannot be listened on
    ├── LinkError               media worker and gateway could not exchange messages
    └── CallError               our own caller could not place a call, or it broke off

Errors carry facts (ids, lengths, names), never a transcript and never audio.
"""

from __future__ import annotations


class RaymalError(Exception):
    """Base of every deliberate error."""


class ConfigurationError(RaymalError):
    """The configuration cannot work. The message says what, where and what to do."""


class ProtocolError(RaymalError):
    """Base of AudioSocket errors."""


class RemoteProtocolError(ProtocolError):
    """The peer sent something the protocol forbids. Only its own call ends."""


class LocalProtocolError(ProtocolError):
    """We asked the protocol class for something it must not do."""


class CapacityError(RaymalError):
    """No slot came free before the request's deadline."""


class WorkerLostError(RaymalError):
    """The worker died, or stopped answering, while it held the request."""


class UnknownIngressError(WorkerLostError):
    """The manager does not know the ingress: it is new, or the ingress was silent for too long."""


class EngineError(RaymalError):
    """A speech engine could not load or could not do its work."""


class DialogError(RaymalError):
    """A dialog did what no dialog may do. Only its turn fails."""


class PortError(RaymalError):
    """A port cannot be listened on."""


class LinkError(RaymalError):
    """The media worker and the gateway could not exchange messages."""


class CallError(RaymalError):
    """Our own caller could not place its call, or the call broke off."""
