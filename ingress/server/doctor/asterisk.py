"""Asterisk, if it is on this machine: its version's AudioSocket, and whether the module is there.

What each version does is in its ChangeLog and in `res_audiosocket.c`:

| | 20 | 22 | 23 |
|---|---|---|---|
| waits 5 ms within a payload instead of ending the call at once | .15 | .5 | .0 |
| reads a header that came in two parts to the wrong place: the stream is lost | .17, .18 | .7, .8 | .1, .2 |
| that is corrected | .19 | .9 | .3 |

18 was the first with AudioSocket; 21 ended before the correction. Later majors have it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ingress.server.doctor.finding import Finding, Subject
from ingress.server.doctor.host import Host

DEADLINE_S = 5.0
MODULE = "app_audiosocket.so"
MODULE_FOLDERS = ("usr/lib/asterisk/modules", "usr/lib64/asterisk/modules", "usr/lib/*/asterisk/modules")
RECOMMENDED = "20.19, 22.9 or 23.3"


@dataclass(frozen=True, slots=True)
class _Branch:
    waits_from: int
    loses_stream: range
    """Minor versions."""


BRANCHES = {
    20: _Branch(15, range(17, 19)),
    22: _Branch(5, range(7, 9)),
    23: _Branch(0, range(1, 3)),
}
FIRST_MAJOR, ENDED_MAJORS = 18, {18, 19, 21}

subject = Subject("asterisk")


def findings(host: Host) -> Iterator[Finding]:
    """Yield what the Asterisk of this machine is."""
    program = _program(host)
    if program is None:
        yield subject.ok(
            "no Asterisk on this machine; the one that calls should be " + RECOMMENDED + " or newer"
        )
        return
    try:
        done = subprocess.run(
            [program, "-V"], capture_output=True, text=True, timeout=DEADLINE_S, check=False, errors="replace"
        )
    except (OSError, subprocess.SubprocessError) as error:
        yield subject.warning(
            f"its version is not known: {type(error).__name__}", f"run `{program} -V`", str(program)
        )
        return
    yield judged(done.stdout.strip(), str(program))
    yield from _module(host)


def judged(version: str, program: str = "asterisk") -> Finding:
    """Return what a line of `asterisk -V`, such as "Asterisk 20.14.1", means for AudioSocket."""
    found = re.match(r"Asterisk (?:certified[/-])?(\d+)\.(\d+)", version)
    if found is None:
        if version.startswith("Asterisk "):
            return subject.ok(f"{version}: a development version", program)
        return subject.warning("its version is not known", f"run `{program} -V`", program)
    major, minor = int(found[1]), int(found[2])
    upgrade = f"upgrade Asterisk to {RECOMMENDED}, or newer"
    if major < FIRST_MAJOR:
        return subject.wrong(f"{version} has no AudioSocket", upgrade, program)
    if major in ENDED_MAJORS:
        return subject.warning(f"{version} gets no corrections of AudioSocket any more", upgrade, program)
    branch = BRANCHES.get(major)
    if branch is not None and minor in branch.loses_stream:
        return subject.wrong(
            f"{version} ends calls when a message's header arrives in two parts", upgrade, program
        )
    if branch is not None and minor < branch.waits_from:
        return subject.warning(
            f"{version} ends a call at the first delay inside a message, as after a lost packet",
            f"{upgrade}; until then keep raymal on the same machine or network",
            program,
        )
    return subject.ok(version, program)


def _program(host: Host) -> Path | None:
    there = host.root / "usr/sbin/asterisk"
    if there.exists():
        return there
    found = shutil.which("asterisk", path=host.environment.get("PATH"))
    return Path(found) if found else None


def _module(host: Host) -> Iterator[Finding]:
    folders = [folder for pattern in MODULE_FOLDERS for folder in host.root.glob(pattern) if folder.is_dir()]
    if folders and not any((folder / MODULE).exists() for folder in folders):
        yield subject.wrong(
            f"{MODULE} is not installed: the dialplan has no AudioSocket()",
            "build it (`make menuselect`, Applications), or install its package (Debian: asterisk-modules)",
            str(folders[0]),
        )
