"""What each line of Asterisk's releases does with an AudioSocket, as data.

From `app_audiosocket.c` (*app*) and `res_audiosocket.c` (*res*), line numbers of the 2026-08 master, and the
releases' change logs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Final

POLL_S: Final = 0.005


class HeaderReading(Enum):
    """How a release reads the three bytes of a header when fewer are there."""

    ONCE = auto()
    """Three reads of a byte; fewer than 3 bytes drop the call."""
    RESTARTS = auto()
    """A loop that polls for 5 ms and then reads to the beginning of its buffer again: it desynchronises
    (20.17 and 20.18, 22.7 and 22.8, 23.1 and 23.2)."""
    RESUMES = auto()
    """The loop, corrected, and without a limit: the call's thread hangs in it, sends nothing and does not
    notice a hangup (asterisk#2089, #2090)."""


@dataclass(frozen=True, slots=True)
class AsteriskVersion:
    """What one line of releases does; the defaults are those before 20.14."""

    name: str
    releases: str
    """The first releases of this behaviour in each branch."""
    ends_normally: bool = False
    """A hangup message or FIN: the application returns 0 and the dialplan goes on (app); else -1.
    (Before 20.14 it took FIN for an empty frame and span until a write failed; here it ends at once.)"""
    silence_limit_s: float | None = None
    """Nothing from either side for this long: drop (app:48)."""
    drops_unknown_kinds: bool = False
    """Else they are read and ignored."""
    drops_empty_audio: bool = False
    """Else length 0 is an empty frame."""
    sends_digits: bool = False
    payload_wait_s: float = 0.0
    """How long a payload may pause."""
    knows_wideband: bool = False
    """Kinds 0x11 to 0x18; else they are unknown and everything sent is labelled 0x10."""
    header: HeaderReading = HeaderReading.ONCE


_V13 = AsteriskVersion("20.13", "up to 20.13, 21.8, 22.3")
_V14 = replace(
    _V13, name="20.14", releases="20.14, 21.9, 22.4, 23.0", ends_normally=True, silence_limit_s=2.0,
    drops_unknown_kinds=True, drops_empty_audio=True, sends_digits=True,
)  # fmt: skip
_V15 = replace(_V14, name="20.15", releases="20.15, 21.10, 22.5, 23.0", payload_wait_s=POLL_S)
_V17 = replace(
    _V15, name="20.17", releases="20.17, 21.12, 22.7, 23.1", knows_wideband=True,
    header=HeaderReading.RESTARTS,
)  # fmt: skip
CURRENT: Final = replace(_V17, name="20.19", releases="20.19, 22.9, 23.3", header=HeaderReading.RESUMES)
VERSIONS: Final = {version.name: version for version in (_V13, _V14, _V15, _V17, CURRENT)}
