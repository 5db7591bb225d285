"""What the processor is called."""

from __future__ import annotations

import platform
from pathlib import Path


def processor_name() -> str:
    """Return the model that Linux names in /proc/cpuinfo, else the architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
