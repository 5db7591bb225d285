"""What the parts of the web process share."""

from __future__ import annotations

from dataclasses import dataclass, field

from ingress.configuration.settings import Settings
from ingress.web.live import LiveModel
from ingress.web.question import Question


@dataclass(frozen=True, slots=True)
class Services:
    """One of each, made when the process starts (`ingress.web.process`)."""

    settings: Settings
    gateway: Question
    """To the gateway, as an observer."""
    control: Question
    """To the supervisor."""
    live: LiveModel = field(default_factory=LiveModel)
