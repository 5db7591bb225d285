"""What an ingress says of itself when it makes itself known to the manager: the whole of it, every time.

A manager keeps nothing on disk. Whatever a new one has to know, ingresses bring along: their calls, and the
leases that a former manager granted them and that they still use.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from actors.messages import Lease, LeaseRequest, SessionStarted
from actors.settings import AdmissionSettings, FleetSettings, SpeechSettings, ThrottleSettings


@dataclass(frozen=True, slots=True)
class HeldLease:
    """A lease in use."""

    request: LeaseRequest
    lease: Lease


@dataclass(frozen=True, slots=True)
class IngressStarted:
    """A gateway wants to use the fleet, or to go on using it."""

    ingress_id: str
    node_id: str
    """The machine it runs on; Asterisk's cores are kept free there."""
    speech: SpeechSettings
    fleet: FleetSettings
    admission: AdmissionSettings = field(default_factory=AdmissionSettings)
    throttle: ThrottleSettings = field(default_factory=ThrottleSettings)
    sessions: tuple[SessionStarted, ...] = ()
    """All its calls: others that the manager has for it have ended."""
    held: tuple[HeldLease, ...] = ()
    """All leases it uses."""
