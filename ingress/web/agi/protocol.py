"""AGI as Asterisk speaks it: pure, no socket.

Asterisk sends `agi_NAME: value` lines and an empty one, then answers each command with a line `200 result=…`,
or with an error: 510, 511 (the channel is dead), 520 with several lines. A line `HANGUP` may stand between
them (Asterisk documentation, "Asterisk Gateway Interface"; res/res_agi.c).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from actors.errors import RaymalError

MAXIMUM_LINE_BYTES = 2_048
MAXIMUM_LINES = 128
"""Asterisk sends some twenty, and `AGI()` takes a hundred arguments at most."""
MAXIMUM_CALLER_CHARACTERS = 128
"""Of a number or a name; the rest is cut off."""
ANONYMOUS = {"", "unknown"}
"""What stands for a caller ID that is not there."""


class AgiError(RaymalError):
    """The other side does not speak AGI, or the channel is gone."""


@dataclass(frozen=True, slots=True)
class AgiRequest:
    """What a dialplan asks."""

    script: str
    """`begin` of `agi://HOST/begin?extension=sales`."""
    options: dict[str, str]
    caller_number: str | None
    caller_name: str | None

    @classmethod
    def of(cls, lines: Iterable[str]) -> AgiRequest:
        """Return the request of the lines before the empty one. Raises AgiError."""
        variables: dict[str, str] = {}
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon or not name.startswith("agi_"):
                raise AgiError("a line that is no `agi_NAME: value`")
            if name in variables:  # Asterisk names each once; a caller's name may hold anything
                raise AgiError(f"{name[:64]} twice")
            variables[name] = value.strip()
        if "agi_request" not in variables:
            raise AgiError("no agi_request")
        try:
            address = urlsplit(variables["agi_request"])
            options = dict(parse_qsl(address.query, max_num_fields=32))
        except ValueError as error:
            raise AgiError("agi_request is no address") from error
        for name, value in variables.items():
            key, equals, argument = value.partition("=")
            if name.startswith("agi_arg_") and equals:
                options[key.strip()] = argument.strip()
        return cls(
            script=address.path.strip("/"),
            options=options,
            caller_number=_known(variables.get("agi_callerid", "")),
            caller_name=_known(variables.get("agi_calleridname", "")),
        )


def set_variable(name: str, value: str) -> bytes:
    """Return the command that sets a channel variable. The value cannot leave its quotes."""
    plain = "".join(char if char.isprintable() else " " for char in value)
    quoted = plain.replace("\\", "\\\\").replace('"', '\\"')
    return f'SET VARIABLE {name} "{quoted}"\n'.encode()


def is_answered(line: str) -> bool:
    """Whether a line ends the answer to a command. Raises AgiError if it refuses the command."""
    if line.startswith("200"):
        return True
    if line == "HANGUP" or line.startswith("520-"):
        return False
    code, _, rest = line.partition(" ")
    if code.isdecimal() and len(code) == 3:
        raise AgiError(f"Asterisk answered {code} {rest[:80]}")
    return False  # the usage between `520-` and `520 `


def _known(text: str) -> str | None:
    """Return a caller ID as it may be kept. The caller chose it, not the dialplan: it is never a mistake."""
    plain = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return None if plain.lower() in ANONYMOUS else plain[:MAXIMUM_CALLER_CHARACTERS]
