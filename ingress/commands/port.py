"""The number of a port, on a command line."""

from __future__ import annotations

import argparse


def port(text: str) -> int:
    """Return the port of that number. Raises argparse.ArgumentTypeError."""
    if not text.isdecimal() or len(text) > 5 or not 1 <= int(text) <= 65_535:
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is no port; give a number from 1 to 65535")
    return int(text)
