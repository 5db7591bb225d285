"""Values of flags that several commands have."""

from __future__ import annotations

import argparse
from collections.abc import Callable


def port(written: str) -> int:
    """Return the number of a TCP port. For `type=`: raises argparse.ArgumentTypeError."""
    if written.isascii() and written.isdecimal() and len(written) <= 5 and 0 < int(written) < 65_536:
        return int(written)
    raise argparse.ArgumentTypeError(f"{written[:20]!r} is no port: 1 to 65535")


def seconds(most: float) -> Callable[[str], float]:
    """Return what reads a number of seconds above 0 and up to `most`. For `type=`, as `port`."""

    def read(written: str) -> float:
        try:
            given = float(written)
        except ValueError:
            given = 0.0
        if 0.0 < given <= most:
            return given
        raise argparse.ArgumentTypeError(
            f"{written[:20]!r} is no number of seconds above 0 and up to {most:g}"
        )

    return read
