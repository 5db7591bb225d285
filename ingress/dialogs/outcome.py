"""What a dialog may give the dialplan: checked, so that it can stand in a dialplan line."""

from __future__ import annotations

import re

from actors.errors import DialogError

TARGET = re.compile(r"[A-Za-z0-9_+*#.@-]{1,64}")
VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{0,31}")
MAXIMUM_VALUE = 256
"""Characters."""


def checked_target(target: object) -> str:
    """Return where to transfer to. Raises DialogError."""
    if not isinstance(target, str) or not TARGET.fullmatch(target):
        raise DialogError(
            "the dialog transfers to what is no target: letters, digits and _+*#.@-, 64 at most"
        )
    return target


def checked_variable(name: object, value: object) -> None:
    """Raise DialogError unless the dialplan can take the variable."""
    if not isinstance(name, str) or not VARIABLE.fullmatch(name):
        raise DialogError(
            "the dialog sets a variable without a proper name: capital letters, digits and _, "
            "a letter first, 32 at most"
        )
    if not isinstance(value, str) or len(value) > MAXIMUM_VALUE or one_line(value) != value:
        raise DialogError(
            f"the dialog sets {name} to what is no text of one line of {MAXIMUM_VALUE} characters at most"
        )


def one_line(text: str) -> str:
    """Return a text without control characters, `MAXIMUM_VALUE` long at most."""
    return "".join(char for char in text if char.isprintable())[:MAXIMUM_VALUE]
