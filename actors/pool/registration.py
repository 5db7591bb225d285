"""What an ingress says when it registers with the manager: all of it, every time.

A manager stores nothing. A new one learns from the ingresses which calls they have, and which leases of a
former manager they still use.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from actors.messages import FurtherEngine, Lease, LeaseRequest, SessionStarted
from actors.settings import AdmissionSettings, FleetSettings, SpeechSettings, ThrottleSettings


@dataclass(frozen=True, slots=True)
class HeldLease:
    """A lease in use."""

    request: LeaseRequest
    lease: Lease


@dataclass(frozen=True, slots=True)
class IngressStarted:
    """A gateway that uses the fleet, for the first time or again."""

    ingress_id: str
    node_id: str
    """The machine it runs on; Asterisk's cores are kept free there."""
    speech: SpeechSettings
    fleet: FleetSettings
    admission: AdmissionSettings = field(default_factory=AdmissionSettings)
    throttle: ThrottleSettings = field(default_factory=ThrottleSettings)
    sessions: tuple[SessionStarted, ...] = ()
    """All its calls: any other that the manager has for it has ended."""
    held: tuple[HeldLease, ...] = ()
    """All leases it uses."""
    physical_cores: float | None = None
    """Of its machine, of those CPUs that it may run on. None: not known."""
    engines: tuple[FurtherEngine, ...] = ()
    """That its extensions name: not the same for all ingresses."""


def differences(one: IngressStarted, other: IngressStarted) -> list[str]:
    """Return a line for each setting that all ingresses of a fleet share and these two do not."""
    mine, theirs = _shared_settings(one), _shared_settings(other)
    return [
        f"{key} is {mine[key]!r} there and {theirs[key]!r} here" for key in mine if mine[key] != theirs[key]
    ]


NOT_SHARED = {"backend", "ray_address", "ray_namespace", "worker_start_deadline_s", "object_store_bytes"}
"""Settings of the fleet's section that each ingress has for itself."""


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
