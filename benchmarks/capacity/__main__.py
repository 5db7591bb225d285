"""`raymal capacity` by another name, beside the other benchmarks: `python -m benchmarks.capacity`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ingress.cli import main as raymal


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return raymal(["capacity", *(sys.argv[1:] if arguments is None else arguments)])


if __name__ == "__main__":
    raise SystemExit(main())
