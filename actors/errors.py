"""Every error that raymal raises on purpose, but those of AudioSocket (`ingress.audiosocket`).

Errors carry facts (ids, lengths, names), never a transcript and never audio.
"""

from __future__ import annotations


class RaymalError(Exception):
    """Base of every deliberate error."""


def described(error: BaseException) -> str:
    """Return an error's own words; the name of its class if it has none (TimeoutError, for one)."""
    return str(error).strip() or type(error).__name__


class ConfigurationError(RaymalError):
    """What the operator wrote cannot work. The message says what, where and what to do."""


class CapacityError(RaymalError):
    """No slot came free before the request's deadline."""


class WorkerLostError(RaymalError):
    """The worker died, or stopped answering, while it held the request."""


class UnknownIngressError(WorkerLostError):
    """The manager is new, or the ingress was silent for too long: the ingress has to register."""


class EngineError(RaymalError):
    """A speech engine could not load or could not do its work."""


class DialogError(RaymalError):
    """A dialog did what no dialog may do. Only its turn fails."""


class LookupFailedError(RaymalError):
    """What a dialog asked an address for did not come. The message names the look-up and quotes no value."""


class PortError(RaymalError):
    """A port cannot be listened on."""


class LinkError(RaymalError):
    """The media worker and the gateway could not exchange messages."""


class MessageTooLargeError(LinkError):
    """A message that the link does not carry: that one is lost, the link is not."""


class CallError(RaymalError):
    """Our own caller could not place its call, or the call broke off."""
