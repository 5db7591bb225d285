"""A script in a YAML file: what a caller does, what the return leg does, and what is to come of it.

```yaml
speech: {tts: hibari, language: en}     # the callers' voice
caller:
  - say: Good morning. I would like a table for two.
    expect: which day                   # words of the answer
  - press: 12#
    into_answer_s: 1.5                  # not after the answer, but so long after it has begun
    interrupts: true                    # and that stops it
  - pause_s: 5
return:
  joins_after: 2                        # turns of the caller
  steps:
    - say: Yes, of course.
expect:
  result: ended
  variables: {DOOR: open}
```
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from actors.errors import ConfigurationError

MAXIMUM_STEPS = 100
MAXIMUM_FILE_BYTES = 1024 * 1024
LONGEST_PAUSE_S = 600.0


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ScriptStep(_Part):
    """One thing that a caller does: exactly one of the first four."""

    say: str | None = Field(default=None, min_length=1)
    play: str | None = None
    """A WAV file; a relative path is one from the script's folder."""
    press: str | None = Field(default=None, pattern=r"^[0-9*#A-D]{1,64}$")
    pause_s: float | None = Field(default=None, ge=0.0, le=LONGEST_PAUSE_S)
    into_answer_s: float | None = Field(default=None, ge=0.0, le=LONGEST_PAUSE_S)
    """Not after the answer before, but so long after it has begun."""
    interrupts: bool | None = None
    """Whether this stops the answer before, or the greeting."""
    expect: str | None = None
    """Words that the answer contains, in any order. Of one that is interrupted: in what was heard of it, in
    whole sentences."""

    @model_validator(mode="after")
    def _is_one_thing(self) -> ScriptStep:
        if sum(thing is not None for thing in (self.say, self.play, self.press, self.pause_s)) != 1:
            raise ValueError("a step has exactly one of say, play, press, pause_s")
        answers = (self.expect, self.into_answer_s, self.interrupts)
        if self.pause_s is not None and any(thing is not None for thing in answers):
            raise ValueError("a pause has neither expect nor into_answer_s nor interrupts")
        return self


class ScriptSpeech(_Part):
    """The callers' voice."""

    tts: str = "hibari"
    language: str = "en"
    voice: str | None = None


class ScriptReturn(_Part):
    """What the return leg does."""

    joins_after: int = Field(default=0, ge=0, le=MAXIMUM_STEPS)
    """Turns of the caller."""
    steps: tuple[ScriptStep, ...] = Field(default=(), max_length=MAXIMUM_STEPS)


class ScriptExpectation(_Part):
    """What is to come of the call."""

    result: str | None = None
    """As in RAYMAL_RESULT."""
    target: str | None = None
    reason: str | None = None
    variables: dict[str, str] = Field(default_factory=dict)


class ScriptFile(_Part):
    """The whole file."""

    greeting_wait_s: float = Field(default=2.0, ge=0.0, le=LONGEST_PAUSE_S)
    """A leg on which nothing is heard begins its steps after this."""
    speech: ScriptSpeech = ScriptSpeech()
    caller: tuple[ScriptStep, ...] = Field(min_length=1, max_length=MAXIMUM_STEPS)
    return_leg: ScriptReturn | None = Field(default=None, alias="return")
    expect: ScriptExpectation = ScriptExpectation()


def read_script(file: Path) -> ScriptFile:
    """Return a script from its file. Raises ConfigurationError, with file and line of each mistake."""
    try:
        if file.stat().st_size > MAXIMUM_FILE_BYTES:
            raise ConfigurationError(f"{file}: a script has {MAXIMUM_FILE_BYTES} bytes at most")
        text = file.read_text("utf-8")
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{file}: is not UTF-8: byte {error.start}") from error
    try:
        data: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "is no YAML"
        raise ConfigurationError(f"{file}{where}: {problem}") from error
    except (ValueError, RecursionError) as error:  # a date like 2026-13-40; brackets in brackets
        raise ConfigurationError(f"{file}: is no YAML that can be read: {type(error).__name__}") from error
    try:
        return ScriptFile.model_validate(data)
    except ValidationError as error:
        root = yaml.compose(text, yaml.SafeLoader)
        lines = (
            f"{file}:{_line(root, one['loc'])}: {_where(one['loc'])}{_problem(one)}" for one in _own(error)
        )
        raise ConfigurationError("\n".join(lines)) from None


def _own(error: ValidationError) -> list[ErrorDetails]:
    """Return the mistakes, without a list's length where the mistake is in its parts."""
    every = error.errors()
    inside = {one["loc"][:-1] for one in every} | {one["loc"][:-2] for one in every}
    return [one for one in every if one["type"] != "too_short" or one["loc"] not in inside]


def _problem(error: ErrorDetails) -> str:
    match error["type"]:
        case "extra_forbidden":
            return "there is no such key"
        case "model_type" | "dict_type":
            return "has to be keys with values"
        case "string_type":
            return "has to be a text: put it in quotes"
        case "too_short":
            return "has no steps"
    return error["msg"].removeprefix("Value error, ")


def _line(node: yaml.Node | None, location: tuple[int | str, ...]) -> int:
    """Return the line of what a location names, or of the last part of it that is there."""
    line = node.start_mark.line if node is not None else 0
    for part in location:
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line
        elif isinstance(node, yaml.MappingNode):
            found = [(key, value) for key, value in node.value if key.value == part]
            if not found:
                break
            key, node = found[-1]
            line = key.start_mark.line
        else:
            break
    return line + 1


def _where(location: tuple[int | str, ...]) -> str:
    """Return `caller, step 2, say: `; nothing for the whole file."""
    names = [f"step {part + 1}" if isinstance(part, int) else str(part) for part in location]
    return f"{', '.join(names)}: " if names else ""
