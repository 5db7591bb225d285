"""Whether a model file of CTranslate2 is whole, found out without reading its weights.

The layout is that of its `model.cc`, little-endian, for binary versions 4 to 6:

| field | type |
|---|---|
| binary version | uint32 |
| name of the specification | text: uint16 length, bytes |
| revision, number of variables | uint32, uint32 |
| each variable: name; rank; dimensions; type; size; data | text; uint8; uint32 each; uint8; uint32; bytes |
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import IO

KNOWN_VERSIONS = range(4, 7)
MOST_VARIABLES = 1_000_000


def damage(path: Path) -> str | None:
    """Return what is wrong with the file; None: it is whole, or of a version that is not known here.

    Raises OSError.
    """
    with path.open("rb") as file:
        size = path.stat().st_size
        try:
            if _number(file, "I") not in KNOWN_VERSIONS:
                return None
            _skip_text(file)
            _number(file, "I")
            count = _number(file, "I")
            if count > MOST_VARIABLES:
                return "it is no model of CTranslate2"
            for _ in range(count):
                _skip_text(file)
                file.seek(4 * _number(file, "B") + 1, 1)
                file.seek(_number(file, "I"), 1)
                if file.tell() > size:
                    break
            else:
                return None
        except struct.error:  # the file has ended
            pass
    return f"it ends too early, after {size} bytes: copy or download it again"


def _number(file: IO[bytes], kind: str) -> int:
    """Return the next number. Raises struct.error at the end of the file."""
    found: int = struct.unpack(f"<{kind}", file.read(struct.calcsize(f"<{kind}")))[0]
    return found


def _skip_text(file: IO[bytes]) -> None:
    file.seek(_number(file, "H"), 1)
