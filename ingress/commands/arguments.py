"""Values of flags that several commands have."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from uuid import UUID


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


def call_id(written: str) -> str:
    """Return a call's UUID as the server writes it. For `type=`, as `port`."""
    try:
        return str(UUID(written))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{written[:60]!r} is no UUID of a call") from error


def add_server_port(parser: argparse.ArgumentParser) -> None:
    """Add the flag that says which server is asked."""
    parser.add_argument("--port", type=port, default=9092, help="the server's port, or an extension's (9092)")
