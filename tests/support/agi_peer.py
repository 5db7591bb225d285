"""Asterisk's side of FastAGI, strict: what it does not understand it answers with an error.

Written from Asterisk's documentation (AGI, `SET VARIABLE`) and res/res_agi.c: the environment, one command a
line, `200 result=1`; 510 for an unknown command, 511 on a dead channel, 520 with its usage lines.
"""

from __future__ import annotations

import asyncio
import re
from enum import Enum

COMMAND = re.compile(r'SET VARIABLE ([A-Z_][A-Z0-9_]*) "((?:[^"\\]|\\.)*)"')


class Manner(Enum):
    """What the channel does."""

    LIVES = "lives"
    DEAD = "is dead: 511"
    HANGS_UP = "is hung up between two commands"
    LEAVES = "closes after the environment"


async def ask(
    port: int,
    request: str,
    manner: Manner = Manner.LIVES,
    arguments: tuple[str, ...] = (),
    caller: tuple[str, str] = ("1001", 'Ana "A" Souza'),
) -> dict[str, str]:
    """Run `AGI(agi://…/request,arguments)`; return the channel variables that were set."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    variables: dict[str, str] = {}
    try:
        address = f"agi://127.0.0.1:{port}/{request}"
        environment = {
            "agi_network": "yes",
            "agi_network_script": request,
            "agi_request": address,
            "agi_channel": "PJSIP/1001-00000001",
            "agi_language": "en",
            "agi_type": "PJSIP",
            "agi_uniqueid": "1700000000.1",
            "agi_version": "20.19.0",
            "agi_callerid": caller[0],
            "agi_calleridname": caller[1],
            "agi_context": "default",
            "agi_extension": "100",
            "agi_priority": "1",
            "agi_enhanced": "0.0",
            "agi_accountcode": "",
            "agi_threadid": "140000000000000",
            **{f"agi_arg_{number}": text for number, text in enumerate(arguments, 1)},
        }
        lines = "".join(f"{name}: {value}\n" for name, value in environment.items())
        writer.write(f"{lines}\n".encode())
        if manner is Manner.LEAVES:
            return variables
        async with asyncio.timeout(10.0):
            while line := (await reader.readline()).decode().rstrip("\n"):
                match = COMMAND.fullmatch(line)
                if match is None:
                    raise AssertionError(f"Asterisk would not take {line!r}")
                if manner is Manner.DEAD:
                    writer.write(b"511 Command Not Permitted on a dead channel or intercept routine\n")
                    continue
                variables[match[1]] = re.sub(r"\\(.)", r"\1", match[2])
                if manner is Manner.HANGS_UP:
                    writer.write(b"HANGUP\n")
                writer.write(b"200 result=1\n")
    finally:
        writer.close()
    return variables
