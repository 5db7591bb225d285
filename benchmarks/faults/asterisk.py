"""The strict peer of the tests, for benchmarks: the one place that knows where it is kept."""

from __future__ import annotations

import sys
from pathlib import Path

PROGRAM = Path(__file__).resolve().parents[2] / "tests" / "support" / "strict_peer.py"
if str(PROGRAM.parent) not in sys.path:
    sys.path.append(str(PROGRAM.parent))

from strict_peer import (  # noqa: E402  (the path above comes first)
    CallReport,
    Ending,
    Outgoing,
    StrictCall,
    audio_bytes,
    voice,
)

__all__ = ["PROGRAM", "CallReport", "Ending", "Outgoing", "StrictCall", "audio_bytes", "voice"]
