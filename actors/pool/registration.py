"""What an ingress says of itself when it makes itself known to the manager: the whole of it, every time.

A manager keeps nothing on disk. Whatever a new one has to know, ingresses bring along: their calls, and the
leases that a former manager granted them and that they still use.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

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


def differences(one: IngressStarted, other: IngressStarted) -> list[str]:
    """Return a line for each setting that all ingresses of a fleet share and these two do not."""
    mine, theirs = _shared_settings(one), _shared_settings(other)
    return [
        f"{key} is {mine[key]!r} there and {theirs[key]!r} here" for key in mine if mine[key] != theirs[key]
    ]


NOT_SHARED = {"backend", "ray_address", "ray_namespace", "worker_start_deadline_s", "object_store_bytes"}
"""Settings of the fleet's section that are each ingress's own affair."""


def _shared_settings(ingress: IngressStarted) -> dict[str, Any]:
    tree = {
        "speech": ingress.speech.model_dump(mode="json"),
        "fleet": ingress.fleet.model_dump(mode="json", exclude=NOT_SHARED),
        "admission": ingress.admission.model_dump(mode="json"),
        "throttle": ingress.throttle.model_dump(mode="json"),
    }
    return dict(_flattened(tree, ""))


def _flattened(tree: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _flattened(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
