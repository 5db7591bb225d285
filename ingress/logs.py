"""How processes log: one line per event to standard error, with the process's name.

No transcript and no audio ever goes here; ids, lengths and durations do.
"""

from __future__ import annotations

import logging
import sys


def configure(process: str, level: str = "INFO") -> None:
    """Send this process's log to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        logging.Formatter(f"%(asctime)s %(levelname)-7s {process}: %(message)s", "%Y-%m-%d %H:%M:%S")
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
