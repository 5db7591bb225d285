"""The prompt: the operator's text with the call's data, and how to speak on a telephone.

| placeholder | is |
|---|---|
| `{caller_number}`, `{caller_name}` | what the dialplan said of the caller, else "unknown" |
| `{language}` | `Portuguese (pt-BR)` |
| `{extension}` | the extension's name |
| `{date}`, `{time}` | of the call's beginning, by the server's clock: `Friday, 2026-11-27`, `14:05` |

`{{` and `}}` are braces. Braces around anything but a name, as in JSON, are left as they are.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from actors.errors import ConfigurationError
from actors.plugins.mistakes import unknown
from ingress.dialogs.base import DialogCall
from ingress.dialogs.file_content import file_content
from ingress.dialogs.llm.texts import language_name

MAXIMUM_BYTES = 64 * 1024
MAXIMUM_VALUE_CHARACTERS = 80
"""Of the caller's name and number: they come from outside."""
PLACEHOLDERS = ("caller_number", "caller_name", "language", "extension", "date", "time")
_BRACES = re.compile(r"\{\{|\}\}|\{([A-Za-z_]+)\}")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
"""Not the locale's: the prompt's words are English, as the rest around it."""

log = logging.getLogger(__name__)

RULES = """Your words are spoken on the telephone, in {language}. Answer in one to three short sentences.
Write plain text: no lists, no markup, no links, no emoji.
A text in [brackets] tells what happens in the call. The caller did not say it: never read it out."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt whose placeholders have been checked."""

    text: str

    @classmethod
    def checked(cls, text: str, where: str) -> Prompt:
        """Return a prompt. Raises ConfigurationError with a line for each unknown placeholder."""
        lines = [
            f"{where}:{text.count(chr(10), 0, found.start()) + 1}: {unknown(found[1], PLACEHOLDERS)}"
            for found in _BRACES.finditer(text)
            if found[1] and found[1] not in PLACEHOLDERS
        ]
        if lines:
            raise ConfigurationError("\n".join(_as_placeholder(line) for line in lines))
        return cls(text)

    @classmethod
    def read(cls, file: str, setting: str) -> Prompt:
        """Return the prompt in a file. Raises ConfigurationError."""
        where = f"{setting} = {file!r}"
        try:
            content = file_content(Path(file).expanduser(), MAXIMUM_BYTES)
            text = content.decode()
        except (OSError, RuntimeError, ValueError) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise ConfigurationError(f"{where}: cannot be read as UTF-8: {reason}") from None
        if len(content) > MAXIMUM_BYTES or not text.strip():
            raise ConfigurationError(f"{where}: a prompt has 1 to {MAXIMUM_BYTES} bytes")
        return cls.checked(text.strip("\n"), file)

    def filled(self, call: DialogCall) -> str:
        """Return the prompt of a call, with the rules behind it."""
        values = _values(call)
        return f"{_filled(self.text, values)}\n\n{_filled(RULES, values)}"


DEFAULT_PROMPT = Prompt(
    """You are the assistant of {extension}, and you answer telephone calls.
Today is {date}. The caller's name is {caller_name}.
Help the caller. If you do not know something, say so."""
)


class PromptFile:
    """The prompt in a file, as the file is now."""

    def __init__(self, file: str, setting: str) -> None:
        """Raises ConfigurationError."""
        self._file = file
        self._setting = setting
        self._version = self._now()
        self._prompt = Prompt.read(file, setting)

    def current(self) -> Prompt:
        """Return the prompt, read again if the file has changed; with a mistake in it, the former one.

        It waits for the disk.
        """
        version = self._now()
        if version != self._version:
            self._version = version
            try:
                self._prompt = Prompt.read(self._file, self._setting)
            except ConfigurationError as error:
                log.error("%s; the former prompt stays", error)
        return self._prompt

    def _now(self) -> tuple[int, int] | None:
        try:
            found = os.stat(Path(self._file).expanduser())
        except (OSError, RuntimeError, ValueError):
            return None
        return found.st_mtime_ns, found.st_size


def _as_placeholder(line: str) -> str:
    return line.replace("unknown setting", "unknown placeholder")


def _filled(text: str, values: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        return found[0][0] if found[1] is None else values[found[1]]

    return _BRACES.sub(value, text)


def _values(call: DialogCall) -> Mapping[str, str]:
    began = call.started_at.astimezone()
    return {
        "caller_number": _from_outside(call.caller_number),
        "caller_name": _from_outside(call.caller_name),
        "language": language_name(call.language),
        "extension": call.extension,
        "date": f"{DAYS[began.weekday()]}, {began:%Y-%m-%d}",
        "time": f"{began:%H:%M}",
    }


def _from_outside(text: str | None) -> str:
    """Return one short line without what marks a note of the telephone system."""
    kept = "".join(each for each in text or "" if each.isprintable() and each not in "[]{}")
    return kept.strip()[:MAXIMUM_VALUE_CHARACTERS] or "unknown"
